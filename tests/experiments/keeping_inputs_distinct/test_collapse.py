"""The recursions are those of quadrature, and layers drawn by their law are those of matrices."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import integrate, stats

from resnet_lib import runtime
from resnet_lib.experiments.keeping_inputs_distinct import collapse


@pytest.mark.parametrize("gap", [1.7, 1.0, 0.3, 0.02])
def test_the_map_of_a_relu_layer_is_that_of_quadrature(gap):
    """`2 E relu(u) relu(v)` of unit Gaussians of that correlation, in polar coordinates."""
    angle = np.arccos(1 - gap)

    def along(turn: float) -> float:
        return max(np.cos(turn), 0) * max(np.cos(turn - angle), 0)

    value, _ = integrate.quad(along, -np.pi, np.pi, points=[-np.pi / 2, np.pi / 2, angle - np.pi / 2], limit=200)
    assert 1 - collapse.closer(gap) == pytest.approx(2 * value / np.pi, abs=1e-9)  # the radius gives 2 / (2 pi)


def test_a_small_gap_keeps_its_digits():
    k = 2 * 2**0.5 / (3 * np.pi)
    for gap in (1e-6, 1e-12, 1e-20):
        assert (gap - collapse.closer(gap)) / gap**1.5 == pytest.approx(
            k, rel=1e-2 if gap > 1e-10 else 1
        ) or gap < 1e-10
    below, above = (collapse.closer(1 - np.cos(angle)) for angle in (0.01 - 1e-9, 0.01 + 1e-9))
    assert above == pytest.approx(below, rel=1e-6)


def test_the_laws_of_large_depth_are_those_of_the_page():
    depth = 20_000
    found = {kind: collapse.recursion(kind, depth)[depth] * depth**2 for kind in ("plain", "inside", "pre")}
    assert found["plain"] == pytest.approx(4.5 * np.pi**2, rel=5e-3)
    assert found["inside"] == pytest.approx(18 * np.pi**2, rel=5e-3)
    assert found["pre"] == pytest.approx(4.5 * np.pi**2, rel=5e-3)
    one = collapse.recursion("one-layer", 60)
    assert one[60] / one[59] == pytest.approx(0.689, abs=2e-3)


def test_the_recursions_at_a_hundred_are_those_of_the_page():
    at = {kind: collapse.recursion(kind, 100)[100] for kind in collapse.KINDS}
    assert [round(at[kind], 4) for kind in ("plain", "inside", "pre")] == [0.0036, 0.0129, 0.0039]
    assert [round(at[kind], 3) for kind in ("norm", "scaled")] == [0.357, 0.748]
    assert at["one-layer"] == pytest.approx(5e-17, rel=0.1)
    assert at["linear"] == at["linear-residual"] == 1
    with pytest.raises(ValueError, match="kind='other' is unknown"):
        collapse.recursion("other", 2)


def test_a_gap_is_that_of_the_angle():
    x, y = torch.randn(2, 4, 9, generator=runtime.stream(0, "gap"), dtype=torch.float64)
    cosine = torch.nn.functional.cosine_similarity(x, y)
    torch.testing.assert_close(collapse.apart(torch.stack([x, x - y], 1)), 1 - cosine)
    near = torch.zeros(1, 2, 2, dtype=torch.float64)
    near[0, 0, 0], near[0, 1, 1] = 1.0, 1e-9
    assert collapse.apart(near).item() == pytest.approx(0.5e-18)


def test_a_layer_drawn_by_its_law_is_that_of_a_matrix():
    """Of small width, where a matrix is cheap: the gap after one plain layer, in many draws of each."""
    n, draws = 6, 3000
    x, y = torch.randn(2, n, generator=runtime.stream(0, "states"), dtype=torch.float64)
    streams = [runtime.stream(seed, "law") for seed in range(draws)]
    pair = torch.stack([x, x - y]).expand(draws, 2, n)
    law = collapse.gaussians(pair, 2.0, streams)
    weights = torch.randn(draws, n, n, generator=runtime.stream(0, "matrices"), dtype=torch.float64) * (2 / n) ** 0.5
    one, other = ((weights @ z) for z in (x, y))
    matrices = torch.stack([one, one - other], 1)
    for z in (law, matrices):  # second moments: those of the states, twice over the width
        products = torch.einsum("sin,sjn->ij", z, z) / (draws * n)
        torch.testing.assert_close(products, 2 / n * pair[0] @ pair[0].mT, rtol=0.05, atol=0.05)
    gaps = [collapse.apart(collapse.relu(z)).nan_to_num(1.0) for z in (law, matrices)]
    assert stats.ks_2samp(*(gap.numpy() for gap in gaps)).pvalue > 1e-3  # pyright: ignore[reportArgumentType, reportAttributeAccessIssue]


def test_layers_treat_both_states_alike():
    x, y = torch.randn(2, 3, 8, generator=runtime.stream(0, "alike"), dtype=torch.float64)
    pair = torch.stack([x, x - y], 1)
    for layer, single in (
        (collapse.relu, torch.relu),
        (collapse.normalised, lambda z: torch.nn.functional.layer_norm(z, (8,), eps=0.0)),
    ):
        found = layer(pair)
        torch.testing.assert_close(found[:, 0], single(x))
        torch.testing.assert_close(found[:, 0] - found[:, 1], single(y))


@pytest.mark.parametrize("kind", collapse.KINDS)
def test_wide_stacks_follow_their_recursion(kind):
    table = collapse.trial(collapse.Collapse(kind, 4096, 10), (0, 1, 2, 3))
    assert table["layer"].unique().tolist() == [0, 1, 2, 3, 5, 7, 10]
    last = table[table["layer"] == 10]
    assert last["apart"].mean() == pytest.approx(last["law"].iloc[0], rel=0.12)
    with pytest.raises(ValueError, match="kind='other' is unknown"):
        collapse.layer_of(collapse.Collapse("other", 4), [])


def test_the_measures_are_those_of_a_table_by_hand():
    kinds = {"plain": 0.01, "linear": 1.0, "inside": 0.02, "linear-residual": 0.9, "scaled": 0.7, "one-layer": 1e-9}
    rows = [
        (kind, 100, layer, gap * (1 if layer == 100 else 7), 0.5) for kind, gap in kinds.items() for layer in (50, 100)
    ]
    rows += [("plain", 30, 30, 0.2, 0.1), ("inside", 30, 30, 0.3, 0.1)]
    table = pd.DataFrame(rows, columns=["kind", "depth", "layer", "apart", "law"])
    found = collapse.plain(table)
    assert (found.values.tolist(), found.control.tolist()) == ([0.01], [1.0])
    found = collapse.residual(table)
    assert (found.values.tolist(), found.control.tolist()) == ([0.02], [0.9])
    found = collapse.scaled(table)
    assert (found.values.tolist(), found.control.tolist()) == ([0.7], [0.02])
    found = collapse.one_layer(table)
    assert (found.values.tolist(), found.control.tolist()) == ([1e-9], [0.02])
    laws = {kind: collapse.recursion(kind, 30)[30] for kind in ("plain", "inside")}
    found = collapse.law_plain(table)
    assert found.values.tolist() == pytest.approx([2.0])
    assert found.control.tolist() == pytest.approx([0.2 / laws["inside"]])
    found = collapse.law_inside(table)
    assert found.values.tolist() == pytest.approx([3.0])
    assert found.control.tolist() == pytest.approx([0.3 / laws["plain"]])
