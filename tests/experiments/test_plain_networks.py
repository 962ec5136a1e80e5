"""Degradation, gradients, rescue: measures on known tables, gradients against dense ones, FULL's networks in small."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import integrate, stats
from torch import nn

from resnet_lib import data, nets, runtime, training
from resnet_lib.data import Split
from resnet_lib.evidence import claims, statements
from resnet_lib.evidence.choices import THIRD, THRICE
from resnet_lib.evidence.rules import Rule
from resnet_lib.experiments.plain_networks import degradation, drawings, families, gradients, measures, published
from resnet_lib.experiments.plain_networks.families import Family, cifar, digits
from resnet_lib.nets import Unit
from resnet_lib.training import recipes, zoo
from tests.experiments import chapter

ROOT = Path(__file__).parents[2]


def table(errors: dict[tuple[str, int, bool], float], measure: str = "train_error", **fields) -> pd.DataFrame:
    """Rows like the trial's: the error of each (variant, layers, rescaled), and a tenth of the seed more."""
    rows = [
        {"variant": v, "layers": n, "rescaled": r, "seed": seed, "value": error + seed / 10}
        for (v, n, r), error in errors.items()
        for seed in range(5)
    ]
    return pd.DataFrame(rows).assign(measure=measure, epoch=10, layer=0, **fields)


ERRORS = {
    ("plain", 8, False): 5.0,
    ("plain", 20, False): 3.0,
    ("plain", 50, False): 50.0,
    ("plain", 50, True): 45.0,
    ("mirrored", 50, False): 6.0,
    ("original", 8, False): 4.5,
    ("original", 20, False): 2.0,
    ("original", 50, False): 5.0,
    ("pre", 8, False): 4.0,
    ("pre", 20, False): 2.0,
    ("pre", 50, False): 2.2,
    ("sigmoid", 8, False): 90.0,
    ("sigmoid", 8, True): 22.0,
    ("bare", 8, False): 1.0,
    ("bare", 8, True): 2.0,
    ("bare", 50, False): 45.0,
    ("bare", 50, True): 40.0,
}


def test_the_rise_is_from_the_best_depth_to_the_deepest_seed_by_seed():
    made = table(ERRORS)
    np.testing.assert_allclose(measures.degrade_plain(made).values, 47)
    np.testing.assert_allclose(measures.degrade_plain(made).control, 0.5)
    np.testing.assert_allclose(measures.degrade_original(made).values, 3)
    np.testing.assert_allclose(measures.degrade_pre(made).values, 0.2)
    for measure in (measures.degrade_original, measures.degrade_pre):
        np.testing.assert_allclose(measure(made).control, 47)


def test_what_rescaling_recovers_is_a_part_of_the_gap():
    made = table(ERRORS)
    np.testing.assert_allclose(measures.rescale(made).values, 5 / 45)
    np.testing.assert_allclose(measures.rescale(made).control, 68 / 85)
    np.testing.assert_allclose(measures.rescale_bare(made).values, 5 / 40)
    np.testing.assert_allclose(measures.fails_normalised(made).values, 1)
    np.testing.assert_allclose(measures.fails_normalised(made).control, 45)
    np.testing.assert_allclose(measures.sigmoid(made).values, 68)
    np.testing.assert_allclose(measures.sigmoid(made).control, -1)


def test_a_plain_network_is_compared_with_the_residual_one_of_its_depth():
    errors = {
        ("scaled", 8, False): 1.0,
        ("bare", 8, False): 2.0,
        ("scaled", 100, False): 3.0,
        ("bare", 100, False): 80.0,
    }
    errors |= {("identity", 100, False): 3.5, ("looks-linear", 100, False): 2.5}
    made = pd.concat([table(errors), table({key: 2 * e for key, e in errors.items()}, "test_error")])
    np.testing.assert_allclose(measures.fails_he(made).values, 77)
    np.testing.assert_allclose(measures.fails_he(made).control, 1)
    np.testing.assert_allclose(measures.fails_identity(made).values, 0.5)
    np.testing.assert_allclose(measures.fails_looks_linear(made).values, -0.5)
    np.testing.assert_allclose(measures.fails_test(made).values, -1)
    np.testing.assert_allclose(measures.degrade_bare(made).values, 78)
    np.testing.assert_allclose(measures.degrade_bare(made).control, 2)


@pytest.mark.parametrize(
    ("id", "measure", "key", "value", "status"),
    [
        ("plain-degrade.plain", measures.degrade_plain, ("plain", 50, False), 50.0, "holds"),
        ("plain-degrade.plain", measures.degrade_plain, ("plain", 50, False), 3.0, "fails"),
        ("plain-degrade.plain", measures.degrade_plain, ("original", 8, False), 1.0, "invalid"),
        ("degrade-cause.rescale", measures.rescale, ("plain", 50, True), 45.0, "fails"),
        ("degrade-cause.rescale", measures.rescale, ("plain", 50, True), 10.0, "holds"),
        ("degrade-cause.rescale", measures.rescale, ("sigmoid", 8, True), 80.0, "invalid"),
        ("degrade-cause.sigmoid", measures.sigmoid, ("bare", 8, False), 20.0, "invalid"),
    ],
)
def test_verdicts_turn_with_what_was_measured(id, measure, key, value, status):
    claim = statements.load(ROOT / "claims.yml").claim(id)
    evidence = measure(table(ERRORS | {key: value}))
    rules = Rule.parse(claim.holds_if), Rule.parse(claim.control.must)
    assert claims.judge(*rules, evidence, "test").status == status


def watched(**first: list[float]) -> pd.DataFrame:
    """Ratios of five seeds by variant, one number per epoch 0, 1, ..."""
    made = [
        {"variant": v, "seed": s, "epoch": e, "value": value, "measure": "ratio", "rescaled": False, "layer": 0}
        for v, values in first.items()
        for s in range(5)
        for e, value in enumerate(values)
    ]
    return pd.DataFrame(made)


def test_vanishing_is_looked_for_before_and_during_training():
    made = watched(plain=[4.0, 1.0, -0.5], sigmoid=[-3.2, -3.0, -2.9])
    assert measures.vanish(made).values.tolist() == [4.0] * 5
    assert measures.vanish_training(made).values.tolist() == [-0.5] * 5
    assert measures.vanish_training(made).control.tolist() == [-3.2] * 5


def test_the_rate_is_that_of_the_widest_untrained_networks():
    rows = [
        {"variant": v, "width": width, "seed": s, "layer": layer, "gradient": (base + s) ** (4 - layer) * width}
        for v, base in (("bare", 2.0), ("plain", 5.0))
        for width in (8, 16)
        for s in range(2)
        for layer in (3, 1, 2)
    ]
    made = pd.DataFrame(rows)
    made.loc[(made["width"] == 8) & (made["layer"] == 1), "gradient"] = 1.0  # of another width, which does not count
    np.testing.assert_allclose(measures.rate_bare(made).values, [2, 3])
    np.testing.assert_allclose(measures.rate_bare(made).control, [5, 6])


def test_direction_and_slope_are_read_where_the_rules_say():
    layers = np.arange(1, 7)
    parts = [
        pd.DataFrame({"variant": v, "seed": s, "epoch": e, "layer": layers, "value": layers + 10 * e + off})
        for v, off in (("plain", 0.0), ("sigmoid", 0.5))
        for s in range(5)
        for e in (0, 1)
    ]
    made = pd.concat(parts).assign(measure="agreement", rescaled=False)
    assert measures.direction(made).values.tolist() == [3.0] * 5
    assert measures.direction(made).control.tolist() == [3.5] * 5
    slopes = [
        (v, e, value)
        for v, e, value in (("looks-linear", 0, 0.1), ("looks-linear", 10, -0.5), ("orthogonal", 0, -15.0))
    ]
    made = pd.DataFrame([{"variant": v, "epoch": e, "seed": s, "value": x} for v, e, x in slopes for s in range(5)])
    evidence = measures.fails_slope(made.assign(layers=100, rescaled=False, measure="slope"))
    assert (evidence.values.tolist(), evidence.control.tolist()) == ([0.5] * 5, [15.0] * 5)


def small(unit: Unit, blocks: int = 2, width: int = 6) -> nets.Stack:
    return nets.mlp(blocks, width, unit=unit, in_features=5, generator=runtime.stream(0, "small")).double()


IMAGES = Split(torch.randn(8, 5, generator=runtime.stream(1, "small"), dtype=torch.float64), torch.arange(8) % 10)


def test_gradients_are_those_of_central_differences():
    net = small(Unit(residual=False))
    found = gradients.of_weights(net, IMAGES)
    weights = [m.weight for m in net.blocks.modules() if isinstance(m, nn.Linear)]
    assert len(found) == len(weights) == 4
    for gradient, weight in zip(found, weights, strict=True):
        v = torch.randn(weight.shape, generator=runtime.stream(2, "v"), dtype=torch.float64)
        losses = []
        for step in (1e-6, -1e-6):
            with torch.no_grad():
                weight.add_(step * v)
                losses.append(nn.functional.cross_entropy(net(IMAGES.x), IMAGES.y))
                weight.sub_(step * v)
        assert (gradient * v).sum().item() == pytest.approx(((losses[0] - losses[1]) / 2e-6).item(), rel=1e-4, abs=1e-8)


def test_ratio_rate_and_agreement_by_hand():
    assert gradients.ratio([1e-4, 3.0, 1e-1]) == pytest.approx(-3)
    assert gradients.rate([8.0, 4.0, 2.0, 1.0]) == pytest.approx(2)
    assert gradients.ratio([0.0, 1.0]) == pytest.approx(-45)
    a, b = torch.tensor([[3.0, 0.0], [0.0, 4.0]]), torch.tensor([[4.0, 0.0], [0.0, 3.0]])
    assert gradients.agreement([a, a], [a, b]) == pytest.approx([1.0, 24 / 25])
    assert gradients.norms([a, b]) == [5.0, 5.0]


@pytest.mark.parametrize("unit", [Unit(norm="none", residual=False), Unit(order="pre")], ids=["plain", "residual"])
def test_slope_is_that_of_the_dense_jacobian(unit):
    net = small(unit, width=24).eval()
    x = IMAGES.x[:3]
    first = net.stem(x).detach()

    def body(state):
        for block in net.blocks:
            state = block(state)
        return state

    v = torch.randn(first.shape, generator=runtime.stream(3, "v"), dtype=torch.float64)
    expected = []
    for state, direction in zip(first, v, strict=True):
        dense = torch.autograd.functional.jacobian(lambda s: body(s[None])[0], state)
        expected.append(np.log10(np.linalg.norm(dense.numpy() @ direction.numpy()) / direction.norm().item()))
    found = gradients.slope(net, x, runtime.stream(3, "v"))
    assert found == pytest.approx(np.median(expected), abs=1e-9)


def test_mean_field_growth_is_the_ratio_of_two_integrals():
    def mean(function):
        return integrate.quad(lambda z: function(z) * stats.norm.pdf(z), 0, np.inf)[0]

    variance = mean(lambda z: z**2) - mean(lambda z: z) ** 2
    assert math.sqrt(mean(lambda z: 1.0) / variance) == pytest.approx(drawings.MEAN_FIELD, rel=1e-9)


def test_gradients_grow_as_mean_field_theory_says_in_wide_networks_and_not_without_normalisation():
    with runtime.numerics():
        found = {
            variant: gradients.trial(gradients.Untrained(variant, layers=42, width=256), (0, 1, 2)).assign(
                variant=variant, width=256
            )
            for variant in ("plain", "bare", "sigmoid")
        }
    rates = {variant: measures.rates(frame, variant, 256).mean() for variant, frame in found.items()}
    assert rates["plain"] == pytest.approx(drawings.MEAN_FIELD, rel=0.02)
    assert rates["bare"] == pytest.approx(1, abs=0.02)
    assert rates["sigmoid"] < 0.27
    assert found["plain"]["layer"].max() == 40


def test_families_are_what_they_are_called():
    assert families.network(digits("plain", 50)).depth == 24
    assert families.network(cifar("plain", 56)).depth == 56
    scaled = families.network(digits("scaled", 100)).unit
    assert isinstance(scaled, Unit)
    assert scaled.alpha == pytest.approx(1 / 7)
    usual, rescaled = (families.recipe(cifar("plain", 56, rescaled=r)) for r in (False, True))
    assert (usual.optimizer, usual.weight_decay) == ("sgd", recipes.ONE_CYCLE.weight_decay)
    assert (rescaled.optimizer, rescaled.weight_decay) == ("lars", 0)
    assert families.kept(cifar("plain", 56)) == ()
    assert families.kept(cifar("plain", 56, watched=True)) == (0, 1, 2, 30)
    for experiment in (degradation.DEGRADE, degradation.CAUSE, degradation.RESCUE):
        for setting in (*experiment.quick.settings, *experiment.full.settings):
            assert isinstance(setting, Family)
            net = families.network(setting)
            assert net.depth == (setting.layers - 2) // 2 if net.architecture == "mlp" else setting.layers
        assert {s.dataset for s in experiment.full.settings} == {"cifar10"}
        assert experiment.datasets(experiment.quick) == ("digits",)


def test_networks_that_share_a_setting_are_trained_once():
    mine = {families.network(s) for s in degradation.CAUSE.quick.settings if s.variant == "original"}
    assert mine <= {families.network(s) for s in degradation.DEGRADE.quick.settings}


FULL_VARIANTS = ("plain", "mirrored", "original", "pre", "scaled", "bare", "identity", "looks-linear", "sigmoid")


@pytest.mark.parametrize("variant", FULL_VARIANTS)
def test_full_networks_train_and_are_measured_in_small(variant, tmp_path, monkeypatch):
    """The convolutional networks of FULL on digits, two epochs: every measure comes out as a number."""
    setting = replace(cifar(variant, 8, watched=True, bent=True), epochs=2)
    images = data.load("digits")

    def fit(setting, seeds, device):
        network = replace(families.network(setting), data="digits", width=4)
        return zoo.train(network, seeds, device=device, folder=tmp_path)

    monkeypatch.setattr(families, "fit", fit)
    monkeypatch.setattr(degradation.data, "load", lambda name, flat: images)
    with runtime.numerics():
        found = degradation.trial(setting, (0,))
    assert found["value"].notna().all()
    assert set(found["measure"]) == {
        *("train_error", "validation_error", "test_error", "ratio", "gradient", "agreement", "slope")
    }
    assert set(found.loc[found["measure"] == "ratio", "epoch"]) == {0, 1, 2}
    assert found.loc[found["measure"] == "gradient", "layer"].max() == 6
    if variant == "looks-linear":
        start = found[(found["measure"] == "slope") & (found["epoch"] == 0)]["value"].item()
        assert start == pytest.approx(math.log10(1 / 4), abs=0.2)  # two strides leave a sixteenth of the pixels


def test_a_lost_network_has_the_error_of_a_guess():
    history = pd.DataFrame({"seed": [0, 1], "epoch": 3, "train_accuracy": [0.5, np.nan]})
    history = history.assign(validation_accuracy=[0.5, np.nan], test_accuracy=[0.4, np.nan])
    fit = training.Fit((0, 1), history, {}, (False, True), nn.Identity())
    assert families.accuracies(fit).to_numpy().tolist() == [[0.5, 0.5, 0.4], [0.1, 0.1, 0.1]]


def test_the_published_table_waits_for_ours():
    empty = published.beside(None)
    assert (empty["residual, here"] == "not yet computed").all()
    assert empty["residual, published"].tolist() == ["8.75", "7.51", "7.17", "6.97", "6.61"]
    ours = pd.DataFrame(
        [
            {"layers": n, "residual": r, "test_error": e + d + (0 if r else 5)}
            for n, e in published.PUBLISHED.items()
            for r in (True, False)
            for d in (0.2, 0.4)
        ]
    )
    found = published.beside(ours)
    assert found[published.JUDGED].tolist() == ["yes", "yes", "yes", "yes", "yes"]
    assert found["residual, here"][0] == "9.05 ± 0.14"
    far = published.beside(ours.assign(test_error=ours["test_error"] + 1))
    assert set(far[published.JUDGED]) == {"no"}


def test_the_table_of_he_is_trained_as_they_did():
    settings = published.HE_TABLE.full.settings
    assert {(s.layers, s.residual) for s in settings} == {(n, r) for n in (20, 32, 44, 56, 110) for r in (True, False)}
    assert [published.network(published.Published(True, n)).recipe for n in (56, 110)] == [recipes.HE, recipes.HE_110]
    assert published.network(published.Published(False, 20)).unit == "plain"


@pytest.fixture(scope="module")
def drawn() -> dict[str, pd.DataFrame]:
    """Tables like those of QUICK, made up."""
    layers = np.arange(1, 7)
    start = pd.concat(
        pd.DataFrame(
            {"variant": v, "seed": s, "layer": layers, "width": 64, "agreement": 0.5, "gradient": 2.0**-layers}
        )
        for v in drawings.AT_START
        for s in range(2)
    )
    inside = pd.concat(
        pd.DataFrame({"variant": v, "seed": s, "epoch": e, "layer": layers, "value": 10.0**-layers})
        for v in drawings.WATCHED
        for s in range(2)
        for e in (0, 1, 2, 5, 10)
    ).assign(measure="gradient", rescaled=False)
    return {"start": start, "inside": inside}


def test_gradients_are_drawn_relative_to_the_last_layer(drawn):
    found = drawings.by_layer(drawn["start"])
    plain = found[found["variant"] == "plain"].set_index("layer")["decades"]
    np.testing.assert_allclose(plain, np.log10(2.0) * (6 - plain.index), atol=1e-4)


def test_the_chart_has_a_choice_of_all_stages(drawn):
    found = drawings.watched(drawn["inside"])
    assert sorted(set(found["stage"])) == [0, 1, 2, 3, 4]
    assert (found["place"].min(), found["place"].max()) == (0, 1)
    spec = drawings.stages(found).to_dict()
    (bound,) = [parameter for parameter in spec["params"] if "bind" in parameter]
    assert bound["bind"]["options"] == list(drawings.STAGES)


# the page

TWICE = "twice the epochs"


NAME = "02_plain_networks"


def under(choices) -> list[pd.DataFrame]:
    """The stored tables at a third and three times each rate and with twice the epochs."""
    found = choices.results(ROOT)
    return [found[name].table for name in (THIRD, THRICE, TWICE)]


def statuses(id: str, measure, tables: list[pd.DataFrame]) -> list[str]:
    """The claim's verdict on each of the tables."""
    claim = statements.load(ROOT / "claims.yml").claim(id)
    rules = Rule.parse(claim.holds_if), Rule.parse(claim.control.must)
    return [claims.judge(*rules, measure(table), id).status for table in tables]


def test_the_errors_that_the_page_tells_are_those_of_its_own_run():
    words = chapter.words(NAME)
    rises = [chapter.quick(NAME, f"plain-degrade.{name}") for name in ("pre", "original")]
    assert "rises by {effect:.2f} points, with an interval from {low:.2f} to {high:.2f}".format(**rises[0]) in words
    assert "rises by {effect:.1f} points, with an interval from {low:.1f} to {high:.1f}".format(**rises[1]) in words
    errors = pd.read_csv(ROOT / "figures/plain-degrade/data.csv").groupby(["measure", "variant", "layers"])["value"]
    means = errors.mean()["train_error"]
    assert f"it gets {means['plain', 50]:.0f}% of the" in words
    assert [round(means["plain", 20]), round(means["plain", 50])] == [17, 79]  # the figure's alt text
    assert 4.4 < means["original", 50] < 4.6
    assert means["pre"].max() < 1
    rescaled = pd.read_csv(ROOT / "figures/plain-rescaled/data.csv")
    sigmoids = rescaled[rescaled["network"].str.contains("sigmoids") & rescaled["rescaled"]]["value"]
    low, high = sigmoids.min(), sigmoids.max()
    assert f"an error of {sigmoids.mean():.0f}% in the mean, with seeds from {low:.1f} to {high:.1f}%" in words
    wins = [chapter.quick(NAME, f"degrade-cause.{name}") for name in ("rescale", "rescale-bare")]
    won = [100 * each["effect"] for each in wins]
    assert "wins {:.0f}% of the gap with batch normalisation and {:.0f}% without".format(*won) in words
    ends = [100 * each[end] for each in wins for end in ("low", "high")]
    assert "from ${:.0f}$ to {:.0f}% and from ${:.0f}$ to {:.0f}%".format(*ends) in words
    assert round(10 ** -chapter.quick(NAME, "degrade-cause.training")["effect"]) == 9  # "at its least to a ninth"
    behind = [chapter.quick(NAME, f"plain-fails.{name}") for name in ("identity", "looks-linear", "test")]
    assert "is {effect:.1f} points behind the residual one".format(**behind[0]) in words
    assert "near the identity (interval {low:.1f} to {high:.1f})".format(**behind[0]) in words
    assert "and {effect:.1f} when it starts as looks-linear (${low:.1f}$ to {high:.1f})".format(**behind[1]) in words
    assert "the looks-linear network is {effect:.1f} points behind".format(**behind[2]) in words


def test_what_the_page_says_of_degradation_under_other_choices_is_in_the_stored_tables():
    words, deep, wide = chapter.words(NAME), under(degradation.DEGRADE_CHOICES), under(degradation.RESCUE_CHOICES)
    third, thrice, twice = (measures.degrade_plain(table).values.mean() for table in deep)
    assert (
        f"by {third:.0f} points at a third of each rate, by {thrice:.0f} at three times and by {twice:.0f} with"
        in words
    )
    third, thrice, twice = (measures.degrade_original(table).values.mean() for table in deep)
    assert f"rises by {third + 1e-9:.1f} and {thrice:.1f} points at the other rates" in words
    assert f"that is undecided ({twice:.1f}, interval" in words
    third, thrice, twice = (measures.degrade_pre(table).values.mean() for table in deep)
    assert f"at a third ({third:.2f}) and with twice the epochs ({twice:.2f})" in words
    assert f"it is undecided ({thrice:.2f}, interval" in words
    assert statuses("plain-degrade.plain", measures.degrade_plain, deep) == ["holds"] * 3
    assert statuses("plain-degrade.original", measures.degrade_original, deep) == ["fails", "fails", "undecided"]
    assert statuses("plain-degrade.pre", measures.degrade_pre, deep) == ["holds", "undecided", "holds"]
    third, thrice, twice = (measures.degrade_bare(table) for table in wide)
    assert f"on {third.values.mean():.0f} at a third of its rate and on {twice.values.mean():.0f} with twice" in words
    assert f"rises by {thrice.control.mean():.1f} points itself, and in one of five seeds by" in words
    assert f"of five seeds by {thrice.control.max():.1f}" in words
    assert statuses("plain-degrade.bare", measures.degrade_bare, wide) == ["holds", "invalid", "holds"]


def test_what_the_page_says_of_rescaling_under_other_choices_is_in_the_stored_tables():
    words, tables = chapter.words(NAME), under(degradation.CAUSE_CHOICES)
    won = [
        [100 * measure(table).values.mean() for table in tables]
        for measure in (measures.rescale, measures.rescale_bare)
    ]
    assert f"wins ${won[0][0]:.0f}$ and {won[1][0]:.0f}% of the gap, with twice the epochs" in words
    assert f"with twice the epochs {won[0][2]:.0f} and {won[1][2]:.0f}%" in words
    assert f"err on {measures.values(tables[2], 'sigmoid', 8, rescaled=True).mean():.1f}%" in words
    third = measures.sigmoid(tables[0])
    assert f"it wins {third.values.mean():.0f} points, but its control" in words
    assert f"wins {third.control.mean():.1f} in the mean and up to {third.control.max():.1f}" in words
    for id, measure in (("rescale", measures.rescale), ("rescale-bare", measures.rescale_bare)):
        assert statuses(f"degrade-cause.{id}", measure, tables) == ["fails", "invalid", "fails"]
    assert statuses("degrade-cause.sigmoid", measures.sigmoid, tables) == ["invalid", "invalid", "holds"]
    assert statuses("degrade-cause.training", measures.vanish_training, tables) == ["fails"] * 3
    (equal,) = (degradation.CAUSE_CHOICES.results(ROOT)[name].table for name in degradation.EQUAL)
    assert statuses("degrade-cause.rescale", measures.rescale, [equal]) == ["fails"]
    assert statuses("degrade-cause.rescale-bare", measures.rescale_bare, [equal]) == ["holds"]
    plain, bare = (
        [f"{measures.values(equal, variant, 50, rescaled=rescaled).mean():.0f}" for rescaled in (False, True)]
        for variant in ("plain", "bare")
    )
    assert plain[0] == plain[1]
    assert f"err on {plain[0]}% of the training images, with rescaling as without" in words
    assert "they err on {}% without it and on {}% with it".format(*bare) in words
    assert f"with it: {100 * measures.rescale_bare(equal).values.mean():.0f}% of the gap" in words
    ahead = [-measures.fails_normalised(table).values.mean() for table in tables]
    assert "under all choices, by {:.1f}, {:.1f} and {:.1f} points".format(*ahead) in words


def test_what_the_page_says_of_starts_under_other_choices_is_in_the_stored_tables():
    words, tables = chapter.words(NAME), under(degradation.RESCUE_CHOICES)
    found = {
        name: [measure(table).values.mean() for table in tables]
        for name, measure in (
            ("he", measures.fails_he),
            ("identity", measures.fails_identity),
            ("mirror", measures.fails_looks_linear),
            ("test", measures.fails_test),
        )
    }
    assert {f"{found[name][2]:.2f}" for name in ("identity", "mirror")} == {"0.06"}
    assert f"looks-linear is level (${found['mirror'][0]:.2f}$)" in words
    assert f"near the identity is undecided ({found['identity'][0]:.1f}, interval" in words
    assert f"{found['mirror'][1]:.0f} points for looks-linear" in words
    assert f"on new images {found['test'][1]:.0f}, interval" in words
    assert f"and {found['identity'][1]:.1f} near the identity" in words
    assert "by {:.0f}, {:.0f} and {:.0f} points. At a third".format(*found["he"]) in words
    control = [measures.fails_he(table).control.mean() for table in tables]
    assert f"the plain network is {control[0]:.1f} and {control[1]:.0f} points behind itself" in words
    for id, measure, said in (
        ("he", measures.fails_he, ["invalid", "invalid", "holds"]),
        ("identity", measures.fails_identity, ["undecided", "undecided", "fails"]),
        ("looks-linear", measures.fails_looks_linear, ["fails", "undecided", "fails"]),
        ("test", measures.fails_test, ["fails", "undecided", "fails"]),
        ("slope", measures.fails_slope, ["fails"] * 3),
    ):
        assert statuses(f"plain-fails.{id}", measure, tables) == said
    assert max(10 ** measures.fails_slope(table).values.mean() for table in tables) < 4


def test_plain_networks_with_the_usual_weights_learn_at_no_rate_what_the_page_says():
    table = pd.read_csv(ROOT / "results/plain-tuning/full.csv")
    usual = table[table["variant"].isin(["plain", "bare"]) & (table["layers"] >= 50)]
    best = usual.groupby(["variant", "layers", "rescaled", "rate"])["validation_accuracy"].mean().max()
    assert f"reach at most {100 * best:.0f}% on the validation split at any rate" in chapter.words(NAME)
