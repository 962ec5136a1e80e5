"""Signals through blocks against dense Jacobians and the laws of wide networks."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from resnet_lib import runtime
from resnet_lib.evidence import statements
from resnet_lib.evidence.rules import Rule
from resnet_lib.experiments.plain_networks import curves, signals, stacks

ROOT = Path(__file__).parents[3]


def test_signals_through_blocks_by_hand() -> None:
    """The gradient grows by so many decades on its way back; mean square and variance by a factor, or evenly."""
    decades = {"bare": 30.0, "scaled": 0.4, "norm": 1.0, "enlarged": 1.0, "plain-scaled": -9.0, "plain-norm": 5.0}
    rows = []
    for (variant, lost), seed, block in itertools.product(decades.items(), (0, 1), range(5)):
        enlarged = variant == "enlarged"
        own = {"seed": seed, "block": block, "power": 0.5, "enlarged": enlarged}
        own["variant"] = "norm" if enlarged else variant
        even = own["variant"] == "norm"
        for measure, value in (
            ("gradient", (lost + seed) * (4 - block) / 4),
            ("square", 1 + (2 + 5 * enlarged + seed) * block if even else 10.0 ** (lost * block / 4)),
            ("centred", 1 + (0.5 + 3 * enlarged + seed) * block if even else 1 + 100 * block),
        ):
            rows.append(own | {"measure": measure, "value": value})
    table = pd.DataFrame(rows)
    for measure, values, control in (
        (signals.vanishing, [30, 31], [-9, -8]),
        (signals.exploding, [30, 31], [0.4, 1.4]),
        (signals.doubling, [30, 30], [0.4, 0.4]),
        (signals.scaled, [0.4, 1.4], [30, 31]),
        (signals.norm, [1, 2], [5, 6]),
        (signals.linear, [2, 3], [7, 8]),
        (signals.centred, [0.5, 1.5], [3.5, 4.5]),
    ):
        np.testing.assert_allclose(measure(table).values, values, err_msg=str(measure))
        np.testing.assert_allclose(measure(table).control, control, err_msg=str(measure))


def test_enlarged_branches_are_others_times_the_root_of_one_over_c() -> None:
    table = signals.trial(signals.Signal("norm", blocks=1, width=5, images=4, enlarged=True), (7,))
    generator = runtime.stream(7, "signals", "enlarged")
    (block,) = stacks.mlp("norm", 1, 5, generator=generator).double().blocks
    x = torch.randn(4, 5, generator=generator, dtype=torch.float64)
    last = x + (block(x) - x) * (np.pi / (np.pi - 1)) ** 0.5
    found = table[table["block"] == 1].set_index("measure")["value"]
    assert found["square"] == pytest.approx(last.square().mean().item())
    assert found["centred"] == pytest.approx(last.var(0, correction=0).mean().item())


@pytest.mark.parametrize(("name", "known"), [("linear", 1 / signals.CENTRED), ("centred", 1.0)])
def test_the_control_is_a_tenth_around_the_growth_that_is_known(name: str, known: float) -> None:
    claim = statements.load(ROOT / "claims.yml").claim(f"skip-alone.{name}")
    must, rule = Rule.parse(claim.control.must), Rule.parse(claim.holds_if)
    assert (must.low, must.high) == pytest.approx((known * rule.low, known * rule.high), abs=0.005)


@pytest.mark.parametrize("variant", ["bare", "norm", "plain-scaled"])
def test_signals_are_those_of_the_dense_jacobian(variant: str) -> None:
    setting = signals.Signal(variant, blocks=3, width=5, images=4)
    table = signals.trial(setting, (7,)).pivot(index="block", columns="measure", values="value")
    generator = runtime.stream(7, "signals")
    net = stacks.mlp(variant, 3, 5, generator=generator).double()
    x, out = (torch.randn(4, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    body = nn.Sequential(*net.blocks)
    jacobian = torch.stack(
        [torch.autograd.grad(body(x.requires_grad_()).flatten()[i], x)[0].flatten() for i in range(20)]
    )
    expected = np.log10(np.linalg.norm(out.flatten() @ jacobian) / np.linalg.norm(out))
    assert table.loc[0, "gradient"] == pytest.approx(expected)
    last = body(x).detach().numpy()
    assert table.loc[3, "square"] == pytest.approx((last**2).mean())
    assert table.loc[3, "centred"] == pytest.approx((last - last.mean(0)).var(0).mean())


def test_wide_networks_follow_the_laws() -> None:
    def run(variant: str, power: float = 0.5) -> pd.DataFrame:
        setting = signals.Signal(variant, power, blocks=12, width=256, images=128)
        return signals.trial(setting, (0, 1, 2)).assign(variant=variant, power=power, enlarged=False)

    table = pd.concat([run("bare"), run("scaled"), run("scaled", 0.25), run("norm")])
    for power, variant in ((0.0, "bare"), (0.5, "scaled"), (0.25, "scaled")):
        found = signals.along(table, variant, "square", power or 0.5)
        expected = 12 * np.log(1 + 12 ** (-2 * power))
        assert np.log((found[12] / found[0]).mean()) == pytest.approx(expected, rel=0.08)
    assert signals.increment(table, "square").mean() == pytest.approx(1, rel=0.08)
    assert signals.increment(table, "centred").mean() == pytest.approx(signals.CENTRED, rel=0.08)
    back = signals.along(table, "norm", "gradient").mean()
    np.testing.assert_allclose(back, curves.backwards(12), atol=0.06)
