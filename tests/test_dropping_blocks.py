"""The chapter's measures against known tables, its bound against matrices, its choices against the tuning."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from resnet_lib import lesion, nets, runtime, sweep
from resnet_lib.blocks import UNITS, Block
from resnet_lib.experiments.dropping_blocks import drawings, lesions, linear, measures, networks

ROOT = Path(__file__).parents[1]


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
    from resnet_lib import claims

    gentle = measures.graceful_residual(table(lambda variant, block: 1 if variant == "residual" else 60))
    harsh = measures.graceful_residual(table(lambda variant, block: 8 if variant == "residual" else 60))
    no_control = measures.graceful_residual(table(lambda variant, block: 1))
    claim = claims.load(ROOT / "claims.yml").claim("drop-graceful.residual")
    rule, must = claims_rules(claim)
    statuses = [claims.judge(rule, must, evidence, "test").status for evidence in (gentle, harsh, no_control)]
    assert statuses == ["holds", "fails", "invalid"]


def claims_rules(claim):
    from resnet_lib.rules import Rule

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


def test_subsets_of_the_figure_are_complete():
    rows = table(lambda variant, block: block)
    drawn = drawings.subsets(rows)
    lengths = drawn[drawn["kind"] == "paths"].groupby(["variant", "removed"])["value"].sum()
    np.testing.assert_allclose(lengths, 1)
    accuracy = drawn[(drawn["kind"] == "accuracy") & (drawn["variant"] == "residual")].set_index("mask")["value"]
    assert accuracy[4] == pytest.approx(0.88)


def test_chart_has_a_box_for_every_block_and_a_slider():
    spec = drawings.pick(drawings.subsets(table(lambda variant, block: block))).to_dict()
    bound = [parameter["name"] for parameter in spec["params"] if "bind" in parameter]
    assert sorted(bound) == sorted([*(f"block{i}" for i in range(1, 11)), "count"])


def test_learning_rates_are_those_that_the_stored_tuning_chose():
    result = sweep.stored(networks.TUNING, ROOT)
    assert result is not None
    assert networks.tuned(result.table) == networks.BEST
