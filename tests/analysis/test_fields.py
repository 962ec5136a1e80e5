"""Fields against dense Jacobians, convolution of kernels by hand, walks that are counted, and binomial laws."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import ndimage, stats
from torch import nn

from resnet_lib import nets, runtime
from resnet_lib.analysis import fields, jacobian
from resnet_lib.nets import Stack, Unit


def small(unit: str | Unit = "pre", **sizes) -> Stack:
    counts = sizes.pop("counts", (2,))
    return nets.conv_net(counts, (3,) * len(counts), unit=unit, in_channels=2, generator=runtime.stream(0, "n")).eval()


def through(net: Stack):
    def run(x: torch.Tensor) -> torch.Tensor:
        return net.states(x)[-1]

    return run


def test_gradients_are_rows_of_the_jacobian():
    net, draw = small().double(), runtime.stream(0, "x")
    x = torch.randn(2, 2, 5, 6, generator=draw, dtype=torch.float64)
    probes = torch.randn(4, 3, generator=draw, dtype=torch.float64)
    found = fields.gradients(through(net), x, probes)
    rows = jacobian.dense(through(net), x).view(2, 3, 5, 6, 2, 5, 6)[:, :, 2, 3]  # the unit at (5 // 2, 6 // 2)
    torch.testing.assert_close(found, torch.einsum("kc,nchij->nkhij", probes, rows))
    expected = torch.einsum("nkcij->nij", found**2)
    torch.testing.assert_close(fields.energy(found), expected / expected.sum((1, 2), keepdim=True))
    expected = torch.einsum("nkcij->nij", found.abs())
    torch.testing.assert_close(fields.amplitude(found), expected / expected.sum((1, 2), keepdim=True))


def test_random_probes_have_the_energy_of_all_channels():
    net = small(Unit(order="pre", norm="none")).double()
    x = torch.randn(1, 2, 9, 9, generator=runtime.stream(0, "x"), dtype=torch.float64)
    every = fields.energy(fields.gradients(through(net), x, torch.eye(3)))
    probes = torch.randn(20000, 3, generator=runtime.stream(0, "p"), dtype=torch.float64)
    few = fields.energy(fields.gradients(through(net), x, probes))
    assert (every - few).abs().sum() < 0.02


@pytest.mark.parametrize(("f", "x", "probes", "words"), [
    (nn.Identity(), torch.zeros(2, 3), torch.ones(1, 3), "expected a batch of images"),
    (nn.Flatten(), torch.zeros(1, 1, 3, 3), torch.ones(1, 9), "has to map images to images"),
    (nn.Identity(), torch.zeros(1, 2, 3, 3), torch.ones(1, 3), r"expected \(k, 2\)"),
    (nn.BatchNorm2d(1).train(), torch.zeros(2, 1, 3, 3), torch.ones(1, 1), "a unit has no field of its own"),
])  # fmt: skip
def test_what_has_no_field_is_refused(f, x, probes, words: str):
    with pytest.raises(ValueError, match=words):
        fields.gradients(f, x, probes)


def test_a_unit_that_is_off_has_no_map():
    found = fields.gradients(nn.ReLU(), -torch.ones(1, 1, 3, 3), torch.ones(1, 1))
    for measure in (fields.energy, fields.amplitude):
        with pytest.raises(ValueError, match="zero everywhere"):
            measure(found)


def test_moments_are_those_of_scipy():
    rng = np.random.default_rng(0)
    maps = rng.random((4, 7, 9))
    maps /= maps.sum((1, 2), keepdims=True)
    found = fields.variances(torch.from_numpy(maps))
    for one, (rows, columns) in zip(maps, found.tolist(), strict=True):
        for axis, variance in ((1, rows), (0, columns)):
            along = one.sum(axis=axis)
            assert variance == pytest.approx(stats.rv_discrete(values=(range(len(along)), along)).var())
    assert fields.width(torch.from_numpy(maps)).numpy() == pytest.approx(found.mean(1).sqrt().numpy())


def test_shares_are_counted_from_the_central_pixel():
    maps = torch.arange(1.0, 31).view(1, 5, 6) / 465
    assert float(fields.within(maps, 0)) == pytest.approx(16 / 465)  # row 2, column 3 of six
    by_hand = sum(6 * row + column + 1 for row, column in itertools.product((1, 2, 3), (2, 3, 4)))
    assert float(fields.within(maps, 1)) == pytest.approx(by_hand / 465)
    assert float(fields.within(maps, 9)) == pytest.approx(1)
    with pytest.raises(ValueError, match="radius=-1"):
        fields.within(maps, -1)


def test_the_theoretical_field_is_where_the_gradient_is_not_zero():
    for unit, counts in (("pre", (2,)), ("post", (1, 1)), ("bottleneck", (1, 1))):
        wide = 4 if unit == "bottleneck" else 3
        net = nets.conv_net(counts, (wide,) * len(counts), unit=unit, in_channels=2, generator=runtime.stream(0, "n"))
        net = net.eval().double()
        for layer in net.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.data.abs_()  # so that nothing cancels and no ReLU is off
        x = torch.ones(1, 2, 32, 32, dtype=torch.float64)
        seen = fields.gradients(through(net), x, torch.ones(1, wide)).abs().sum((0, 1, 2)) > 0
        rows = seen.any(1).nonzero().flatten()
        assert int(rows[-1] - rows[0]) + 1 == fields.extent(net)
    assert fields.extent(net, 0) == 3
    assert fields.extent(net, 0, stem=False) == 1
    with pytest.raises(ValueError, match="between 0 and 2"):
        fields.extent(net, 3)


def test_the_law_is_the_sum_over_subsets_of_branches():
    shares, size, layers = (0.3, 0.8, 0.5), 15, 2
    kernel = np.full((3, 3), 1 / 9)
    expected = np.zeros((size, size))
    for taken in itertools.product((0, 1), repeat=3):
        weight = math.prod(p if t else 1 - p for p, t in zip(shares, taken, strict=True))
        one = np.zeros((size, size))
        one[size // 2, size // 2] = 1
        for _ in range(layers * sum(taken)):
            one = ndimage.convolve(one, kernel, mode="constant")
        expected += weight * one
    assert fields.law(shares, size, layers=layers).numpy() == pytest.approx(expected, abs=1e-12)
    assert float(fields.width(fields.law(shares, size)[None])) == pytest.approx(fields.law_width(shares))


def test_many_small_branches_leave_a_field_of_fixed_width():
    """Poisson's limit: e^-1 sum_k P(2k flat steps return)^2 / k! of the energy stays on the central pixel."""
    blocks = 300
    found = fields.law([fields.share(1 / blocks)] * blocks, 2 * 2 * blocks + 1)
    step, walk, limit = np.full(3, 1 / 3), np.ones(1), 0.0
    for k in range(20):
        limit += math.exp(-1) * walk[len(walk) // 2] ** 2 / math.factorial(k)
        walk = np.convolve(np.convolve(walk, step), step)
    assert limit == pytest.approx(0.42169, abs=1e-5)
    assert float(fields.within(found[None], 0)) == pytest.approx(limit, abs=3e-3)
    assert fields.law_width([fields.share(1 / blocks)] * blocks) == pytest.approx((4 / 3) ** 0.5, rel=2e-3)


@pytest.mark.parametrize(("shares", "size", "words"), [
    ((1.5,), 9, "between 0 and 1"), ((0.5, 0.5), 7, "at least 9"), ((0.5,), 8, "must be odd"),
])  # fmt: skip
def test_a_law_that_does_not_exist_is_refused(shares, size, words: str):
    with pytest.raises(ValueError, match=words):
        fields.law(shares, size)


def test_shares_of_energy():
    assert [fields.share(gain) for gain in (0, 1, 3, math.inf)] == [0, 0.5, 0.75, 1]
    with pytest.raises(ValueError, match="must not be negative"):
        fields.share(-1)
