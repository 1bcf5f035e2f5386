"""PyTorch modules as networks and back: the same values, exactly on dyadic weights; refusals by module."""

import contextlib
import io
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from subsetsum_nets import Box, Conv2d, Dense, ReluNetwork, prune
from subsetsum_nets.exchange import from_torch, to_torch, write_masks, write_state_dict
from subsetsum_nets.networks import InvalidNetworkError, NetworkFileError
from subsetsum_nets.networks.lowering.notes import RoundedFoldingWarning

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
nn = torch.nn
F = torch.nn.functional


def dyadic(module, seed=0):
    """Give a module weights that are multiples of 1/8, so that float64 adds them up exactly."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if tensor.dtype.is_floating_point:
            numbers = torch.randint(-8, 9, tensor.shape, generator=generator).to(tensor.dtype) / 8
            tensor.copy_(numbers if not name.endswith("running_var") else 0 * numbers + 1)
    return module


def points(shape, seed=1, count=5):
    return np.random.default_rng(seed).integers(-16, 17, (count, *shape)) / 8


def check(module, shape):
    """See that a module (c, h, w) or (d,) and its network give the same, to the last bit."""
    module = dyadic(module).double()
    channels_last = len(shape) == 3
    ours = (shape[1], shape[2], shape[0]) if channels_last else shape
    network = from_torch(module, input_shape=ours if len(shape) > 1 else None)
    x = points(shape)
    wanted = module.eval()(torch.tensor(x)).detach().numpy()
    given = x.transpose(0, 2, 3, 1) if channels_last and network.convolutional else x.reshape(len(x), -1)
    values = network(given)
    if values.ndim == 4:
        values = values.transpose(0, 3, 1, 2)
    assert np.array_equal(values.reshape(wanted.shape), wanted)
    again = to_torch(network)(torch.tensor(x if network.convolutional else x.reshape(len(x), -1)))
    assert np.array_equal(again.detach().numpy().reshape(wanted.shape), wanted)
    return network


VECTORS = {
    "a chain": lambda: [nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)],
    "without biases": lambda: [nn.Linear(3, 4, bias=False), nn.ReLU(), nn.Linear(4, 2, bias=False)],
    "nested": lambda: [nn.Sequential(nn.Linear(3, 4), nn.ReLU()), nn.Sequential(nn.Linear(4, 2))],
    "ReLU at the end": lambda: [nn.Linear(3, 2), nn.ReLU(inplace=True)],
    "dropout and identity": lambda: [
        nn.Linear(3, 4),
        nn.Dropout(0.5),
        nn.Identity(),
        nn.ReLU(),
        nn.Linear(4, 2),
    ],
    "leaky": lambda: [nn.Linear(3, 4), nn.LeakyReLU(0.25), nn.Linear(4, 2)],
    "parametric": lambda: [nn.Linear(3, 4), nn.PReLU(4), nn.Linear(4, 2)],
    "one slope": lambda: [nn.Linear(3, 4), nn.PReLU(), nn.Linear(4, 2)],
    "clipped": lambda: [nn.Linear(3, 4), nn.ReLU6(), nn.Linear(4, 2)],
    "hard tanh": lambda: [nn.Linear(3, 4), nn.Hardtanh(-0.5, 2.0), nn.Linear(4, 2)],
    "batch norm": lambda: [nn.Linear(3, 4), nn.BatchNorm1d(4, eps=3.0), nn.ReLU(), nn.Linear(4, 2)],
    "batch norm, not affine": lambda: [nn.BatchNorm1d(3, eps=3.0, affine=False), nn.Linear(3, 2)],
}


@pytest.mark.parametrize("name", VECTORS)
def test_a_module_of_vectors_is_its_network(name):
    module = nn.Sequential(*VECTORS[name]())
    check(module, (3,))


IMAGES = {
    "plain": lambda: [nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 30, 2)],
    "valid, strided": lambda: [
        nn.Conv2d(2, 3, (2, 3), stride=(2, 1)), nn.ReLU(), nn.Flatten(1), nn.Linear(24, 2),
    ],
    "same by name": lambda: [nn.Conv2d(2, 2, 4, padding="same"), nn.ReLU()],
    "valid by name": lambda: [nn.Conv2d(2, 2, 2, padding="valid")],
    "dilated, grouped": lambda: [nn.Conv2d(2, 4, 2, dilation=2, groups=2, padding=(2, 1)), nn.ReLU()],
    "zeros around": lambda: [nn.ZeroPad2d((1, 0, 0, 2)), nn.Conv2d(2, 2, 3), nn.ReLU()],
    "a frame of ones": lambda: [nn.ConstantPad2d(1, 1.0), nn.Conv2d(2, 2, 3), nn.ReLU()],
    "batch norm": lambda: [nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3, eps=3.0), nn.ReLU(), nn.AvgPool2d(2)],
    "averages": lambda: [
        nn.Conv2d(2, 2, 1), nn.ReLU(), nn.AvgPool2d(2, padding=1), nn.Flatten(), nn.Linear(24, 2),
    ],
    "averages, ceiling": lambda: [nn.AvgPool2d(2, ceil_mode=True), nn.Conv2d(2, 1, 2)],
    "averages, zeros not counted": lambda: [nn.AvgPool2d(2, padding=(0, 1), count_include_pad=False)],
    "averages, ceiling and zeros": lambda: [nn.AvgPool2d(2, stride=(2, 4), padding=1, ceil_mode=True)],
    "maxima, ceiling": lambda: [nn.MaxPool2d(2, ceil_mode=True)],
    "maxima": lambda: [nn.Conv2d(2, 2, 2), nn.ReLU(), nn.MaxPool2d(2, stride=(1, 2))],
    "maxima, dilated and padded": lambda: [nn.MaxPool2d(2, stride=1, padding=1, dilation=2)],
    "the mean of each channel": lambda: [
        nn.Conv2d(2, 4, (2, 3)), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2),
    ],
    "the largest of each channel": lambda: [nn.Conv2d(2, 2, 1), nn.AdaptiveMaxPool2d((1, 3)), nn.Flatten()],
    "dropped channels": lambda: [nn.Conv2d(2, 2, 1), nn.Dropout2d(), nn.LeakyReLU(0.5), nn.Conv2d(2, 1, 2)],
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("name", IMAGES)
def test_a_module_of_images_is_its_network(name):
    check(nn.Sequential(*IMAGES[name]()), (2, 5, 6))


def random_part(rng, c, h, w):
    """Return a module that takes images (c, h, w), and the channels that it gives."""
    kind = rng.integers(8)
    k, d = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    pads = tuple(int(n) for n in rng.integers(0, 3, 2))
    if kind == 0:
        return nn.Conv2d(
            c, 2 * c, k, stride=int(rng.integers(1, 3)), padding=pads, dilation=d, groups=c
        ), 2 * c
    if kind == 1:
        return nn.Conv2d(c, 2, (k, 1), padding=pads, bias=bool(rng.integers(2))), 2
    if kind == 2:
        return nn.BatchNorm2d(c, eps=3.0), c
    if kind == 3:
        return nn.MaxPool2d(
            2, stride=int(rng.integers(1, 3)), padding=int(rng.integers(2)), ceil_mode=bool(k % 2)
        ), c
    if kind == 4:
        return nn.AvgPool2d((2, 1), padding=(1, 0), count_include_pad=True), c
    if kind == 5:
        return nn.ZeroPad2d((*pads, 0, 1)), c
    return (nn.ReLU(), nn.LeakyReLU(0.25), nn.PReLU(c), nn.ReLU6())[k % 4], c


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60))
def test_random_chains_are_their_networks(seed):
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 3)), 5, 4)
    parts, channels = [], shape[0]
    with torch.no_grad():
        while len(parts) < 5:
            part, given = random_part(rng, channels, *shape[1:])
            try:
                nn.Sequential(*parts, part).eval()(torch.zeros((1, *shape)))
            except RuntimeError:
                continue  # the images are too small for that by now
            parts.append(part)
            channels = given
    check(nn.Sequential(*parts, nn.Flatten()), shape)


def test_a_module_of_series_is_its_network():
    layers = [
        nn.Conv1d(2, 3, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Flatten(),
        nn.Linear(6, 2),
    ]
    module = dyadic(nn.Sequential(*layers)).double()
    network = from_torch(module, input_shape=(2, 8))
    x = points((2, 8))
    flat = x.reshape(5, -1) if not network.convolutional else x.transpose(0, 2, 1)[:, None]
    assert np.array_equal(network(flat), module(torch.tensor(x)).detach().numpy())


class Written(nn.Module):
    """Functions, methods, residual sums, joined branches, in place and not."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
        self.act = nn.ReLU(inplace=True)
        self.register_buffer("centre", torch.tensor([0.5, -1.0, 0.25, 2.0]))

    def forward(self, x):
        return getattr(self, self.kind)(x)

    def residual(self, x):
        return F.relu(self.b(F.relu(self.a(x))) + x)

    def in_place(self, x):
        h = self.a(x)
        kept = h
        h = self.act(h)
        return self.b(h) + kept  # kept is what the ReLU has changed

    def joined(self, x):
        return torch.cat([self.a(x).relu(), x], dim=1)

    def arithmetic(self, x):
        return self.b(((x - self.centre) * 0.5 + 1).clamp(-1, 1)) / 2 - x

    def shapes(self, x):
        h = self.a(x).view(x.size(0), 2, 2).permute(0, 2, 1).contiguous()
        return self.b(h.reshape(x.shape[0], -1)).unsqueeze(1).squeeze(1)

    def functions(self, x):
        h = F.leaky_relu(F.linear(x, self.a.weight, self.a.bias), 0.25)
        return F.hardtanh(torch.neg(F.dropout(h, training=self.training)), -2.0, 1.0) + torch.abs(x)

    def extremes(self, x):
        return torch.maximum(self.a(x), torch.minimum(self.b(x), x))

    def averaged(self, x):
        return F.pad(self.a(x), (1, 0)).unsqueeze(1).mean(dim=1)


@pytest.mark.parametrize(
    "kind",
    ["residual", "in_place", "joined", "arithmetic", "shapes", "functions", "extremes", "averaged"],
)
def test_what_forward_says_is_followed(kind):
    check(Written(kind), (4,))


class Refused(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind, self.a = kind, nn.Linear(4, 4)
        self.inner = nn.Sequential(nn.Linear(4, 4), nn.Softmax(dim=1))
        self.mirror = nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect")

    def forward(self, x):
        return getattr(self, self.kind)(x)

    def decides(self, x):
        return x if x.sum() > 0 else -x

    def nested(self, x):
        return self.inner(x)

    def unknown(self, x):
        return torch.exp(self.a(x))

    def of_values(self, x):
        return x * x.max().item()

    def product(self, x):
        return self.a(x) * self.a(x)

    def alias(self, x):
        h = self.a(x)
        flat = h.view(2, -1)
        F.relu_(flat)
        return h

    def alpha(self, x):
        return torch.add(x, x, alpha=2)

    def constant(self, x):
        return self.a.weight

    def two(self, x):
        return x, x

    def mirrored(self, x):
        return self.mirror(x.view(1, 1, 2, 2))

    def random(self, x):
        return F.dropout(self.a(x))

    def batch(self, x):
        return self.a(x).reshape(4, 1)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("decides", "cannot trace Refused"),
        ("nested", r"module 'inner\.1' \(Softmax\)"),
        ("unknown", r"exp\(\)"),
        ("of_values", r"max\(\)|item\(\)"),
        ("product", r"mul\(\)"),
        ("alias", "makes|changes in place"),
        ("alpha", "alpha"),
        ("constant", "depends on its input"),
        ("two", "one tensor"),
        ("mirrored", "'mirror'.*reflect"),
        ("random", "drops values at random at inference too"),
        ("batch", "first axis must stay the batch"),
    ],
)
def test_what_is_no_network_is_refused_by_its_module(kind, message):
    with pytest.raises(NetworkFileError, match=message):
        from_torch(Refused(kind))


def test_hooks_and_modules_that_only_look_like_layers_are_refused():
    module = nn.Sequential(nn.Linear(3, 2))
    handle = module[0].register_forward_hook(lambda *_: torch.zeros(1, 2))
    with pytest.raises(NetworkFileError, match=r"module '0' \(Linear\) has a hook"):
        from_torch(module)
    handle.remove()

    class Doubled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    doubled = dyadic(nn.Sequential(Doubled(3, 2))).double()
    x = points((3,))
    assert np.array_equal(from_torch(doubled)(x), doubled(torch.tensor(x)).detach().numpy())
    quantized = pytest.importorskip("torch.ao.nn.qat")
    fake = quantized.Linear(3, 2, qconfig=torch.ao.quantization.get_default_qat_qconfig("x86"))
    with pytest.raises(NetworkFileError, match="module '0'"):
        from_torch(nn.Sequential(fake))


def test_parametrized_weights_are_the_parametrized_ones():
    from torch.nn.utils import parametrizations, parametrize

    module = nn.Sequential(parametrizations.weight_norm(nn.Linear(3, 2)).double())
    assert parametrize.is_parametrized(module[0])
    assert np.array_equal(from_torch(module).layers[0].weight, module[0].weight.detach().numpy())


def test_the_eps_of_a_normalisation_is_not_rounded_to_float32():
    module = nn.Sequential(nn.BatchNorm1d(1, eps=1e-3)).double().eval()
    module[0].running_var.fill_(0.0)
    with pytest.warns(RoundedFoldingWarning):
        scale = from_torch(module, input_shape=(1,)).layers[0].weight[0, 0]
    assert abs(scale * np.sqrt(1e-3) - 1) < 1e-15


def test_the_module_is_left_as_it_was():
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, eps=3.0), nn.Dropout(), nn.Linear(4, 2))
    dyadic(module).train()
    module[2].eval()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    from_torch(module)
    assert [part.training for part in module] == [True, True, False, True]
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    assert all(parameter.requires_grad for parameter in module.parameters())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_weights_of_every_precision_are_exact(dtype):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.LeakyReLU(0.1), nn.Linear(4, 2)).to(getattr(torch, dtype))
    first = from_torch(module).layers[0]
    assert np.array_equal(first.weight[:4], module[0].weight.detach().double().numpy())


def test_the_shape_is_asked_for_where_no_layer_tells_it():
    images = nn.Sequential(nn.Conv2d(3, 2, 3))
    with pytest.raises(InvalidNetworkError, match="a Conv2d takes images of any size"):
        from_torch(images)
    with pytest.raises(InvalidNetworkError, match="channels last"):
        from_torch(images, input_shape=(3, 8, 8))
    with pytest.raises(InvalidNetworkError, match="no layer tells it"):
        from_torch(nn.Sequential(nn.ReLU()))
    with pytest.raises(InvalidNetworkError, match="does not take an input of shape"):
        from_torch(nn.Sequential(nn.Linear(3, 4), nn.Linear(5, 2)))
    with pytest.raises(TypeError, match="got a dict"):
        from_torch({})
    domain = Box(0, 1)
    assert from_torch(nn.Sequential(nn.Linear(3, 1)), domain=domain).domain == domain


def test_masks_of_torch_prune_count():
    from torch.nn.utils import prune as pruning

    module = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
    pruning.random_unstructured(module[0], "weight", amount=3)
    weight = from_torch(module).layers[0].weight
    assert (weight == 0).sum() == 3
    assert np.array_equal(weight, (module[0].weight_orig * module[0].weight_mask).detach().double().numpy())


# -- to_torch ----------------------------------------------------------------------------------------


def random_images(seed, **options):
    rng = np.random.default_rng(seed)
    kernel = rng.integers(-8, 9, (3, 2, 2 // options.get("groups", 1), 4)) / 8
    layers = [Conv2d(kernel, rng.integers(-8, 9, 4) / 8, **options)]
    size = layers[0].gives((6, 5, 2), 0)
    layers.append(Dense(rng.integers(-8, 9, (3, int(np.prod(size)))) / 8))
    return ReluNetwork(layers, input_shape=(6, 5, 2), final_relu=bool(seed % 2))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": "valid"},
        {"padding": 1},
        {"padding": "same_upper", "stride": 2},
        {"padding": "same", "stride": (2, 3)},
        {"padding": ((2, 0), (1, 3)), "stride": (1, 2)},
        {"groups": 2, "dilation": 2},
    ],
)
def test_a_convolutional_network_is_a_module_and_comes_back(options):
    network = random_images(len(options), **options)
    module = to_torch(network)
    x = points((6, 5, 2))
    values = module(torch.tensor(x.transpose(0, 3, 1, 2))).detach().numpy()
    assert np.array_equal(values, network(x))
    back = from_torch(module, input_shape=(6, 5, 2))
    assert np.array_equal(back(x) if back.convolutional else back(x.reshape(5, -1)), network(x))


@given(widths=st.lists(st.integers(1, 4), min_size=2, max_size=4), seed=st.integers(0, 99))
def test_a_dense_network_is_a_module_and_comes_back(widths, seed):
    rng = np.random.default_rng(seed)
    layers = [
        Dense(rng.uniform(-1, 1, (n, m)), rng.uniform(-1, 1, n) if seed % 3 else None)
        for m, n in pairwise(widths)
    ]
    network = ReluNetwork(layers, final_relu=bool(seed % 2))
    back = from_torch(to_torch(network))
    assert back.relu_after == network.relu_after
    for ours, theirs in zip(network.layers, back.layers, strict=True):
        assert np.array_equal(ours.weight, theirs.weight)
        assert np.array_equal(
            0 if ours.bias is None else ours.bias, 0 if theirs.bias is None else theirs.bias
        )


def test_linear_layers_stay_linear_and_images_of_any_size_are_taken():
    linear = ReluNetwork([Dense([[1.0], [-1.0]]), Dense([[1.0, 1.0]])], linear_after=[0])
    assert to_torch(linear)(torch.tensor([[3.0]], dtype=torch.float64)).item() == 0.0
    sums = ReluNetwork([Conv2d(np.ones((3, 3, 1, 1)))])
    for size in (2, 5):
        x = points((size, size, 1))
        values = to_torch(sums)(torch.tensor(x.transpose(0, 3, 1, 2))).detach().numpy()
        assert np.array_equal(values.transpose(0, 2, 3, 1), sums(x))
    with pytest.raises(InvalidNetworkError, match="input_shape"):
        to_torch(ReluNetwork([Conv2d(np.ones((3, 3, 1, 1)), stride=2)]))
    with pytest.raises(TypeError, match="got a dict"):
        to_torch({})


def test_a_ticket_is_its_random_network_with_masks_as_torch_prune_has_them(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    ticket = prune(ReluNetwork([Dense([[0.5, -0.25]], [0.125]), Dense([[1.0]])]), epsilon=0.25)
    module = to_torch(ticket)
    assert torch.nn.utils.prune.is_pruned(module)
    assert np.array_equal(module[0].weight_orig.detach().numpy(), ticket.random.layers[0].weight)
    assert np.array_equal(module[0].weight_mask.numpy().astype(bool), ticket.masks[0])
    write_masks(ticket.random, ticket.all_masks, tmp_path / "masks.safetensors")
    state = safetensors.load_file(tmp_path / "masks.safetensors")
    assert set(state) == set(module.state_dict())
    pruned = to_torch(ticket.network)
    x = torch.tensor(points((2,)))
    assert torch.equal(module(x), pruned(x))
    back = from_torch(module)
    assert np.array_equal(back(x.numpy()), pruned(x).detach().numpy())


@pytest.mark.parametrize("options", [{}, {"padding": "valid"}, {"padding": ((0, 1), (0, 0))}])
def test_a_module_takes_the_state_dict_that_is_written(tmp_path, options):
    safetensors = pytest.importorskip("safetensors.torch")
    network = random_images(3, **options)
    write_state_dict(network, tmp_path / "net.safetensors")
    module = to_torch(network, dtype=torch.float32)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    module.load_state_dict(safetensors.load_file(tmp_path / "net.safetensors"))
    for name, tensor in module.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, before[name])


def test_the_page_prints_what_it_shows(tmp_path, monkeypatch):
    page = (Path(__file__).parent.parent.parent / "docs" / "pytorch.md").read_text()
    blocks = re.findall(r"```(python|text)\n(.*?)```", page, re.DOTALL)
    assert [kind for kind, _ in blocks[:2]] == ["python", "text"]
    monkeypatch.chdir(tmp_path)
    namespace, output = {}, io.StringIO()
    for kind, body in blocks:
        if kind == "text":
            assert output.getvalue() == body
            output = io.StringIO()
            continue
        with contextlib.redirect_stdout(output):
            exec(compile(body, "pytorch.md", "exec"), namespace)  # noqa: S102 - our own page


def test_the_snippets_on_files_run_one_after_the_other(tmp_path, monkeypatch):
    pytest.importorskip("safetensors.torch")
    page = (Path(__file__).parent.parent.parent / "docs" / "exchange.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page[page.index("## PyTorch") :], re.DOTALL)
    monkeypatch.chdir(tmp_path)
    namespace = {}
    for body in blocks:
        exec(compile(body, "exchange.md", "exec"), namespace)  # noqa: S102 - our own page
    assert (tmp_path / "question" / "pair.vnnlib").exists()


# -- tensors where arrays are taken ------------------------------------------------------------------


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64", "int64"])
def test_tensors_are_taken_where_arrays_are(grad, dtype):
    kind = getattr(torch, dtype)
    weight = torch.tensor([[1.0, 2.0]]).to(kind)
    if grad and kind.is_floating_point:
        weight.requires_grad_()
    network = ReluNetwork([Dense(weight)])
    assert network(weight[0])[0] == 5.0
    assert Box(0 * weight[0], weight[0]) == Box([0.0, 0.0], [1.0, 2.0])
    assert Dense(nn.Linear(2, 1).weight).d_in == 2
