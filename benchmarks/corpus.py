"""Networks as users export them, read by `load_network`: what comes in, what is refused, and how exactly.

A hundred and fifty files of typical users are made with PyTorch (by both exporters), keras and scikit-learn,
read, and compared with another evaluation of the same file: onnx's own reference evaluator in float64, on
points of a box. Models that are not piecewise linear must be refused by the name of an operator. Run

    python benchmarks/corpus.py [--only torch keras sklearn] [--out FILE.md]

It needs the extra `corpus` (pip install ".[corpus]"); frameworks that are missing are left out.
"""

import argparse
import contextlib
import io
import logging
import os
import sys
import tempfile
import warnings
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parent
sys.path[:] = [str(FOLDER.parent), *(path for path in sys.path if Path(path).resolve() != FOLDER)]
os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from subsetsum_nets.networks.files.onnx_files import read_onnx  # noqa: E402

POINTS = 8


@dataclass
class Model:
    """A model of a corpus: how to write it to a file, and what is to come of it."""

    framework: str
    name: str
    export: object  # a function of a path
    output: str | None = None
    chain: bool = True  # piecewise linear, so it must be read


@dataclass
class Outcome:
    """What came of one: the network's size and the largest difference, or the refusal."""

    model: Model
    shape: str = ""
    difference: float = np.nan
    refusal: str = ""


# -- PyTorch -------------------------------------------------------------------------------------------


def torch_models():
    """Yield (name, module, shape of a sample, output, piecewise linear)."""
    import torch
    from torch import nn
    from torch.nn import functional

    torch.manual_seed(0)

    class Fn(nn.Module):
        """A module whose forward is a function of its parts."""

        def __init__(self, function, **parts):
            super().__init__()
            self.function = function
            for name, part in parts.items():
                setattr(self, name, part)

        def forward(self, x):
            return self.function(self, x)

    def lin(a, b, **options):
        return nn.Linear(a, b, **options)

    def conv(a, b, k=3, **options):
        return nn.Conv2d(a, b, k, **options)

    def settled(module):
        """Give batch normalisations statistics that are not 0 and 1."""
        for part in module.modules():
            if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
                nn.init.uniform_(part.running_mean, -0.5, 0.5)
                nn.init.uniform_(part.running_var, 0.5, 2.0)
                nn.init.uniform_(part.weight, 0.5, 1.5)
        return module

    seq, relu, flat = nn.Sequential, nn.ReLU, nn.Flatten

    def block(c_in, c_out, stride):
        shortcut = (
            seq()
            if c_in == c_out and stride == 1
            else seq(conv(c_in, c_out, 1, stride=stride, bias=False), nn.BatchNorm2d(c_out))
        )
        return Fn(
            lambda m, x: functional.relu(m.main(x) + m.shortcut(x)),
            main=seq(
                conv(c_in, c_out, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(c_out),
                relu(),
                conv(c_out, c_out, padding=1, bias=False),
                nn.BatchNorm2d(c_out),
            ),
            shortcut=shortcut,
        )

    mean, std = torch.tensor([0.25, 0.5, 0.125, 0.3]), torch.tensor([0.5, 0.25, 2.0, 0.7])
    vectors = {
        "perceptron": seq(lin(4, 8), relu(), lin(8, 3)),
        "five layers": seq(
            lin(4, 8), relu(), lin(8, 8), relu(), lin(8, 8), relu(), lin(8, 8), relu(), lin(8, 3)
        ),
        "without biases": seq(lin(4, 8, bias=False), relu(), lin(8, 3, bias=False)),
        "ReLU at the end": seq(lin(4, 8), relu(), lin(8, 3), relu()),
        "one linear layer": seq(lin(4, 3)),
        "two linear layers": seq(lin(4, 8), lin(8, 3)),
        "dropout": seq(lin(4, 8), relu(), nn.Dropout(0.5), lin(8, 3)),
        "batch norm before the ReLU": seq(lin(4, 8), nn.BatchNorm1d(8), relu(), lin(8, 3)),
        "batch norm behind the ReLU": seq(lin(4, 8), relu(), nn.BatchNorm1d(8), lin(8, 3)),
        "batch norm of the input": seq(nn.BatchNorm1d(4), lin(4, 8), relu(), lin(8, 3)),
        "leaky ReLU": seq(lin(4, 8), nn.LeakyReLU(0.1), lin(8, 3)),
        "PReLU": seq(lin(4, 8), nn.PReLU(8), lin(8, 3)),
        "ReLU6": seq(lin(4, 8), nn.ReLU6(), lin(8, 3)),
        "hard tanh": seq(lin(4, 8), nn.Hardtanh(), lin(8, 3)),
        "hard sigmoid": seq(lin(4, 8), nn.Hardsigmoid(), lin(8, 3)),
        "clamped outputs": Fn(lambda m, x: m.net(x).clamp(0, 1), net=seq(lin(4, 8), relu(), lin(8, 3))),
        "normalised inputs": Fn(lambda m, x: m.net((x - mean) / std), net=seq(lin(4, 8), relu(), lin(8, 3))),
        "scaled outputs": Fn(lambda m, x: m.net(x) * 0.1 + 3, net=seq(lin(4, 8), relu(), lin(8, 3))),
        "residual": Fn(lambda m, x: m.b(functional.relu(m.a(x)) + x), a=lin(4, 4), b=lin(4, 3)),
        "residual behind ReLUs": Fn(
            lambda m, x: m.c((h := functional.relu(m.a(x))) + functional.relu(m.b(h))),
            a=lin(4, 8),
            b=lin(8, 8),
            c=lin(8, 3),
        ),
        "skips joined": Fn(
            lambda m, x: m.b(torch.cat([functional.relu(m.a(x)), x], 1)), a=lin(4, 8), b=lin(12, 3)
        ),
        "maxout": Fn(lambda m, x: m.c(torch.maximum(m.a(x), m.b(x))), a=lin(4, 6), b=lin(4, 6), c=lin(6, 3)),
        "absolute values": Fn(lambda m, x: m.b(m.a(x).abs()), a=lin(4, 6), b=lin(6, 3)),
        "halves of the input": Fn(
            lambda m, x: m.a(x[:, :2]) - functional.relu(m.b(x[:, 2:])), a=lin(2, 3), b=lin(2, 3)
        ),
        "chunks": Fn(
            lambda m, x: m.b(torch.cat([functional.relu(p) for p in m.a(x).chunk(2, 1)], 1)),
            a=lin(4, 8),
            b=lin(8, 3),
        ),
    }
    images = {
        "convolution, same": seq(conv(2, 3, padding=1), relu(), flat(), lin(192, 3)),
        "convolution, valid": seq(conv(2, 3), relu(), flat(), lin(108, 3)),
        "stride 2": seq(conv(2, 3, stride=2, padding=1), relu(), flat(), lin(48, 3)),
        "even kernel, same": seq(conv(2, 3, 2, padding="same"), relu(), flat(), lin(192, 3)),
        "unlike sides": seq(nn.Conv2d(2, 3, (1, 5), padding=(0, 2)), relu(), flat(), lin(192, 3)),
        "dilated": seq(conv(2, 3, dilation=2, padding=2), relu(), flat(), lin(192, 3)),
        "depthwise separable": seq(
            conv(2, 4, groups=2, padding=1), relu(), conv(4, 6, 1), relu(), flat(), lin(384, 3)
        ),
        "zero padding beside": seq(nn.ZeroPad2d((0, 1, 2, 0)), conv(2, 3), relu(), flat(), lin(168, 3)),
        "LeNet": seq(
            conv(2, 4, padding=1),
            relu(),
            nn.MaxPool2d(2),
            conv(4, 6, padding=1),
            relu(),
            nn.MaxPool2d(2),
            flat(),
            lin(24, 10),
            relu(),
            lin(10, 3),
        ),
        "overlapping maxima": seq(conv(2, 3, padding=1), relu(), nn.MaxPool2d(3, 2, 1), flat(), lin(48, 3)),
        "maxima, ceil mode": seq(conv(2, 3), relu(), nn.MaxPool2d(4, 4, ceil_mode=True), flat(), lin(12, 3)),
        "maxima before the ReLU": seq(conv(2, 3, padding=1), nn.MaxPool2d(2), relu(), flat(), lin(48, 3)),
        "averages of 2 x 2": seq(conv(2, 3, padding=1), relu(), nn.AvgPool2d(2), flat(), lin(48, 3)),
        "averages of 3 x 3, padded": seq(
            conv(2, 3, padding=1), relu(), nn.AvgPool2d(3, 2, 1), flat(), lin(48, 3)
        ),
        "averages without the padding": seq(
            conv(2, 3, padding=1), relu(), nn.AvgPool2d(3, 2, 1, count_include_pad=False), flat(), lin(48, 3)
        ),
        "global average": seq(conv(2, 6, padding=1), relu(), nn.AdaptiveAvgPool2d(1), flat(), lin(6, 3)),
        "mean of the pixels": Fn(
            lambda m, x: m.b(functional.relu(m.a(x)).mean((2, 3))), a=conv(2, 6, padding=1), b=lin(6, 3)
        ),
        "convolution and batch norm": seq(
            conv(2, 3, padding=1), nn.BatchNorm2d(3), relu(), flat(), lin(192, 3)
        ),
        "batch norm behind the ReLU, images": seq(
            conv(2, 3, padding=1), relu(), nn.BatchNorm2d(3), conv(3, 2), relu(), flat(), lin(72, 3)
        ),
        "residual network": seq(
            conv(2, 4, padding=1),
            relu(),
            block(4, 4, 1),
            block(4, 6, 2),
            nn.AdaptiveAvgPool2d(1),
            flat(),
            lin(6, 3),
        ),
        "view by size": Fn(
            lambda m, x: m.b(functional.relu(m.a(x)).view(x.size(0), -1)), a=conv(2, 3), b=lin(108, 3)
        ),
        "permuted": Fn(
            lambda m, x: m.b(functional.relu(m.a(x)).permute(0, 2, 3, 1).flatten(1)),
            a=conv(2, 3),
            b=lin(108, 3),
        ),
        "images flattened first": seq(flat(), lin(128, 8), relu(), lin(8, 3)),
        "normalised pixels": Fn(
            lambda m, x: m.net((x - 0.45) / 0.225),
            net=seq(conv(2, 3, padding=1), relu(), flat(), lin(192, 3)),
        ),
        "all convolutional": seq(conv(2, 4, padding=1), relu(), conv(4, 3, padding=1)),
    }
    others = [
        (
            "signals (Conv1d)",
            seq(nn.Conv1d(2, 4, 3, stride=2, padding=1), relu(), nn.MaxPool1d(2), flat(), lin(8, 3)),
            (2, 8),
            None,
            True,
        ),
        ("softmax at the end", seq(lin(4, 8), relu(), lin(8, 3), nn.Softmax(1)), (4,), "logits", True),
        ("log-softmax at the end", seq(lin(4, 8), relu(), lin(8, 3), nn.LogSoftmax(1)), (4,), "logits", True),
        ("GELU", seq(lin(4, 8), nn.GELU(), lin(8, 3)), (4,), None, False),
        ("tanh", seq(lin(4, 8), nn.Tanh(), lin(8, 3)), (4,), None, False),
        ("layer norm", seq(lin(4, 8), nn.LayerNorm(8), relu(), lin(8, 3)), (4,), None, False),
    ]
    for name, module in vectors.items():
        yield name, settled(module), (4,), None, True
    for name, module in images.items():
        yield name, settled(module), (2, 8, 8), None, True
    yield from others


def torch_corpus():
    """Return the models of PyTorch, by its default exporter and by the older one."""
    import torch

    corpus = []
    for name, module, shape, output, chain in torch_models():
        module.eval()
        for dynamo in (True, False):

            def export(path, module=module, shape=shape, dynamo=dynamo):
                more = {} if dynamo else {"dynamic_axes": {"x": {0: "batch"}}}
                torch.onnx.export(
                    module,
                    (torch.rand(1, *shape),),
                    str(path),
                    dynamo=dynamo,
                    input_names=["x"],
                    verbose=False,
                    **more,
                )

            corpus.append(Model("torch" if dynamo else "torch, older", name, export, output, chain))
    return corpus


# -- keras ---------------------------------------------------------------------------------------------


def keras_corpus():
    """Return the models of keras, exported by `model.export(format="onnx")`."""
    import keras
    from keras import layers as k

    keras.utils.set_random_seed(0)

    def vector(*layers):
        return keras.Sequential([keras.Input((4,)), *layers])

    def image(*layers):
        return keras.Sequential([keras.Input((8, 8, 2)), *layers])

    def joined(join, shape=(4,)):
        x = keras.Input(shape)
        return keras.Model(x, k.Dense(3)(k.Flatten()(join(x))))

    def tail():
        return [k.Flatten(), k.Dense(3)]

    normal = k.Normalization()
    normal.adapt(np.random.default_rng(0).normal(0.3, 2.0, (100, 4)))
    models = {
        "perceptron": vector(k.Dense(8, activation="relu"), k.Dense(3)),
        "dropout": vector(k.Dense(8, activation="relu"), k.Dropout(0.3), k.Dense(3)),
        "batch norm": vector(k.Dense(8), k.BatchNormalization(), k.ReLU(), k.Dense(3)),
        "leaky ReLU": vector(k.Dense(8), k.LeakyReLU(0.1), k.Dense(3)),
        "PReLU": vector(k.Dense(8), k.PReLU("glorot_uniform"), k.Dense(3)),
        "ReLU6": vector(k.Dense(8), k.ReLU(6.0), k.Dense(3)),
        "rescaling": vector(k.Rescaling(1 / 255, 0.5), k.Dense(8, activation="relu"), k.Dense(3)),
        "normalisation": vector(normal, k.Dense(8, activation="relu"), k.Dense(3)),
        "convolution, valid": image(k.Conv2D(3, 3, activation="relu"), *tail()),
        "convolution, same": image(k.Conv2D(3, 3, padding="same", activation="relu"), *tail()),
        "stride 2, same": image(k.Conv2D(3, 3, strides=2, padding="same", activation="relu"), *tail()),
        "two convolutions": image(
            k.Conv2D(4, 3, activation="relu"), k.Conv2D(3, 3, activation="relu"), *tail()
        ),
        "maxima": image(k.Conv2D(3, 3, padding="same", activation="relu"), k.MaxPooling2D(), *tail()),
        "averages": image(k.Conv2D(3, 3, padding="same", activation="relu"), k.AveragePooling2D(2), *tail()),
        "global average": image(k.Conv2D(6, 3, activation="relu"), k.GlobalAveragePooling2D(), k.Dense(3)),
        "global maxima": image(k.Conv2D(6, 3, activation="relu"), k.GlobalMaxPooling2D(), k.Dense(3)),
        "separable": image(k.SeparableConv2D(4, 3, activation="relu"), *tail()),
        "depthwise": image(k.DepthwiseConv2D(3, activation="relu"), *tail()),
        "zero padding": image(k.ZeroPadding2D(1), k.Conv2D(3, 3, activation="relu"), *tail()),
        "batch norm, images": image(k.Conv2D(3, 3), k.BatchNormalization(), k.ReLU(), *tail()),
        "residual": joined(lambda x: k.Add()([x, k.Dense(4, activation="relu")(x)])),
        "skips joined": joined(lambda x: k.Concatenate()([x, k.Dense(6, activation="relu")(x)])),
        "maximum of two": joined(lambda x: k.Maximum()([k.Dense(6)(x), k.Dense(6)(x)])),
        "average of two": joined(lambda x: k.Average()([k.Dense(6, activation="relu")(x), k.Dense(6)(x)])),
        "signals (Conv1D)": keras.Sequential(
            [keras.Input((8, 2)), k.Conv1D(4, 3, activation="relu"), *tail()]
        ),
        "softmax at the end": vector(k.Dense(8, activation="relu"), k.Dense(3, activation="softmax")),
        "sigmoid": vector(k.Dense(8, activation="sigmoid"), k.Dense(3)),
    }

    def exporter(model):
        def export(path):
            model(np.zeros((1, *model.input_shape[1:]), np.float32))  # it wants to have been called once
            model.export(str(path), format="onnx", verbose=False)

        return export

    return [
        Model(
            "keras",
            name,
            exporter(model),
            "logits" if name.startswith("softmax") else None,
            name != "sigmoid",
        )
        for name, model in models.items()
    ]


# -- scikit-learn --------------------------------------------------------------------------------------


def sklearn_corpus():
    """Return the models of scikit-learn, exported by skl2onnx."""
    from skl2onnx import to_onnx
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    rng = np.random.default_rng(0)
    inputs = rng.uniform(-1, 1, (200, 4)).astype(np.float32)
    value, classes = inputs @ [1.0, -2, 0.5, 0], (inputs[:, 0] > 0).astype(int) + (inputs[:, 1] > 0.3)

    def regressor(**options):
        return MLPRegressor(hidden_layer_sizes=(8, 6), max_iter=50, random_state=0, **options)

    models = {
        "regressor": (regressor(), value, None, True),
        "regressor, identity": (regressor(activation="identity"), value, None, True),
        "scaled regressor": (make_pipeline(StandardScaler(), regressor()), value, None, True),
        "regressor of a range": (make_pipeline(MinMaxScaler(), regressor()), value, None, True),
        "principal components": (make_pipeline(PCA(3), regressor()), value, None, True),
        "linear regression": (LinearRegression(), value, None, True),
        "ridge regression": (Ridge(), value, None, True),
        "classifier of three": (MLPClassifier((8,), max_iter=50, random_state=0), classes, "logits", True),
        "classifier of two": (MLPClassifier((8,), max_iter=50, random_state=0), classes > 0, "logits", True),
        "scaled classifier": (
            make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=50)),
            classes,
            "logits",
            True,
        ),
        "logistic regression": (
            LogisticRegression(),
            classes,
            "logits",
            False,
        ),  # one operator, softmax inside
        "tanh": (regressor(activation="tanh"), value, None, False),
    }

    def exporter(model, target):
        def export(path):
            fitted = model.fit(inputs, target)
            options = {"zipmap": False} if hasattr(fitted, "predict_proba") else None
            path.write_bytes(to_onnx(fitted, inputs[:1], options=options).SerializeToString())

        return export

    return [
        Model("scikit-learn", name, exporter(m, y), output, chain)
        for name, (m, y, output, chain) in models.items()
    ]


# -- reading and comparing -----------------------------------------------------------------------------


def tried(model, folder):
    """Export a model, read it, and compare it with the reference in float64."""
    import onnx

    path = folder / "model.onnx"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        model.export(path)
    outcome = Outcome(model)
    try:
        network = read_onnx(path, output=model.output)
    except (ValueError, NotImplementedError) as error:
        said = str(error).partition("model.onnx")[2].removeprefix(" cannot be read as a network: ")
        outcome.refusal = said.partition("; supported are Gemm")[0]
        return outcome
    outcome.shape = "-".join("x".join(map(str, shape)) for shape in network.shapes)
    outcome.difference = largest_difference(onnx.load(path), network, model)
    return outcome


def largest_difference(proto, network, model):
    """Return the largest difference of the network from the file's own values, over that of the outputs."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    in_double(proto)
    sizes = [dim.dim_value or 1 for dim in proto.graph.input[0].type.tensor_type.shape.dim]
    x = np.random.default_rng(0).uniform(-1, 1, (POINTS, *sizes[1:]))
    wanted = ending(proto) if model.output == "logits" else proto.graph.output[0].name
    if wanted != proto.graph.output[0].name:
        proto.graph.output.insert(
            0, onnx.helper.make_tensor_value_info(wanted, onnx.TensorProto.DOUBLE, None)
        )
    evaluate = ReferenceEvaluator(proto)
    values = [evaluate.run([wanted], {proto.graph.input[0].name: one[None]})[0] for one in x]
    theirs = np.concatenate([np.asarray(v).reshape(1, -1) for v in values])
    ours = network(as_taken(x, network))
    if ours.ndim == 4 and ours.shape[1:] != np.shape(values[0])[1:]:
        ours = ours.transpose(0, 3, 1, 2)
    return float(np.abs(ours.reshape(POINTS, -1) - theirs).max() / max(1.0, np.abs(theirs).max()))


def as_taken(x, network):
    """Return points in the file's order as the network takes them: images (h, w, c), signals of one row."""
    if not network.convolutional:
        return x.reshape(POINTS, -1)
    h, w, c = network.input_shape
    if x.shape[1:] in ((c, h, w), (c, w)) and x.shape[1:] not in ((h, w, c), (w, c)):
        x = np.moveaxis(x, 1, -1)
    return x.reshape(POINTS, h, w, c)


def ending(proto):
    """Return the tensor that the last softmax, sigmoid or argmax is taken of."""
    last = [
        n
        for n in proto.graph.node
        if n.op_type in ("Softmax", "LogSoftmax", "Sigmoid", "ArgMax", "LinearClassifier")
    ]
    softmax = next((n for n in reversed(last) if n.op_type != "ArgMax"), last[-1])
    return softmax.input[0]


def in_double(proto):
    """Turn every float32 of a model into a float64, in place: the same numbers, evaluated more precisely."""
    from onnx import TensorProto, numpy_helper

    def widen(tensor):
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(
                numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name)
            )

    for tensor in proto.graph.initializer:
        widen(tensor)
    for node in proto.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                widen(attribute.t)
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.DOUBLE
    for value in (*proto.graph.input, *proto.graph.output):
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
    del proto.graph.value_info[:]


CORPORA = {"torch": torch_corpus, "keras": keras_corpus, "sklearn": sklearn_corpus}


def row(outcome):
    """Return an outcome as a row of a table in Markdown."""
    read = f"refused: {outcome.refusal}" if outcome.refusal else outcome.shape
    shown = "" if outcome.refusal else f"{outcome.difference:.1e}" if outcome.difference else "0"
    return f"| {outcome.model.framework} | {outcome.model.name} | {read} | {shown} |".replace("\n", " ")


def table(outcomes):
    """Return all outcomes as a table, with the two exporters of PyTorch in one row where they agree."""
    lines = ["| exporter | model | read as | largest difference |", "|---|---|---|---|"]
    newer = {(o.model.name, o.shape): o for o in outcomes if o.model.framework == "torch"}
    for o in outcomes:
        twin = newer.get((o.model.name, o.shape)) if o.model.framework == "torch, older" else None
        if twin is None:
            lines.append(row(o))
        else:
            largest = max(o.difference, twin.difference) if o.shape else o.difference
            place = lines.index(row(twin))
            both = replace(twin, model=replace(twin.model, framework="torch, both"), difference=largest)
            lines[place] = row(both)
    return "\n".join(lines)


def main():
    """Try all models; exit code 1 if a chain was refused, or anything read differs from its file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=CORPORA, default=list(CORPORA))
    parser.add_argument("--out", type=Path, help="write the table to this file too")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)  # what exporters say of other packages
    outcomes = []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.only:
            if find_spec({"sklearn": "skl2onnx"}.get(name, name)) is None:
                print(f"{name} is not installed, and left out")
                continue
            for number, model in enumerate(CORPORA[name]()):
                place = Path(folder) / f"{name}{number}"
                place.mkdir()
                outcomes.append(tried(model, place))
                print(row(outcomes[-1]), flush=True)
    if arguments.out is not None:
        arguments.out.write_text(table(outcomes) + "\n")
    chains = [o for o in outcomes if o.model.chain]
    read = [o for o in chains if not o.refusal]
    wrong = [o for o in read if not o.difference < 1e-6]
    unlike = [o for o in outcomes if not o.model.chain and not o.refusal]
    refused = sum(not o.model.chain and bool(o.refusal) for o in outcomes)
    print(
        f"{len(read)} of {len(chains)} chains read; {refused} of {len(outcomes) - len(chains)} others refused"
    )
    print(f"differing: {[(o.model.framework, o.model.name, o.difference) for o in wrong]}")
    raise SystemExit(len(read) < len(chains) or bool(wrong) or bool(unlike))


if __name__ == "__main__":
    main()
