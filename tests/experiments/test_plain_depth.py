"""Drift against matrices by hand and its law, signals against dense Jacobians, the trainings' measures by hand."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import special, stats
from torch import nn

from resnet_lib import nets, runtime
from resnet_lib.evidence import claims, statements
from resnet_lib.evidence.choices import THIRD, THRICE
from resnet_lib.evidence.rules import Rule
from resnet_lib.experiments.plain_networks import curves, deep_images, depths, drift, signals, stacks
from resnet_lib.experiments.plain_networks.drift import Drift
from resnet_lib.nets import Block
from tests.experiments import chapter

ROOT = Path(__file__).parents[2]


def status(id: str, evidence: claims.Evidence) -> str:
    claim = statements.load(ROOT / "claims.yml").claim(id)
    return claims.judge(Rule.parse(claim.holds_if), Rule.parse(claim.control.must), evidence, "test").status


def test_growth_through_matrices_is_that_of_the_dense_product() -> None:
    setting = Drift(8, layers=6, whole=True, every=3)
    table = drift.trial(setting, (3,)).set_index(["layer", "signal"])["growth"]
    stream = runtime.stream(3, "drift", 8)
    h, u, v = torch.randn(8, 3, generator=stream).double().numpy().T
    start, jacobian = h, np.eye(8)
    for layer in range(1, 7):
        weight = torch.randn(8, 8, generator=stream).double().numpy() / 2  # sqrt(2 / 8)
        pre = weight @ h
        h, jacobian = np.maximum(pre, 0), np.diag(pre > 0) @ weight @ jacobian
        if layer in (3, 6):
            expected = {
                "state": h @ h / (start @ start),
                "direction": np.sum((jacobian @ u) ** 2) / (u @ u),
                "backward": np.sum((jacobian.T @ v) ** 2) / (v @ v),
                "whole": np.sum(jacobian**2) / 8,
            }
            for name, value in expected.items():
                assert table[layer, name] == pytest.approx(np.log(value), abs=1e-4), name
    np.testing.assert_allclose(jacobian @ start, h)  # the network is positively homogeneous


def p_value(a: torch.Tensor, b: torch.Tensor) -> float:
    """Of Kolmogorov and Smirnov's test that two samples have one law."""
    return stats.ks_2samp(a.numpy(), b.numpy()).pvalue  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("width", [16, 48])
def test_the_law_is_that_of_real_layers(width: int) -> None:
    seeds = tuple(range(1500))
    real = drift.by_matrices(Drift(width, layers=8, every=8), seeds)
    law = drift.by_law(Drift(width, layers=8, drawn="law", every=8), seeds)[8, "state"]
    for signal in ("state", "direction"):
        assert p_value(real[8, signal], law) > 1e-3
    assert p_value(real[8, "state"], law + 0.5) < 1e-6  # the test can see a difference


def test_moments_of_one_layer() -> None:
    factor = drift.by_law(Drift(32, layers=1, drawn="law", every=1), tuple(range(20_000)))[1, "state"].exp().numpy()
    error = factor.std() / len(factor) ** 0.5
    assert abs(factor.mean() - 1) < 4 * error
    assert factor.var() == pytest.approx(5 / 32, rel=0.06)
    logs = np.log(factor)
    assert abs(logs.mean() - drift.mean_of_layer(32)) < 4 * logs.std() / len(logs) ** 0.5


def test_mean_of_a_layer_tends_to_minus_five_halves_over_the_width() -> None:
    # The next term of the expansion, from the third and fourth moments of relu(g)^2: 5.5 * 8/3 - 3 * 25/4 = -4.083.
    for width in (64, 256, 1024):
        assert width * drift.mean_of_layer(width) == pytest.approx(-2.5 - 4.083 / width, abs=30 / width**2)


def test_the_draws_of_the_slope_decide_it_in_999_of_1000_runs() -> None:
    """From the exact law of a layer: the rule's bounds are far enough from the expected slope for so many draws."""
    depths_, mean, spread = np.arange(25, 101, 25), 0.0, 0.0
    squares = sum(float(((depths_ / width) ** 2).sum()) for width in drift.REAL)
    for width in drift.REAL:
        on = np.arange(1, width + 1)
        chances = stats.binom.pmf(on, width, 0.5) / (1 - 0.5**width)
        logs = special.digamma(on / 2)
        variance = chances @ (special.polygamma(1, on / 2) + logs**2) - (chances @ logs) ** 2
        mean += (depths_ / width) @ depths_ * drift.mean_of_layer(width) / squares
        weights = [(depths_[depths_ >= layer] / width).sum() for layer in range(1, 101)]  # of each layer, in the sum
        spread += variance * np.square(weights).sum() / squares**2
    rule = Rule.parse(statements.load(ROOT / "claims.yml").claim("plain-drift.slope").holds_if)
    errors = min(mean - rule.low, rule.high - mean) / np.sqrt(spread / len(drift.DRIFT.quick.seeds))
    assert mean == pytest.approx(-2.62, abs=0.005)
    assert stats.norm.cdf(errors - stats.norm.isf(0.025)) > 0.999


def test_doubled_weights_add_ln_4_a_layer() -> None:
    for drawn in ("matrices", "law"):
        once, twice = (drift.trial(Drift(16, 50, drawn, gain), (0, 1)) for gain in (1.0, 2.0))
        np.testing.assert_allclose(twice["growth"] - once["growth"], once["layer"] * np.log(4), rtol=1e-6)


def made(rate: float, noise: float = 0.0) -> pd.DataFrame:
    """A table as `plain-drift` gives it, of growth `rate * L / n` and its spread over draws."""
    rows = [
        {"drawn": drawn, "gain": gain, "width": width, "layer": layer, "signal": signal, "seed": seed}
        for drawn in ("matrices", "law")
        for gain in (1.0, 2.0)
        for width in (32, 64, 1024)
        for layer in (50, 100)
        for signal in ("state", "direction", "backward", "whole")
        for seed in range(10)
    ]
    table = pd.DataFrame(rows)
    ratio = table["layer"] / table["width"]
    sign = np.where(table["seed"] % 2, 1, -1)
    table["growth"] = rate * ratio + noise * sign * np.sqrt(5 * ratio)
    table["growth"] += (table["gain"] == 2) * table["layer"] * np.log(4)
    return table


def test_the_slopes_find_the_rate_and_their_verdicts_turn_with_it() -> None:
    table = made(-2.5)
    np.testing.assert_allclose(drift.slope(table).values, -2.5)
    np.testing.assert_allclose(drift.wide(table).values, -2.5 * 100 / 1024)
    measures = {"slope": drift.slope, "jacobian": drift.jacobian, "backward": drift.gradient}
    for name, measure in measures.items():
        assert [status(f"plain-drift.{name}", measure(made(rate))) for rate in (-2.5, -1.5, -4)] == [
            "holds",
            "fails",
            "fails",
        ]
    assert status("plain-drift.narrow", drift.narrow(table)) == "holds"
    assert status("plain-drift.wide", drift.wide(table)) == "fails"
    assert status("plain-drift.wide", drift.wide(made(-25))) == "holds"
    assert status("plain-drift.mean", drift.mean(made(0.0))) == "holds"


def test_the_whole_jacobian_has_a_slope_of_its_own() -> None:
    table = made(-2.5)
    table.loc[table["signal"] == "whole", "growth"] *= 2
    np.testing.assert_allclose(drift.frobenius(table).values, -5)
    # Twice ln 4 per layer, and -5 L/n over 100 ln 4: a mean over the widths 32, 64 and 1024.
    drifted = np.mean([-5 * 100 / n for n in (32, 64, 1024)]) / (100 * np.log(4))
    np.testing.assert_allclose(drift.frobenius(table).control, 2 + drifted)


def test_signals_through_blocks_by_hand() -> None:
    """The gradient grows by so many decades on its way back; mean square and variance by a factor, or evenly."""
    decades = {"bare": 30.0, "scaled": 0.4, "norm": 1.0, "plain-scaled": -9.0, "plain-norm": 5.0}
    rows = []
    for (variant, lost), seed, block in itertools.product(decades.items(), (0, 1), range(5)):
        own = {"variant": variant, "seed": seed, "block": block, "power": 0.5}
        even = variant == "norm"
        for measure, value in (
            ("gradient", (lost + seed) * (4 - block) / 4),
            ("square", 1 + (2 + seed) * block if even else 10.0 ** (lost * block / 4)),
            ("centred", 1 + (0.5 + seed) * block if even else 1 + 100 * block),
        ):
            rows.append(own | {"measure": measure, "value": value})
    table = pd.DataFrame(rows)
    for measure, values, control in (
        (signals.vanishing, [30, 31], [-9, -8]),
        (signals.exploding, [30, 31], [0.4, 1.4]),
        (signals.doubling, [30, 30], [0.4, 0.4]),
        (signals.scaled, [0.4, 1.4], [30, 31]),
        (signals.norm, [1, 2], [5, 6]),
        (signals.linear, [2, 3], [30 - np.log10(4)] * 2),
        (signals.centred, [0.5, 1.5], [2, 2]),
    ):
        np.testing.assert_allclose(measure(table).values, values, err_msg=str(measure))
        np.testing.assert_allclose(measure(table).control, control, err_msg=str(measure))


def test_the_variance_is_found_in_units_of_5_L_over_n() -> None:
    np.testing.assert_allclose(drift.variance(made(-2.5, noise=1.0)).values, 1)
    np.testing.assert_allclose(drift.variance(made(-2.5, noise=2.0)).values, 4)


def test_scaled_branches_and_shrunken_weights_by_hand() -> None:
    x = torch.randn(5, 12, generator=runtime.stream(0, "x"), dtype=torch.float64)
    out = {}
    for variant in stacks.VARIANTS:
        net = stacks.mlp(variant, 4, 12, generator=runtime.stream(1, "net")).double()
        out[variant] = net.blocks[0](x).detach().numpy()
    net = stacks.mlp("bare", 4, 12, generator=runtime.stream(1, "net")).double()
    block = net.blocks[0]
    assert isinstance(block, Block)
    one, two = (layer.weight.detach().numpy() for layer in block.branch.modules() if isinstance(layer, nn.Linear))
    branch = np.maximum(np.maximum(x.numpy(), 0) @ one.T, 0) @ two.T
    np.testing.assert_allclose(out["bare"], x.numpy() + branch)
    np.testing.assert_allclose(out["scaled"], x.numpy() + branch / 2)
    np.testing.assert_allclose(out["plain-bare"], branch)
    np.testing.assert_allclose(out["plain-scaled"], branch / 2)
    with pytest.raises(ValueError, match="variant='plain' is unknown; known: norm, scaled"):
        stacks.recipe("plain", 4)


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
        return signals.trial(setting, (0, 1, 2)).assign(variant=variant, power=power)

    table = pd.concat([run("bare"), run("scaled"), run("scaled", 0.25), run("norm")])
    for power, variant in ((0.0, "bare"), (0.5, "scaled"), (0.25, "scaled")):
        found = signals.along(table, variant, "square", power or 0.5)
        expected = 12 * np.log(1 + 12 ** (-2 * power))
        assert np.log((found[12] / found[0]).mean()) == pytest.approx(expected, rel=0.08)
    assert signals.increment(table, "norm", "square").mean() == pytest.approx(1, rel=0.08)
    assert signals.increment(table, "norm", "centred").mean() == pytest.approx(signals.CENTRED, rel=0.08)
    back = signals.along(table, "norm", "gradient").mean()
    np.testing.assert_allclose(back, curves.backwards(12), atol=0.06)


def trained(loss: dict[tuple[str, int], float], test: dict[tuple[str, int], float]) -> pd.DataFrame:
    """A table as `depth-digits` gives it, of these losses and accuracies in the last of two epochs."""
    rows = [
        {"variant": variant, "blocks": blocks, "epochs": 2, "epoch": epoch, "seed": seed, "loss": value / epoch * 2}
        | {"test": test.get((variant, blocks), 50.0) + seed % 2}
        for (variant, blocks), value in loss.items()
        for epoch in (1, 2)
        for seed in range(5)
    ]
    return pd.DataFrame(rows)


def test_measures_of_training_compare_the_last_epoch_seed_by_seed() -> None:
    guess = depths.GUESS
    loss = {("norm", 25): 0.1, ("norm", 50): 0.1, ("norm", 100): 0.1 * 2, ("bare", 50): guess}
    loss |= {("scaled", 25): 0.1, ("scaled", 50): 0.1, ("scaled", 100): 0.11, ("plain-norm", 50): 2.0}
    test = {("norm", 25): 95.0, ("norm", 50): 94.0, ("norm", 100): 96.0, ("bare", 50): 10.0}
    test |= {("scaled", 50): 92.0, ("plain-norm", 50): 11.0}
    table = trained(loss, test)
    np.testing.assert_allclose(depths.norm(table).values, 0.2 / guess)
    np.testing.assert_allclose(depths.norm(table).control, 1)
    np.testing.assert_allclose(depths.fits(table).values, 1)
    np.testing.assert_allclose(depths.gains(table).values, 1)
    np.testing.assert_allclose(depths.needed(table).values, 83)
    verdicts = {
        "resnet-1000.norm": (depths.norm, "holds"),
        "resnet-1000.bare": (depths.bare, "fails"),
        "resnet-1000.fit": (depths.fits, "fails"),
        "resnet-1000.fit-scaled": (depths.fits_scaled, "holds"),
        "resnet-1000.gains": (depths.gains, "holds"),
        "skip-alone.trains": (depths.alone, "fails"),
        "skip-alone.repaired": (depths.repaired, "holds"),
        "skip-alone.needed": (depths.needed, "holds"),
    }
    assert {id: status(id, measure(table)) for id, (measure, _) in verdicts.items()} == {
        id: expected for id, (_, expected) in verdicts.items()
    }


def test_a_run_that_is_lost_counts_as_guessing() -> None:
    names = ["train_loss", "train_accuracy", "validation_accuracy", "test_accuracy"]
    history = pd.DataFrame([[0, 1, np.nan, np.nan, np.nan, np.nan], [1, 1, 40.0, 0.2, 0.3, 0.4]])
    found = depths.summary(history.set_axis(["seed", "epoch", *names], axis=1))
    np.testing.assert_allclose(found["loss"], depths.GUESS)
    np.testing.assert_allclose(found[["train", "validation", "test"]], [[10, 10, 10], [20, 30, 40]])


def test_training_of_the_grid_repeats_and_learns() -> None:
    with runtime.numerics():
        setting = depths.Depth("norm", 2, 0.1, width=16, epochs=2)
        first, again = (depths.trial(setting, (0, 1)) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    assert (depths.last(first.assign(epochs=2))["test"] > 50).all()


def test_deepest_rates_are_those_of_the_deepest_tuned_network() -> None:
    assert depths.rate("norm", 500) == depths.BEST["norm", 100]
    assert depths.rate("norm", 30) == depths.BEST["norm", 25]


def test_networks_for_images_have_the_blocks_and_scales_that_they_say() -> None:
    setting = deep_images.Deep("scaled", 50, 0.1)
    made_ = stacks.recipe("scaled", setting.blocks)
    net = nets.cifar_resnet(50, unit=made_.unit, width=2, generator=runtime.stream(0, "deep"))
    assert len(net.blocks) == setting.blocks == 24
    assert made_.unit.alpha == pytest.approx(24**-0.5)
    assert all((depth - 2) % 6 == 0 for depth in deep_images.DEPTHS)
    assert all(stacks.recipe(each.variant, each.blocks).factor == 1 for each in deep_images.DEEP.full.settings)


def test_charts_have_their_sliders() -> None:
    table = made(-2.5, noise=1.0)
    spec = curves.drift_chart(curves.growth_by_depth(table)).to_dict()
    assert [parameter["name"] for parameter in spec["params"] if "bind" in parameter] == ["n"]
    points = signals.trial(signals.Signal("bare", blocks=5, width=8, images=4), (0, 1))
    grid = points.assign(variant="bare", power=0.5, blocks=5)
    drawn = curves.signals_by_block(grid)
    spec = curves.scale_chart(drawn).to_dict()
    assert [parameter["name"] for parameter in spec["params"] if "bind" in parameter] == ["p"]
    square = drawn[drawn["measure"] == "square"].set_index("block")["decades"]
    by_hand = np.log10(points[(points["measure"] == "square") & (points["block"] == 5)]["value"]).mean()
    assert square[5] == pytest.approx(by_hand, abs=1e-4)


# the page


NAME = "02_plain_networks"


def times(evidence: claims.Evidence) -> float:
    """The factor of a mean of logarithms to the base two."""
    return float(2 ** evidence.values.mean())


def test_what_the_page_says_of_two_hundred_layers_is_in_its_own_table() -> None:
    said, table = chapter.words(NAME), pd.read_csv(ROOT / "figures/plain-depths/data.csv")
    assert f"their loss is {times(depths.fits(table)):.1f} times as large (interval" in said
    assert f"they are {-depths.gains(table).values.mean():.1f} points worse (0.6" in said
    assert f"With scaled branches the loss is {times(depths.fits_scaled(table)):.1f} times as large" in said
    last = depths.last(table)
    alone = last[(last["blocks"] == depths.HUNDRED) & ~last["variant"].isin(["norm", "scaled"])]
    assert alone.groupby("variant")["test"].mean().between(10, 15.5).all()  # the figure's alt text


def test_what_the_page_says_of_depth_under_other_choices_is_in_the_stored_tables() -> None:
    said, found = chapter.words(NAME), depths.CHOICES.results(ROOT)
    third, thrice, twice = tables = [found[name].table for name in (THIRD, THRICE, "twice the epochs")]
    assert f"falls {depths.repaired(thrice).values.mean():.1f} points behind" in said
    shares = [100 * depths.scaled(table).values.mean() for table in (third, thrice)]
    assert f"({shares[0]:.1f}% of the loss of guessing, interval" in said
    assert f"three times ({shares[1]:.0f}%, interval" in said
    longer = [times(depths.fits(table)) for table in tables]
    assert f"{longer[0]:.1f} times as large at a third of each rate and {longer[2]:.1f} times with twice" in said
    assert f"the verdict turns: {longer[1]:.1f} times" in said
    worse = [-depths.gains(table).values.mean() for table in tables]
    assert f"On new images they are {worse[0]:.1f} and {worse[2]:.1f} points worse" in said
    assert f"undecided ({-worse[1]:.1f} better" in said
    scaled = [times(depths.fits_scaled(table)) for table in (third, twice)]
    assert f"undecided at a third ({scaled[0]:.1f} times" in said
    assert f"they fit as well ({scaled[1]:.1f} times" in said
    for id, measure, told in (
        ("skip-alone.trains", depths.alone, ["fails", "invalid", "fails"]),
        ("skip-alone.repaired", depths.repaired, ["holds", "undecided", "holds"]),
        ("skip-alone.needed", depths.needed, ["holds", "invalid", "holds"]),
        ("resnet-1000.norm", depths.norm, ["holds"] * 3),
        ("resnet-1000.scaled", depths.scaled, ["undecided", "undecided", "holds"]),
        ("resnet-1000.bare", depths.bare, ["fails"] * 3),
        ("resnet-1000.fit", depths.fits, ["fails", "holds", "fails"]),
        ("resnet-1000.fit-scaled", depths.fits_scaled, ["undecided", "invalid", "holds"]),
        ("resnet-1000.gains", depths.gains, ["fails", "undecided", "fails"]),
    ):
        assert [status(id, measure(table)) for table in tables] == told, id


def test_the_networks_that_no_rate_trains_have_the_rates_that_the_page_tells() -> None:
    rates = [depths.BEST[name, depths.HUNDRED] for name in ("bare", "plain-norm", "plain-scaled")]
    assert rates == [1e-15, 0.01, 0.0032]
    assert "They are trained at $10^{-15}$, 0.01 and 0.0032 here" in chapter.words(NAME)
    tried = pd.read_csv(ROOT / "results/depth-tuning/full.csv")
    assert tried["rate"].min() == 1e-19
