"""Files of weights as Y. Idelbayev publishes them, made of random numbers, and what such a network computes.

The forward pass here is written from the published code's description and shares nothing with the package.
"""

import hashlib
import io

import torch
from torch import Tensor
from torch.nn import functional

from resnet_lib.data.releases import Weights
from tests import distributions

DEPTH = 14
"""Two blocks a stage: the smallest depth with a transition and a block that keeps the shape in every stage."""
PARTS = ("weight", "bias", "running_mean", "running_var")


def state(depth: int = DEPTH, *, seed: int = 0) -> dict[str, Tensor]:
    """Tensors of a published network by their published names."""
    draw = torch.Generator().manual_seed(seed)
    found: dict[str, Tensor] = {}

    def layer(conv: str, norm: str, out: int, into: int) -> None:
        found[f"{conv}.weight"] = torch.randn(out, into, 3, 3, generator=draw) / (3 * into**0.5)
        for part in PARTS:
            values = torch.randn(out, generator=draw) / 3
            found[f"{norm}.{part}"] = 1 + values.abs() if part in ("weight", "running_var") else values

    layer("conv1", "bn1", 16, 3)
    into = 16
    for stage, out in enumerate((16, 32, 64), start=1):
        for position in range((depth - 2) // 6):
            block = f"layer{stage}.{position}"
            layer(f"{block}.conv1", f"{block}.bn1", out, into)
            layer(f"{block}.conv2", f"{block}.bn2", out, out)
            into = out
    found["linear.weight"] = torch.randn(10, 64, generator=draw) / 8
    found["linear.bias"] = torch.randn(10, generator=draw)
    return found


def saved(tensors: dict[str, Tensor], *, key: str = "state_dict", prefix: str = "module.") -> bytes:
    """The bytes of such a file, in the format of 2018."""
    file = io.BytesIO()
    content = {key: {prefix + name: value for name, value in tensors.items()}, "best_prec1": 91.78}
    torch.save(content, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def weights(data: bytes, depth: int = DEPTH, *, seen: bool = True) -> Weights:
    """What the catalogue says of such a file; not its length and whole hash where nobody has `seen` it."""
    sha256 = hashlib.sha256(data).hexdigest()
    size, known = (len(data), sha256) if seen else (None, sha256[:8])
    return Weights(depth, f"resnet{depth}-{sha256[:8]}.th", distributions.blob(data), 827, size, known)


def logits(tensors: dict[str, Tensor], x: Tensor) -> Tensor:
    """What the published network makes of images."""

    def norm(x: Tensor, name: str) -> Tensor:
        scale, shift, mean, variance = (tensors[f"{name}.{part}"][:, None, None] for part in PARTS)
        return (x - mean) / (variance + 1e-5).sqrt() * scale + shift

    x = norm(functional.conv2d(x, tensors["conv1.weight"], padding=1), "bn1").clamp(min=0)
    count = sum(name.startswith("layer1.") and name.endswith(".conv1.weight") for name in tensors)
    for stage in (1, 2, 3):
        for position in range(count):
            block, stride = f"layer{stage}.{position}", 2 if stage > 1 and position == 0 else 1
            y = functional.conv2d(x, tensors[f"{block}.conv1.weight"], stride=stride, padding=1)
            y = functional.conv2d(norm(y, f"{block}.bn1").clamp(min=0), tensors[f"{block}.conv2.weight"], padding=1)
            y = norm(y, f"{block}.bn2")
            if stride == 2:  # a quarter of the new channels is zero on either side
                wide = torch.zeros_like(y)
                wide[:, y.shape[1] // 4 : y.shape[1] // 4 + x.shape[1]] = x[:, :, ::2, ::2]
                x = wide
            x = (x + y).clamp(min=0)
    return x.mean((2, 3)) @ tensors["linear.weight"].T + tensors["linear.bias"]
