"""What PyTorch's two exporters make of typical modules is read, and computes what PyTorch computes."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")
pytest.importorskip("onnx")
from networks.onnx_evaluation import ours, outputs  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402, N812

from subsetsum_nets.networks.files.onnx_files import read_onnx  # noqa: E402

pytestmark = pytest.mark.slow
chain = nn.Sequential


class Block(nn.Module):
    """A residual block of two convolutions, with a strided shortcut if need be."""

    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.first, self.second = nn.Conv2d(c_in, c_out, 3, stride, 1), nn.Conv2d(c_out, c_out, 3, 1, 1)
        self.norm = nn.BatchNorm2d(c_out)
        self.shortcut = nn.Identity() if stride == 1 else nn.Conv2d(c_in, c_out, 1, stride)

    def forward(self, x):
        inner = self.norm(self.second(F.relu(self.first(x))))
        return F.relu(inner + self.shortcut(x))


class ByHand(nn.Module):
    """Layers, and a function of them and the input."""

    def __init__(self, function, *layers):
        super().__init__()
        self.function, self.layers = function, nn.ModuleList(layers)

    def forward(self, x):
        return self.function(self.layers, x)


def small_conv(*middle, flat):
    return chain(nn.Conv2d(2, 3, 3, padding=1), *middle, nn.Flatten(), nn.Linear(flat, 3))


MODELS = {
    "normalised": (
        lambda: chain(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 2)),
        (4,),
    ),
    "view": (
        lambda: ByHand(
            lambda m, x: m[1](F.relu(m[0](x)).view(x.size(0), -1)), nn.Conv2d(1, 2, 3), nn.Linear(24, 3)
        ),
        (1, 5, 6),
    ),
    "max pool": (lambda: small_conv(nn.ReLU(), nn.MaxPool2d(3, 2, 1), flat=36), (2, 8, 6)),
    "average": (lambda: small_conv(nn.AvgPool2d(2), nn.ReLU(), flat=36), (2, 8, 6)),
    "global average": (lambda: small_conv(nn.LeakyReLU(0.1), nn.AdaptiveAvgPool2d(1), flat=3), (2, 8, 6)),
    "strided": (
        lambda: small_conv(nn.ReLU6(), nn.Conv2d(3, 2, 4, 2, 1, groups=1), nn.ReLU(), flat=24),
        (2, 8, 6),
    ),
    "even same": (
        lambda: chain(nn.Conv2d(1, 2, (4, 2), padding="same"), nn.PReLU(2), nn.Conv2d(2, 1, 1)),
        (1, 6, 5),
    ),
    "resnet": (lambda: chain(nn.Conv2d(3, 4, 3, 1, 1), nn.ReLU(), Block(4, 4, 1), Block(4, 6, 2)), (3, 8, 6)),
    "joined": (
        lambda: ByHand(
            lambda m, x: m[1](torch.cat([F.relu(m[0](x)), torch.abs(x)], 1)), nn.Linear(4, 3), nn.Linear(7, 2)
        ),
        (4,),
    ),
    "maxout": (
        lambda: ByHand(
            lambda m, x: m[1](torch.maximum(*m[0](x).chunk(2, 1))), nn.Linear(4, 6), nn.Linear(3, 2)
        ),
        (4,),
    ),
    "one axis": (
        lambda: chain(nn.Conv1d(2, 3, 3), nn.ReLU(), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(12, 2)),
        (2, 10),
    ),
    "clamped": (lambda: chain(nn.Linear(4, 5), nn.Hardtanh(), nn.Linear(5, 2)), (4,)),
}


BY_BOTH = ("normalised", "view", "max pool", "resnet", "maxout")


@pytest.mark.parametrize(
    ("name", "dynamo"), [(name, False) for name in MODELS] + [(name, True) for name in BY_BOTH]
)
def test_exports_of_pytorch(tmp_path, name, dynamo):
    torch.manual_seed(0)
    make, shape = MODELS[name]
    model = make().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
    x = torch.randn(3, *shape)
    path = tmp_path / "net.onnx"
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        if dynamo:
            torch.onnx.export(model, (x[:1],), path, dynamo=True, external_data=True, verbose=False)
        else:
            torch.onnx.export(model, (x[:1],), path, dynamo=False, opset_version=13)
        wanted = model(x).numpy()
        network = read_onnx(path)
    mine = network(ours(network, x.numpy().astype(np.float64)[:, None]))
    known = outputs(network, list(wanted[:, None]))
    assert np.abs(mine - known).max() < 1e-5 * max(1.0, np.abs(known).max())
