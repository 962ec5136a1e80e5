"""Networks that ship: what is read is what was measured, bit for bit, and nothing else is taken for it."""

import pytest
import torch

from resnet_lib import nets, runtime
from resnet_lib.files import Damaged
from resnet_lib.training import shipped


@pytest.fixture
def made():
    net = nets.digits_resnet(2, 4, generator=runtime.stream(0, "init"))
    for name, value in net.named_buffers():
        if name.endswith("running_mean"):
            value.add_(0.1)
    return shipped.rounded_(net).eval()


def test_a_network_comes_back_bit_for_bit(made, tmp_path):
    shipped.write(tmp_path / "net.safetensors", made, {"seed": 3})
    other = nets.digits_resnet(2, 4, generator=runtime.stream(1, "init")).eval()
    assert shipped.read_(tmp_path / "net.safetensors", other) == {"seed": 3}
    for ours, theirs in zip(made.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
    size = sum(value.numel() for value in made.parameters())
    assert (tmp_path / "net.safetensors").stat().st_size < 2 * size + 8000  # two bytes a weight


def test_rounding_moves_a_weight_by_half_a_unit_of_eleven_bits():
    net = nets.digits_resnet(2, 4, generator=runtime.stream(0, "init"))
    before = [value.detach().clone() for value in net.parameters()]
    for old, new in zip(before, shipped.rounded_(net).parameters(), strict=True):
        assert ((new - old).abs() <= old.abs() * 2**-11 + 2**-25).all()


def test_what_is_not_rounded_or_too_large_is_refused(made, tmp_path):
    with torch.no_grad():
        made.head[-1].bias.fill_(0.1)
    with pytest.raises(ValueError, match="is not rounded"):
        shipped.write(tmp_path / "net.safetensors", made, {})
    assert not list(tmp_path.iterdir())
    with torch.no_grad():
        made.head[-1].bias.fill_(1e6)
    before = made.head[-1].weight.detach().clone()
    with pytest.raises(ValueError, match="float16 cannot"):
        shipped.rounded_(made)
    assert torch.equal(made.head[-1].weight, before)


def test_another_architecture_a_damaged_file_and_none(made, tmp_path):
    file = tmp_path / "net.safetensors"
    assert shipped.read_(file, made) is None
    shipped.write(file, made, {})
    other = nets.digits_resnet(3, 4, generator=runtime.stream(1, "init"))
    before = [value.clone() for value in other.state_dict().values()]
    with pytest.raises(ValueError, match="another network"):
        shipped.read_(file, other)
    assert all(torch.equal(a, b) for a, b in zip(before, other.state_dict().values(), strict=True))
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)
    with pytest.raises(Damaged):
        shipped.read_(file, made)
