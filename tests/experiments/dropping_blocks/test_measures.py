"""The chapter's measures against tables whose losses are known by hand."""

import itertools

import numpy as np
import pandas as pd
import pytest

from resnet_lib.experiments.dropping_blocks import drawings, lesions, measures, networks
from tests.experiments.dropping_blocks.made_tables import table
from tests.experiments.verdicts import status


def test_losses_are_points_below_the_whole_network():
    made = table(lambda variant, block: block if variant == "residual" else 50 + block)
    evidence = measures.graceful_residual(made)
    np.testing.assert_allclose(evidence.values, 4.5)
    np.testing.assert_allclose(evidence.control, 54.5)
    np.testing.assert_allclose(measures.graceful_worst(made).values, 9)


def test_the_first_verdict_turns_with_the_loss():
    gentle = measures.graceful_residual(table(lambda variant, block: 1 if variant == "residual" else 60))
    harsh = measures.graceful_residual(table(lambda variant, block: 8 if variant == "residual" else 60))
    no_control = measures.graceful_residual(table(lambda variant, block: 1))
    statuses = [status("drop-graceful.residual", evidence) for evidence in (gentle, harsh, no_control)]
    assert statuses == ["holds", "fails", "invalid"]


def test_gain_of_stochastic_depth_compares_the_same_number_of_removed_blocks():
    without = table(lambda variant, block: 10, variants=("residual",))
    with_ = table(
        lambda variant, block: 4,
        variants=("residual",),
    ).assign(last=0.5)
    both = pd.concat([without, with_])
    both.loc[both["removed"] == 1, "removed"] = 5
    np.testing.assert_allclose(measures.depth_robust(both).values, 6)
    np.testing.assert_allclose(measures.depth_robust(both).control, 0)


def test_control_of_the_accuracy_is_each_network_against_those_of_the_other_seeds():
    accuracy = np.array([0.91, 0.95, 0.93, 0.94, 0.97])
    own = {"variant": "residual", "blocks": 10, "decay": "linear", "measure": "removed", "removed": 0}
    frames = [
        pd.DataFrame(own | {"seed": range(5), "last": last, "value": accuracy + gained})
        for last, gained in ((1.0, 0.0), (0.5, [0.01, 0.0, 0.02, -0.01, 0.0]))
    ]
    evidence = measures.depth_accuracy(pd.concat(frames))
    np.testing.assert_allclose(evidence.values, [1, 0, 2, -1, 0], atol=1e-9)
    others = [100 * (accuracy[i] - np.delete(accuracy, i).mean()) for i in range(5)]
    np.testing.assert_allclose(evidence.control, others, atol=1e-9)
    np.testing.assert_allclose(evidence.control.mean(), 0, atol=1e-9)
    np.testing.assert_allclose(evidence.control.std(), 125 * accuracy.std())


def test_every_measure_of_lesions_by_hand():
    """Points lost are 2, 5, 1, 40, 60, 7 for the variants, plus the seed; half of the blocks cost ten times as much."""
    points = {"residual": 2, "scaled": 5, "bare": 1, "plain": 40, "plain-bare": 60, "plain-identity": 7}
    rows = []
    for (variant, loss), seed in itertools.product(points.items(), range(5)):
        own = {"variant": variant, "seed": seed, "blocks": 10, "last": 1.0, "decay": "linear", "block": -1}
        rows.append(own | {"measure": "removed", "removed": 0, "value": 0.9})
        anew = (("removed-anew", 0, 0), ("removed-anew", 1, 0.5), ("removed-anew", 5, 4))
        for measure, removed, factor in (("removed", 1, 1), ("removed", 5, 10), ("exchanged", 1, 3), *anew):
            for extra in (-1, 1):
                lost = factor * (loss + seed) + extra
                rows.append(own | {"measure": measure, "removed": removed, "value": 0.9 - lost / 100})
    made, seeds = pd.DataFrame(rows), np.arange(5)
    for measure, value, control in (
        (measures.graceful_scaled, 5 + seeds, 60 + seeds),
        (measures.graceful_bare, 1 + seeds, 60 + seeds),
        (measures.graceful_wire, 7 + seeds, 2 + seeds),
        (measures.graceful_half, 10 * (2 + seeds), 12.5 * (seeds - 2)),
        (measures.graceful_half_anew, 4 * (2 + seeds), 4 * (40 + seeds)),
        (measures.graceful_worst_anew, (2 + seeds) / 2 + 1, (40 + seeds) / 2 + 1),
        (measures.graceful_order, 3 * (2 + seeds), 3 * (40 + seeds)),
    ):
        found = measure(made)
        np.testing.assert_allclose(found.values, value, err_msg=str(measure))
        np.testing.assert_allclose(found.control, control, err_msg=str(measure))


def test_the_worst_block_at_another_rate_by_hand():
    """A block costs its number of points at a third of the rate, half of it at the rate; anew alone half a point."""
    third, best = lesions.THIRD, networks.BEST["residual", 10, 1.0]
    assert third == pytest.approx(best / 3, rel=0.05)
    anew = table(lambda variant, block: block, variants=("residual",)).assign(measure="removed-anew")
    anew.loc[anew["removed"] == 0, "value"] -= 0.005
    less = table(lambda variant, block: block / 2, variants=("residual",)).assign(measure="removed-anew")
    whole = table(lambda variant, block: 50, variants=("residual",))
    made = pd.concat([pd.concat([whole, part]).assign(lr=lr) for part, lr in ((anew, third), (less, best))])
    found = measures.graceful_rate(made)
    np.testing.assert_allclose(found.values, 9)
    np.testing.assert_allclose(found.control, 0.5)
    drawn = drawings.by_rate(made)
    worst = drawn[(drawn["lesion"] == "worst block") & (drawn["seed"] == 0)].set_index(["lr", "statistics"])["loss"]
    np.testing.assert_allclose(worst[[(third, "anew"), (best, "anew"), (best, "as trained")]], [9, 4.5, 50])


def test_what_stochastic_depth_keeps_with_statistics_anew_by_hand():
    anew = pd.concat(
        [
            table(lambda variant, block, points=points: points, variants=("residual",)).assign(last=last)
            for points, last in ((10, 1.0), (7, 0.5))
        ]
    ).assign(measure="removed-anew")
    anew.loc[anew["removed"] == 1, "removed"] = 5
    stale = anew.assign(measure="removed", value=0.5)
    found = measures.depth_robust_anew(pd.concat([anew, stale]))
    np.testing.assert_allclose(found.values, 3)
    np.testing.assert_allclose(found.control, 0)


def by_block(**columns: list[float]) -> pd.DataFrame:
    """The measures of both networks, one number per block; of seed 1 twice as large, of `scaled` four times."""
    rows = [
        {"variant": v, "measure": name, "seed": s, "block": block, "blocks": 10, "last": 1.0, "decay": "linear"}
        | {"value": value * (1 + s) * (4 if v == "scaled" else 1)}
        for v in ("residual", "scaled")
        for s in (0, 1)
        for name, values in columns.items()
        for block, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def test_terms_and_bounds_are_the_worst_block_and_the_last():
    made = by_block(ratio=[1 / 32, 4.0, 2.0])
    assert measures.term_residual(made).values.tolist() == [5, 4]
    assert measures.term_residual(made).control.tolist() == [1, 2]
    assert measures.term_scaled(made).values.tolist() == [4, 5]  # log2 of 1/8, 16, 8 and of 1/4, 32, 16
    assert measures.term_scaled(made).control.tolist() == [3, 4]
    made = by_block(bound=[-3.0, -1.0, -2.0, 0.0], naive=[1.0, 3.0, 0.0, 0.0], slack=[1.0, 4.0, 3.0, 0.5])
    assert measures.bound_residual(made).values.tolist() == [-1, -2]
    assert measures.bound_residual(made).control.tolist() == [3, 6]
    assert measures.bound_scaled(made).values.tolist() == [-4, -8]
    assert measures.bound_scaled(made).control.tolist() == [12, 24]
    assert measures.bound_tight(made).values.tolist() == [12, 24]  # the median of 1, 4 and 3
    assert measures.bound_tight(made).control.tolist() == [2, 4]


def test_stochastic_depth_gains_for_the_whole_network_and_its_control_is_the_mean_of_the_others():
    own = {"variant": "residual", "measure": "removed", "blocks": 10, "decay": "linear", "removed": 0}
    without, with_ = (0.5, 0.7, 0.9), (0.6, 0.6, 0.95)
    rows = [
        own | {"last": last, "seed": s, "value": v}
        for last, vs in ((1.0, without), (0.5, with_))
        for s, v in enumerate(vs)
    ]
    found = measures.depth_accuracy(pd.DataFrame(rows))
    np.testing.assert_allclose(found.values, [10, -10, 5])
    np.testing.assert_allclose(
        found.control, [-30, 0, 30], atol=1e-12
    )  # 0.5 against 0.8, 0.7 against 0.7, 0.9 against 0.6


def test_linear_branches_are_compared_with_relu():
    made = pd.DataFrame(
        {"branch": ["linear", "relu"] * 2, "deletion": [1.0, 2.0, 3.0, 4.0], "rule": [5.0, 6.0, 7.0, 8.0]}
    )
    assert measures.term_linear(made).values.tolist() == [1, 3]
    assert measures.term_linear(made).control.tolist() == [2, 4]
    assert measures.depth_rule(made).values.tolist() == [5, 7]
    assert measures.depth_rule(made).control.tolist() == [6, 8]


@pytest.mark.parametrize(
    ("measure", "of"), [("removed", measures.depth_share), ("removed-anew", measures.depth_share_anew)]
)
def test_share_of_the_loss_that_stochastic_depth_takes_away_by_hand(measure, of):
    """Trained without, half of the blocks cost 10 points and one more in each seed; trained with it, 3."""
    parts = []
    for last in (1.0, 0.5):
        part = table(lambda variant, block, last=last: 10 if last == 1 else 3, variants=("residual",), last=last)
        part.loc[part["removed"] == 1, "value"] -= part["seed"] / 100 if last == 1 else 0
        parts.append(part.assign(measure=measure, removed=part["removed"] * 5))
    made = pd.concat(parts)
    whole = made[made["removed"] == 0].assign(measure="removed")
    found = of(pd.concat([made, whole]) if measure != "removed" else made)
    np.testing.assert_allclose(found.values, 100 * (7 + np.arange(5)) / 12)
    np.testing.assert_allclose(found.control, 125 * (np.arange(5) - 2) / 12, atol=1e-9)
