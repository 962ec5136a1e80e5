"""The chapter's measures against known tables, its bound against matrices, its choices against the tuning."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from resnet_lib import nets, runtime
from resnet_lib.analysis import lesion, statistics
from resnet_lib.experiments.dropping_blocks import drawings, lesions, linear, measures, networks
from resnet_lib.nets import Block
from resnet_lib.nets.units import UNITS

ROOT = Path(__file__).parents[2]


def table(loss, variants=("residual", "plain"), **fields) -> pd.DataFrame:
    """A table like the trial's: accuracy 0.9 as a whole and `loss(variant, block)` points less without a block."""
    rows = []
    for variant in variants:
        for seed in range(5):
            own = {"variant": variant, "seed": seed, "blocks": 10, "last": 1.0, "decay": "linear", "measure": "removed"}
            rows.append(own | {"removed": 0, "block": -1, "mask": 0, "value": 0.9})
            for block in range(10):
                value = 0.9 - loss(variant, block) / 100
                rows.append(own | {"removed": 1, "block": block, "mask": 1 << block, "value": value})
    return pd.DataFrame(rows).assign(tau=1.0, **fields)


def test_losses_are_points_below_the_whole_network():
    made = table(lambda variant, block: block if variant == "residual" else 50 + block)
    evidence = measures.graceful_residual(made)
    np.testing.assert_allclose(evidence.values, 4.5)
    np.testing.assert_allclose(evidence.control, 54.5)
    np.testing.assert_allclose(measures.graceful_worst(made).values, 9)


def test_the_first_verdict_turns_with_the_loss():
    from resnet_lib.evidence import claims, statements

    gentle = measures.graceful_residual(table(lambda variant, block: 1 if variant == "residual" else 60))
    harsh = measures.graceful_residual(table(lambda variant, block: 8 if variant == "residual" else 60))
    no_control = measures.graceful_residual(table(lambda variant, block: 1))
    claim = statements.load(ROOT / "claims.yml").claim("drop-graceful.residual")
    rule, must = claims_rules(claim)
    statuses = [claims.judge(rule, must, evidence, "test").status for evidence in (gentle, harsh, no_control)]
    assert statuses == ["holds", "fails", "invalid"]


def claims_rules(claim):
    from resnet_lib.evidence.rules import Rule

    return Rule.parse(claim.holds_if), Rule.parse(claim.control.must)


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


@pytest.fixture(scope="module")
def small():
    """A trial of a network of three blocks, barely trained."""
    setting = lesions.Lesions("residual", 3, 0.1, epochs=1, swaps=(1,), orders=3, change=True)
    with runtime.numerics():
        return lesions.trial(setting, (0, 1))


def test_trial_has_every_lesion_once(small):
    removed = small[(small["measure"] == "removed") & (small["seed"] == 0)]
    assert sorted(removed["mask"]) == [0, 1, 2, 3, 4, 5, 6]  # all but the removal of everything
    assert (removed["mask"].map(int.bit_count) == removed["removed"]).all()
    assert removed.loc[removed["removed"] == 1, "block"].tolist() == [0, 1, 2]
    assert len(small[(small["measure"] == "exchanged") & (small["seed"] == 1)]) == 3
    assert set(small.loc[small["measure"] == "exchanged", "tau"]) <= {1 / 3, -1.0}


def test_the_bound_holds_and_is_exact_at_the_last_block(small):
    assert (small.loc[small["measure"] == "bound", "value"] < 1e-9).all()
    last = small[small["block"] == 2].groupby("measure")["value"]
    np.testing.assert_allclose(last.max()[["bound", "naive", "slack"]], 0, atol=1e-9)
    np.testing.assert_allclose(last.max()["ratio"], 1)


def test_slope_bounds_differences_and_is_exact_for_one_layer():
    net = nets.mlp(2, 6, unit="pre", in_features=4, generator=runtime.stream(0, "slope")).double()
    net(torch.randn(50, 4, generator=runtime.stream(1, "slope"), dtype=torch.float64) * 3 + 1)
    net.eval()
    block = net.blocks[0]
    assert isinstance(block, Block)
    a, b = torch.randn(2, 2000, 6, generator=runtime.stream(2, "slope"), dtype=torch.float64)
    quotients = (block.branch(a) - block.branch(b)).norm(dim=1) / (a - b).norm(dim=1)
    assert quotients.max() <= lesions.slope(block)
    unit = replace(UNITS["inside"], order="W+", norm="none", alpha=0.5)
    (one,) = nets.mlp(1, 6, unit=unit, generator=runtime.stream(3, "slope")).blocks
    assert isinstance(one, Block)
    weight = next(one.branch.parameters()).detach().numpy()
    assert lesions.slope(one) == pytest.approx(np.linalg.norm(weight, 2) / 2)


def test_linear_identities_hold_for_linear_branches_only():
    with runtime.numerics():
        found = [linear.trial(linear.Linear(branch, blocks=4), (0, 1)) for branch in ("linear", "relu")]
    assert (found[0][["deletion", "rule"]] < 1e-12).all(axis=None)
    assert (found[1][["deletion", "rule"]] > 1e-4).all(axis=None)


def test_plain_identity_starts_as_the_identity_on_states():
    net = networks.make(networks.Network("plain-identity", 3, 0.1), runtime.stream(0, "identity"))
    assert isinstance(net, nets.Stack)
    x = torch.randn(5, 64, generator=runtime.stream(0, "identity-x"))
    states = net.states(x)
    assert torch.equal(states[0], states[-1])
    assert torch.equal(lesion.delete(net, [0, 2])(x), net(x))


def test_scaled_branches_are_divided_by_the_root_of_the_depth():
    """In a network of four blocks the first is x + F(x) / 2, where F is that of the bare sum."""
    x = torch.randn(5, 64, generator=runtime.stream(0, "scaled-x"))
    found = {}
    for variant in ("scaled", "bare"):
        net = networks.make(networks.Network(variant, 4, 0.1), runtime.stream(0, "scaled"))
        assert isinstance(net, nets.Stack)
        found[variant] = net.blocks[0](x) - x
    torch.testing.assert_close(found["scaled"], found["bare"] / 2)
    assert found["bare"].norm() > 0.1 * x.norm()


def test_subsets_of_the_figure_are_complete():
    rows = table(lambda variant, block: block)
    drawn = drawings.subsets(rows)
    lengths = drawn[drawn["kind"] == "paths"].groupby(["variant", "removed"])["value"].sum()
    np.testing.assert_allclose(lengths, 1)
    accuracy = drawn[(drawn["kind"] == "accuracy") & (drawn["variant"] == "residual")].set_index("mask")["value"]
    assert accuracy[4] == pytest.approx(0.88)


def test_chart_has_a_box_for_every_block_and_a_choice_of_how_many():
    spec = drawings.pick(drawings.subsets(table(lambda variant, block: block))).to_dict()
    bound = [parameter["name"] for parameter in spec["params"] if "bind" in parameter]
    assert sorted(bound) == sorted([*(f"block{i}" for i in range(1, 11)), "count"])


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
        (measures.graceful_half, 10 * (2 + seeds), 10 * (40 + seeds)),
        (measures.graceful_half_anew, 4 * (2 + seeds), 4 * (40 + seeds)),
        (measures.graceful_worst_anew, (2 + seeds) / 2 + 1, (40 + seeds) / 2 + 1),
        (measures.graceful_order, 3 * (2 + seeds), 3 * (40 + seeds)),
    ):
        found = measure(made)
        np.testing.assert_allclose(found.values, value, err_msg=str(measure))
        np.testing.assert_allclose(found.control, control, err_msg=str(measure))


def test_what_is_measured_anew_is_measured_on_the_training_images():
    setting = lesions.Lesions("residual", 4, 0.1, epochs=1, subsets=6, swaps=(1, 2), orders=3, anew=2)
    made = lesions.trial(setting, [0])
    anew = made[made["measure"] == "removed-anew"]
    assert anew.groupby("removed").size().to_dict() == {0: 1, 1: 4, 2: 2}
    assert len(made[made["measure"] == "exchanged-anew"]) == 3
    net, images = networks.fit(setting, [0]).net(0), networks.dataset(setting)
    assert isinstance(net, nets.Stack)
    for mask, value in zip(anew["mask"], anew["value"], strict=True):
        without = lesion.delete(net, [block for block in range(4) if mask >> block & 1])
        logits = statistics.reestimated(without, images.train.x)(images.test.x)
        assert value == pytest.approx(float((logits.argmax(1) == images.test.y).double().mean()), abs=1 / 597)
    stale = made[made["measure"] == "removed"].set_index("mask")["value"]
    assert (anew["value"].to_numpy() != stale[anew["mask"]].to_numpy()).any()


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
    made = by_block(bound=[-3.0, -1.0, -2.0], naive=[1.0, 3.0, 0.0], slack=[1.0, 4.0, 3.0, 0.5])
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


@pytest.mark.parametrize("blocks", [3, 9])
def test_networks_for_cifar_have_the_blocks_that_the_setting_says(blocks):
    for variant in ("residual", "scaled", "plain", "original"):
        setting = networks.Network(variant, blocks, 0.1, dataset="cifar10")
        net = networks.make(setting, runtime.stream(0, "cifar"))
        assert isinstance(net, nets.Stack)
        assert len(net.blocks) == blocks
        assert net(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
