"""Makes the .onnx files beside it, as PyTorch and scikit-learn exporters write them, and what they compute.

Run by hand with torch, onnx, onnxscript, scikit-learn and skl2onnx installed: python make_files.py. The tests
need none of these but onnx.
"""

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from skl2onnx import to_onnx
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

HERE = Path(__file__).parent


class ByHand(nn.Module):
    """Layers with names, a flatten in the forward pass, a layer without bias."""

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(6, 5)
        self.fc2 = nn.Linear(5, 4, bias=False)
        self.fc3 = nn.Linear(4, 3)

    def forward(self, x):
        x = torch.relu(self.fc1(torch.flatten(x, 1)))
        return torch.relu(self.fc3(self.fc2(x)))


def without_traces(path):
    """Leave out where in whose Python code each node is from, which the dynamo exporter writes down."""
    model = onnx.load(path)
    for part in (
        model,
        model.graph,
        *model.graph.node,
        *model.graph.value_info,
        *model.graph.initializer,
        *model.graph.input,
        *model.graph.output,
    ):
        del part.metadata_props[:]
    onnx.save(model, path)


def main():
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    mlp = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3, bias=False), nn.ReLU(), nn.Linear(3, 2))
    conv = nn.Sequential(
        nn.Conv2d(2, 3, (3, 5), padding="same"),
        nn.ReLU(),
        nn.Conv2d(3, 2, 1, bias=False),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(2 * 4 * 5, 3),
        nn.ReLU(),
        nn.Linear(3, 2),
    )
    models = {
        "mlp": (mlp, (7, 4)),
        "byhand": (ByHand(), (7, 2, 3)),
        "double": (nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)).double(), (7, 3)),
        "conv": (conv, (3, 2, 4, 5)),
        "softmax": (nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 3), nn.Softmax(1)), (7, 4)),
        "stride": (nn.Sequential(nn.Conv2d(1, 1, 3, stride=2, padding=1), nn.Flatten()), (3, 1, 4, 4)),
    }
    for name, (model, shape) in models.items():
        model.eval()
        inputs = generator.standard_normal(shape).astype(np.float64 if name == "double" else np.float32)
        with torch.no_grad():
            outputs = model(torch.from_numpy(inputs)).numpy()
        np.savez(HERE / f"torch_{name}.npz", inputs=inputs, outputs=outputs)
        example = (torch.from_numpy(inputs[:1]),)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            axes = {"input": {0: "batch"}, "output": {0: "batch"}}
            for opset in (11, 17):
                torch.onnx.export(
                    model,
                    example,
                    HERE / f"torch_{name}_{opset}.onnx",
                    dynamo=False,
                    opset_version=opset,
                    input_names=["input"],
                    output_names=["output"],
                    dynamic_axes=axes,
                )
            dynamo = HERE / f"torch_{name}_dynamo.onnx"
            torch.onnx.export(model, example, dynamo, dynamo=True, external_data=False)
        without_traces(dynamo)

    x = generator.standard_normal((200, 4)).astype(np.float32) * 3 + 1
    y = np.stack([np.sin(x).sum(1), x[:, 0]], 1)
    settings = {"hidden_layer_sizes": (5, 3), "max_iter": 200, "random_state": 0}
    learners = {
        "regressor": MLPRegressor(**settings).fit(x, y),
        "single": MLPRegressor(**settings).fit(x, y[:, 0]),
        "scaled": make_pipeline(StandardScaler(), MLPRegressor(**settings)).fit(x, y),
        "classifier": MLPClassifier(**settings).fit(x, np.digitize(x[:, 0], [0, 2])),
    }
    for name, learner in learners.items():
        (HERE / f"sklearn_{name}.onnx").write_bytes(to_onnx(learner, x[:1]).SerializeToString())
        predict = learner.predict_proba if name == "classifier" else learner.predict
        np.savez(HERE / f"sklearn_{name}.npz", inputs=x[:7], outputs=predict(x[:7]).reshape(7, -1))


if __name__ == "__main__":
    main()
