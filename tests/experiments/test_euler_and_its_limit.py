"""The chapter's measures against closed forms and tables whose answer is known, and its choices."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.linalg import expm

from resnet_lib import data, nets, runtime, sweep
from resnet_lib.evidence import intervals
from resnet_lib.evidence.choices import THIRD, THRICE
from resnet_lib.evidence.claims import NotFiniteError
from resnet_lib.experiments.euler_and_its_limit import (
    drawings,
    limits,
    measuring,
    orders,
    points,
    readings,
    topology,
    trained,
)
from tests.experiments import chapter

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def one_thread():
    with runtime.numerics(flush_denormal=False):
        yield


def table_of(trial, settings, seeds) -> pd.DataFrame:
    parts = []
    for setting in settings:
        fields = {k: v for k, v in vars(setting).items() if not isinstance(v, tuple)}
        parts.append(trial(setting, seeds).assign(**fields))
    return pd.concat(parts, ignore_index=True)


# orders


def test_smooth_weights_have_the_size_that_is_said_and_a_derivative():
    weights = orders.smooth_weights(tuple(range(50)), "x", d=8)
    sizes = [float(weights(t).square().mean()) * 8 for t in (0.0, 0.3, 0.7)]
    np.testing.assert_allclose(sizes, 1, atol=0.1)  # 1 + sum of cos^2 + sin^2, over 1 + 3
    slopes = [float((weights(0.4 + h) - weights(0.4)).norm() / h) for h in (1e-3, 1e-5)]
    assert slopes[0] == pytest.approx(slopes[1], rel=0.01)


def test_step_tells_the_network_from_the_original_unit():
    table = table_of(orders.step_trial, (orders.Step("inside", 4), orders.Step("post", 4)), (0, 1))
    evidence = orders.step(table)
    assert evidence.values.max() < 1e-12
    assert evidence.control.min() > 0.01


def test_the_turning_field_is_solved_as_by_the_matrix_exponential():
    setting = orders.Order("dormand-prince", "turning")
    field, _, end = orders._field(setting, (3,), 0.5)
    start = torch.ones(1, 6, dtype=torch.float64)
    weight = orders.smooth_weights((3,), "order", d=6)(0.0)[0]
    exact = expm(end * (weight - weight.T).numpy()) @ np.ones(6)
    np.testing.assert_allclose(orders._reference(field, start, (end,))[0], exact, atol=1e-10)


def test_orders_are_found_and_lost_where_they_should_be():
    settings = [orders.Order(m, "smooth") for m in ("euler", "rk4", "leapfrog", "implicit-midpoint")]
    settings += [orders.Order("rk4", "jump"), orders.Order("dormand-prince", "turning")]
    settings += [orders.Order("euler", "independent", 64)]
    table = table_of(orders.order_trial, settings, (0, 1))
    evidence = orders.all_orders(table)
    assert np.abs(evidence.values).max() < 0.1
    assert evidence.control.max() < -0.5
    euler = orders.euler_order(table)
    np.testing.assert_allclose(euler.values, 1, atol=0.1)
    np.testing.assert_allclose(euler.control, 0.5, atol=0.1)


def test_refined_networks_use_the_same_path():
    start = torch.zeros(1, 4, dtype=torch.float64)  # tanh 0 = 0: nothing moves
    assert orders.independent_end((0,), 4, 8, 0.5, start).norm() == 0
    # With large states tanh is a sign, so that the end is start + sum of the weights: the same at every depth.
    start = 1e6 * torch.ones(1, 4, dtype=torch.float64)
    ends = [orders.independent_end((0,), depth, 16, 0.5, start) for depth in (4, 16)]
    torch.testing.assert_close(ends[0], ends[1], rtol=0, atol=1e-8)
    assert (ends[0] - start).norm() > 0.1


# limits


def synthetic(displacement, difference) -> pd.DataFrame:
    rows = [
        {"weights": w, "power": p, "seed": s, "depth": d, "displacement": displacement(w, p, d)}
        | {"difference": difference(w, p, d)}
        for w, p in itertools.product(("smooth", "independent"), limits.POWERS)
        for s, d in itertools.product((0, 1), (64, 128, 256))
    ]
    return pd.DataFrame(rows)


def test_the_laws_of_the_limit_are_recognised_and_others_are_not():
    top = {"smooth": 1.0, "independent": 0.5}
    right = synthetic(lambda w, p, d: d ** (top[w] - p), lambda w, p, d: d**-1.0)
    np.testing.assert_allclose(limits.laws(right).values, 0, atol=1e-9)
    np.testing.assert_allclose(limits.laws(right).control, 0.5, atol=1e-9)
    np.testing.assert_allclose(limits.smooth(right).values, -1)
    np.testing.assert_allclose(limits.independent(right).values, -0.5)
    np.testing.assert_allclose(limits.larger(right).values, 0.25)
    wrong = synthetic(lambda w, p, d: 3.0, lambda w, p, d: d**-0.5)
    assert limits.laws(wrong).values.min() > 0.1
    np.testing.assert_allclose(limits.diffusion(wrong).values, -0.5)


def test_limit_trial_moves_as_a_random_walk_and_as_a_drift():
    depths = (32, 128)
    table = table_of(
        limits.limit_trial,
        [limits.Limit(w, 1.0, depths=depths) for w in ("smooth", "independent")],
        tuple(range(4)),
    )
    found = limits.exponents(table, "displacement").groupby("weights").mean()
    assert found["smooth"] == pytest.approx(0, abs=0.05)
    assert found["independent"] == pytest.approx(-0.5, abs=0.05)


def test_trajectories_are_smoother_the_longer_their_weights_are_alike():
    rough, smooth = (
        limits.trajectory_trial(limits.Trajectory(0.5, length), (0,)).sort_values(["coordinate", "moment"])
        for length in (0.0, 0.5)
    )
    assert len(rough) == 33 * 6

    def roughness(table: pd.DataFrame) -> float:
        return float(np.mean([np.abs(np.diff(x, 2)).sum() / np.ptp(x) for _, x in table.groupby("coordinate")["x"]]))

    assert roughness(rough) > 2 * roughness(smooth)


# fixed points


@pytest.mark.parametrize("seed", [44, 63])
def test_a_field_on_which_newton_s_method_stagnates_from_zero_has_its_equilibrium(seed):
    weight = points.gaussian([seed], "fixed", shape=(2, 16, 16))[0][0] / 4
    bias = points.gaussian([seed], "bias", shape=(2, 16))[0][0]
    assert not points.newton.newton(points._settling(weight, bias), torch.zeros(16, dtype=torch.float64)).converged
    found = points._equilibrium(points._settling(weight, bias), seed, 16)
    torch.testing.assert_close(torch.tanh(weight @ found + bias), found, rtol=0, atol=1e-10)


def test_fixed_points_and_criteria():
    table = points.fixed_point_trial(points.FixedPoints(8, fields=50), (0, 1, 2))
    assert points.fixed_equal(table).values.max() < 1e-10
    assert points.fixed_equal(table).control.min() > 1e-3
    assert points.fixed_block(table).values.min() > 0.99
    assert points.fixed_flow(table).values.mean() < 0.99
    assert (points.determinant(table).values == 1).all()


def test_convergence_by_squaring_is_that_of_the_powers():
    a = torch.tensor([[[-3.0, 0.0], [0.0, -0.5]], [[-1.0, 5.0], [0.0, -0.5]], [[0.0, -0.1], [0.1, 0.0]]]).double()
    assert points._converges(a, 1001).tolist() == [False, True, False]
    shrinks = [np.linalg.norm(np.linalg.matrix_power(np.eye(2) + m.numpy(), 37)) < 1 for m in a]
    assert points._converges(a, 37).tolist() == shrinks


# trained networks


def rows_of(values: dict, *, seeds: int = 2) -> pd.DataFrame:
    """A table like that of `trained_trial` from values by (kind, power, depth, measure, k)."""
    rows = [
        dict(zip(("kind", "power", "depth", "measure", "k"), key, strict=True), seed=seed, value=value)
        for key, value in values.items()
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows)


def test_losses_are_points_of_the_right_networks():
    values = {("mlp", 0.25, 16, "substeps", 1): 0.95}
    for kind, power, after in (("mlp", 0.0, 0.5), ("mlp", 1.0, 0.9), ("tied", 1.0, 0.95), ("penalty", 1.0, 0.94)):
        values[kind, power, 16, "substeps", 1] = 0.95
        values[kind, power, 16, "substeps", 8] = after
        values[kind, power, 16, "interpolated", 2] = after - 0.01
        values[kind, power, 16, "longer", 8] = 0.1
        values[kind, power, 16, "roughness", 1] = 2**0.5
    table = rows_of(values)
    np.testing.assert_allclose(trained.unscaled(table).values, 45)
    np.testing.assert_allclose(trained.unscaled(table).control, 0, atol=1e-9)
    np.testing.assert_allclose(trained.linear(table).control, 85)
    np.testing.assert_allclose(trained.interpolated(table).values, 6)
    np.testing.assert_allclose(trained.penalised(table).values, 2)
    np.testing.assert_allclose(trained.roughness(table).values, 1)
    with pytest.raises(ValueError, match=r"no substeps at k=8 of mlp, power 0\.25"):
        trained.quarter(table)


def test_slopes_are_exponents_and_the_fixed_fields_are_the_two_readings():
    table = rows_of({("mlp", 0.0, d, "path", 1): d**0.3 for d in trained.DEPTHS})
    np.testing.assert_allclose(trained.slopes(table, "path", 1, 0.0), 0.3)
    assert np.abs(trained.fixed_field((0, 1), total=True)["path"]).max() < 0.1
    np.testing.assert_allclose(trained.fixed_field((0, 1), total=True)["error"], -1, atol=0.15)
    np.testing.assert_allclose(trained.fixed_field((0, 1), total=False)["path"], 1, atol=0.05)


def test_trained_trial_measures_a_small_network_and_the_tied_one_survives():
    digits = data.load("digits", flat=True)
    for kind, power in (("mlp", 0.0), ("tied", 1.0), ("penalty", 1.0), ("norm", 0.0)):
        table = trained.trained_trial(trained.Network(kind, power, 3, 0.01, epochs=1, width=16), (0, 1))
        first = table[(table["measure"] == "substeps") & (table["k"] == 1)]["value"]
        assert len(first) == 2
        assert (first > 0.1).all()
        if kind == "tied":
            assert (table[table["measure"] == "roughness"]["value"] == 0).all()
    net = trained.network(trained.Network("mlp", 0.0, 3, 0.01, width=16), runtime.stream(0, "net"))
    with torch.no_grad():
        hits = (net(digits.test.x).argmax(1) == digits.test.y).double().mean()
    assert measuring.accuracy(net, digits.test) == pytest.approx(float(hits))


def test_a_network_whose_flow_blows_up_labels_nothing():
    net = trained.network(trained.Network("mlp", 0.0, 2, 0.01, width=8), runtime.stream(0, "net"))
    with torch.no_grad():
        for block in net.blocks:
            for weight in block.parameters():
                weight.mul_(1e6)
    from resnet_lib.analysis import flow

    assert measuring.accuracy(flow.refine(net, 4), data.load("digits", flat=True).test) == 0
    assert measuring.distance(net, data.load("digits", flat=True).test.x[:2]) == np.inf


def test_the_cifar_grid_builds_the_published_depths():
    for setting in trained.RESNETS[:4]:
        net = trained.network(setting, runtime.stream(0, "net"))
        assert isinstance(net, nets.Stack)
        assert len(net.blocks) == 9
        assert net.blocks[1].merge.__class__.__name__ == ("Add" if setting.power == 0 else "Scaled")


# topology


def test_the_answers_have_unit_variance_and_the_classes_enclose_each_other():
    x, y = topology.samples("reflection")
    assert torch.equal(y, -x)
    assert float(x.square().mean()) == pytest.approx(1, abs=0.05)
    x, y = topology.samples("spheres")
    assert float(y.mean()) == 0
    assert float(x[y < 0].abs().max()) < float(x[y > 0].abs().min())


def test_one_block_learns_the_reflection_and_a_short_flow_keeps_the_order():
    block = topology.task_trial(topology.Task("reflection", "big-step"), (0, 1))
    assert block.groupby("seed")["error"].first().max() < 0.01
    line = topology.task_trial(topology.Task("reflection", "flow", steps=20), (0,)).sort_values("x")
    assert (np.diff(line["out"]) > -1e-4).all()
    assert line["error"].iloc[0] > 0.5


def test_errors_of_models_are_a_value_a_seed():
    rows = [
        {"task": task, "model": model, "seed": seed, "x": x, "error": error + seed}
        for task, errors in (
            ("reflection", {"flow": 10, "augmented": 20, "big-step": 30}),
            ("spheres", {"flow": 40, "augmented": 50}),
        )
        for model, error in errors.items()
        for seed in (0, 1)
        for x in (-1.0, 1.0)
    ]
    table = pd.DataFrame(rows)
    for measure, value, control in (
        (topology.reflection, 10, 20),
        (topology.big_step, 30, 10),
        (topology.spheres, 40, 50),
    ):
        assert measure(table).values.tolist() == [value, value + 1]
        assert measure(table).control.tolist() == [control, control + 1]


def test_a_field_in_two_dimensions_is_its_formula():
    field = topology.SeedField((0, 1), 2, 5)
    x = torch.randn(2, 3, 2, generator=runtime.stream(0, "x"))
    with torch.no_grad():
        field.drift.fill_(0.5)
        found = field(x).numpy()
    first, shift, second = (value.detach().numpy() for value in (field.first, field.shift, field.second))
    for i in range(2):
        np.testing.assert_allclose(found[i], np.tanh(x[i].numpy() @ first[i] + shift[i]) @ second[i] + 0.5, rtol=1e-5)


def test_an_augmented_flow_moves_in_a_plane():
    table = topology.task_trial(topology.Task("spheres", "augmented", width=4, steps=2), (0,))
    assert table["out"].between(-10, 10).all()
    assert (table["out"].nunique(), table["error"].nunique()) == (len(table), 1)


def test_exponents_of_path_and_distance_are_compared_with_a_fixed_field():
    values = {("mlp", 0.0, d, "path", 1): d**0.3 for d in trained.DEPTHS}
    values |= {("mlp", 1.0, d, "path", 1): d**-0.2 for d in trained.DEPTHS}
    values |= {("mlp", 0.0, d, "distance", measuring.FINEST): d**-0.7 for d in trained.DEPTHS}
    table = rows_of(values)
    fixed = {total: trained.fixed_field((0, 1), total=total) for total in (True, False)}
    for measure, exponent, control in (
        (trained.refinement, 0.3, fixed[True]["path"]),
        (trained.time, 0.3, fixed[False]["path"]),
        (trained.scaled, -0.2, fixed[True]["path"]),
        (trained.closer, -0.7, fixed[True]["error"]),
    ):
        np.testing.assert_allclose(measure(table).values, exponent)
        np.testing.assert_allclose(measure(table).control, control)


def test_small_starts_are_judged_as_the_first_network_is():
    values = {}
    for kind, after in (("small", 0.8), ("slow", 0.7)):
        values[kind, 0.0, 16, "substeps", 1] = 0.9
        values[kind, 0.0, 16, "substeps", measuring.RULE] = after
        values[kind, 0.0, 16, "longer", measuring.RULE] = 0.1
        values[kind, 0.0, 16, "rk4", 1] = after - 0.2
    for kind, cosine in (("mlp", 0.15), ("tied", 1.0)):
        values[kind, 1.0, 16, "alignment", 1] = cosine
        values[kind, 1.0, 16, "substeps", 1] = values[kind, 1.0, 16, "rk4", 1] = 0.9
    table = rows_of(values)
    for measure, lost, control in (
        (trained.small, 10, 80),
        (trained.slow, 20, 80),
        (trained.rk4_small, 30, 0),
        (trained.aligned, 0.15, 1),
    ):
        np.testing.assert_allclose(measure(table).values, lost)
        np.testing.assert_allclose(measure(table).control, control, atol=1e-9)


def test_small_starts_are_the_twin_with_smaller_last_weights():
    nets_of = {
        kind: trained.network(trained.Network(kind, 0.0, 3, 0.01, width=8), runtime.stream(0, "net"))
        for kind in ("mlp", "small", "slow", "zero")
    }
    twin = nets_of["mlp"].state_dict()
    for kind, size in trained.SMALLER.items():
        for name, value in nets_of[kind].state_dict().items():
            torch.testing.assert_close(value, twin[name] * (size if name.endswith("weight2.weight") else 1))
    assert sum(name.endswith("weight2.weight") for name in twin) == 3
    slow, first = (next(net for net in trained.NETWORKS if net.kind == kind) for kind in ("slow", "mlp"))
    assert slow.lr == trained.BEST["mlp", 0.0, 16] != first.lr


def test_a_network_without_blocks_and_one_in_another_order():
    net = trained.network(trained.Network("mlp", 0.0, 4, 0.01, width=8), runtime.stream(0, "net"))
    x = data.load("digits", flat=True).test.x[:5]
    torch.testing.assert_close(measuring.without(net)(x), net.head(net.stem(x)))
    orders = [[id(block) for block in measuring.shuffled(net, nth).blocks] for nth in range(measuring.ORDERS)]
    blocks = [id(block) for block in net.blocks]
    assert all(sorted(order) == sorted(blocks) for order in orders)
    assert len({tuple(order) for order in orders} | {tuple(blocks)}) > 3
    changing = trained.network(trained.RESNETS[0], runtime.stream(0, "net"))
    kinds = [type(block.shortcut).__name__ for block in changing.blocks]
    assert [type(block.shortcut).__name__ for block in measuring.shuffled(changing, 0).blocks] == kinds
    assert len(measuring.without(changing).blocks) == 2  # those that change the shape


def test_what_shares_the_flow_s_last_states_is_what_it_is_alone():
    from resnet_lib.analysis import flow

    net = trained.network(trained.Network("mlp", 0.0, 3, 0.01, width=16), runtime.stream(0, "net")).eval()
    samples = data.load("digits", flat=True)
    x = samples.test.x[: measuring.EXAMPLES]
    found = {key: measuring.MEASURES[key](net, samples) for key in measuring._followed(net, samples)}
    assert found["distance", measuring.FINEST] == pytest.approx(measuring.distance(net, x), rel=1e-4)
    finest = flow.refine(net, measuring.FINEST)
    assert found["flow", measuring.FINEST] == pytest.approx(measuring.accuracy(finest, samples.test))
    with torch.no_grad():
        ends = [
            each.states(x)[-1] for each in (flow.refine(net, measuring.RULE), flow.refine(net, 1, method="rk4"), finest)
        ]
    far = [float(((end - ends[2]).norm(dim=1) / ends[2].norm(dim=1)).mean()) for end in ends[:2]]
    told = [found["distance-substeps", measuring.RULE], found["distance-rk4", 1]]
    assert told == pytest.approx(far, rel=1e-3)
    assert told[1] < told[0] < found["distance", measuring.FINEST]


def test_losses_of_other_powers_and_methods():
    values = {}
    for kind, power, after in (
        ("mlp", 0.0, 0.5),
        ("mlp", 0.25, 0.6),
        ("mlp", 0.5, 0.7),
        ("norm", 0.0, 0.8),
        ("tied", 1.0, 0.89),
    ):
        values[kind, power, 16, "substeps", 1] = 0.9
        values[kind, power, 16, "substeps", measuring.RULE] = after
        values[kind, power, 16, "rk4", 1] = after - 0.1
    table = rows_of(values)
    for measure, lost, control in (
        (trained.quarter, 30, 1),
        (trained.root, 20, 1),
        (trained.norm, 10, 1),
        (trained.rk4, 50, 11),
    ):
        np.testing.assert_allclose(measure(table).values, lost)
        np.testing.assert_allclose(measure(table).control, control)


def test_smooth_weights_keep_moving_and_untied_blocks_have_no_common_fixed_point():
    table = synthetic(
        lambda w, p, d: d ** (0.1 if w == "smooth" else -0.4) if p == 1.0 else 7.0, lambda w, p, d: 1.0 * d
    )
    np.testing.assert_allclose(limits.smooth_moves(table).values, 0.1)
    np.testing.assert_allclose(limits.smooth_moves(table).control, -0.4)
    table = pd.DataFrame({"untied": [0.5, 0.25], "tied": [1e-9, 2e-9]})
    assert points.fixed_untied(table).values.tolist() == [0.5, 0.25]
    assert points.fixed_untied(table).control.tolist() == [1e-9, 2e-9]


def test_the_chart_holds_what_its_inputs_choose():
    settings = [limits.Trajectory(p, length, depth=64) for p in (0.25, 1.0) for length in (0.0, 0.5)]
    spec = drawings.path_explorer(table_of(limits.trajectory_trial, settings, (0,))).to_dict()
    assert {p["name"] for p in spec["params"]} >= {"p", "length"}


# the page


NAME = "18_euler_and_its_limit"


def mean(evidence) -> float:
    return float(evidence.values.mean())


def tables() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """What is stored of the trained networks: as they are, at a third and three times each rate, with more epochs."""
    stored, other = sweep.stored(trained.TRAINED, ROOT), trained.CHOICES.results(ROOT)
    assert stored is not None
    return stored.table, other[THIRD].table, other[THRICE].table, other["twice the epochs"].table


def number(value: float, digits: int) -> str:
    """A number as the page sets it: a minus belongs to the mathematics."""
    text = f"{value:.{digits}f}"
    text = text if float(text) else text.lstrip("-")
    return f"${text}$" if text.startswith("-") else text


def span(values: np.ndarray, digits: int) -> tuple[str, ...]:
    """Mean and interval, as the page sets them."""
    low, high = intervals.interval(values, "mean", rng=runtime.rng(0, "page"))
    return tuple(number(float(found), digits) for found in (values.mean(), low, high))


KINDS = {
    "unscaled": ("mlp", 0.0),
    "small": ("small", 0.0),
    "slow": ("slow", 0.0),
    "zero": ("zero", 0.0),
    "quarter": ("mlp", 0.25),
    "root": ("mlp", 0.5),
    "linear": ("mlp", 1.0),
    "norm": ("norm", 0.0),
    "penalty": ("penalty", 1.0),
    "tied": ("tied", 1.0),
}


def lost(table: pd.DataFrame, measure: str, k: int, digits: int) -> dict[str, str]:
    """Points that a change costs, by the test's own words for the networks."""
    return {name: number(trained.loss(table, measure, k, *kind).mean(), digits) for name, kind in KINDS.items()}


def test_the_losses_that_the_page_tells_are_those_of_the_stored_tables():
    base, third, thrice, twice = tables()
    words = chapter.words(NAME)
    by_steps, by_rk4, finely = (
        lost(base, "substeps", measuring.RULE, 1),
        lost(base, "rk4", 1, 1),
        lost(base, "substeps", measuring.RULE, 2),
    )
    right = {name: f"{100 * trained.values(base, 'substeps', 1, *kind).mean():.1f}" for name, kind in KINDS.items()}
    five = base[base["seed"].isin(trained.SEEDS)]
    for said, *told in (
        ("smaller steps: {} points of accuracy are lost", by_steps["unscaled"]),
        ("the same network loses {}, and labels {}% rightly", finely["small"], right["small"]),
        ("rightly instead of {}%. Scaled", right["unscaled"]),
        ("in eight eighths of its step it loses {} points", by_steps["unscaled"]),
        ("is worse still, with {} points", by_rk4["unscaled"]),
        ("by 64 sub-steps, loses {}.", lost(base, "flow", measuring.FINEST, 1)["unscaled"]),
        ("unscaled network loses {} points by sub-steps", finely["small"]),
        ("and {} by RK4, and labels {}% of", lost(base, "rk4", 1, 2)["small"], right["small"]),
        ("at 0.005, that of the first, it loses {} and {}", finely["slow"], lost(base, "rk4", 1, 2)["slow"]),
        ("Started at zero it loses {}.", finely["zero"]),
        ("lose {} points, from {} to {}", *span(trained.loss(base, "substeps", 8, "mlp", 0.0, 4), 2)),
        ("and {}, from {} to {}: the deeper", *span(trained.loss(base, "substeps", 8, "mlp", 0.0, 8), 2)),
        ("costs {} points, with an interval from {} to {}.", *span(trained.quarter(base).values, 1)),
        ("no scaling the network loses {} points, with an interval from {} to {}", *span(trained.norm(base).values, 2)),
        ("At a third of its rate it loses {} points", number(mean(trained.norm(third)), 1)),
        ("with twice the epochs {}, and both intervals", number(mean(trained.norm(twice)), 1)),
        ("of it the network loses {} points by sub-steps", number(mean(trained.unscaled(third)), 1)),
        ("and {} by RK4. Too short", number(mean(trained.rk4(third)), 1)),
        ("does not explain the {}: with twice", by_steps["unscaled"]),
        ("classifies better and loses {}, where", number(mean(trained.unscaled(twice)), 1)),
        ("where the same five seeds lost {}.", number(mean(trained.unscaled(five)), 1)),
        (
            "at a third of the rate, with {} points and an interval from {} to {}",
            *span(trained.quarter(third).values, 1),
        ),
        ("it {}% of the test images are labelled rightly, and without {}%", right["penalty"], right["linear"]),
    ):
        assert said.format(*told) in words, (said, told)
    for table in (base, third, twice):  # "next to nothing"
        assert max(abs(mean(measure(table))) for measure in (trained.root, trained.linear, trained.interpolated)) < 0.15
    for kind, power in (("mlp", 0.0), ("mlp", 0.25), ("mlp", 0.5), ("mlp", 1.0), ("norm", 0.0)):
        assert f"{trained.values(base, 'roughness', 1, kind, power).mean() / 2**0.5:.2f}" == "1.00"
    before = [100 * trained.values(table, "substeps", 1, "mlp", 0.0).mean() for table in (third, base)]
    assert [round(value) for value in before] == [92, 95]
    found = thrice[thrice["measure"] == "validation"].groupby(["kind", "power", "depth"])["value"]
    diverged = found.apply(lambda values: int(values.isna().sum()))
    assert ((diverged > 0).sum(), len(diverged)) == (10, 14)
    assert diverged["mlp", 0.0, 16] == 5
    for measure in (trained.unscaled, trained.quarter, trained.root, trained.linear, trained.norm, trained.rk4):
        with pytest.raises(NotFiniteError, match="diverged"):
            measure(thrice)


def test_what_the_page_tells_of_blocks_fields_and_distances_is_in_the_stored_tables():
    base, words = tables()[0], chapter.words(NAME)
    gone, moved = lost(base, "without", 1, 1), lost(base, "shuffled", 1, 1)
    cosine = {name: number(trained.values(base, "alignment", 1, *kind).mean(), 2) for name, kind in KINDS.items()}
    far = [
        number(trained.values(base, name, k, "mlp", 0.0).mean(), 3)
        for name, k in (("distance", measuring.FINEST), ("distance-substeps", measuring.RULE), ("distance-rk4", 1))
    ]
    for said, *told in (
        ("without any block loses {} points", gone["linear"]),
        ("has a cosine of {}, where one field", cosine["linear"]),
        ("by $1/L$ loses {} points and that with the penalty {}", gone["linear"], gone["penalty"]),
        ("loses {} points without them, with shared weights {}, unscaled", gone["root"], gone["tied"]),
        ("with a small start {}, and with batch normalisation {}", gone["small"], gone["norm"]),
        ("has a cosine of {} at scale $1/L$, {} at $1/\\sqrt L$", cosine["linear"], cosine["root"]),
        ("{} at $L^{{-1/4}}$ and {} unscaled", cosine["quarter"], cosine["unscaled"]),
        (
            "a quarter the cosine is {}, at zero {}, and with the penalty {}:",
            cosine["small"],
            cosine["zero"],
            cosine["penalty"],
        ),
        ("another order costs {} points", moved["linear"]),
        ("It costs {} at $1/\\sqrt L$ and {} at $L^{{-1/4}}$", moved["root"], moved["quarter"]),
        ("is {} from the flow's, that of 8 sub-steps {} and that of RK4 {}.", *far),
    ):
        assert said.format(*told) in words, (said, told)
    starts = [
        trained.values(base, "start-alignment", 1, *KINDS[name]).mean()
        for name in KINDS
        if name not in ("tied", "zero")
    ]
    assert max(map(abs, starts)) < 0.05  # "as all had before training"
    shown = readings.networks(base)
    assert len(shown) == len(readings.TITLES)
    assert f"{shown.set_index('network')['no block at all']['scaled by 1/L']}" == lost(base, "without", 1, 2)["linear"]


def test_the_exponents_that_the_page_tells_are_those_of_the_stored_tables():
    base, third, thrice, twice = tables()
    words, longer = chapter.words(NAME), trained.LONGER.results(ROOT)
    for power in (0.0, 1.0):
        found = [trained.values(thrice, "path", 1, "mlp", power, depth) for depth in trained.DEPTHS]
        assert not np.isfinite(found).all()

    def exponents(measure: str, k: int, power: float) -> list[str]:
        return [number(float(trained.slopes(table, measure, k, power).mean()), 2) for table in (base, third, twice)]

    def before(measure: str, k: int) -> str:
        return number(float(trained.slopes(base, f"start-{measure}", k, 0.0).mean()), 2)

    unscaled = exponents("path", 1, 0.0)
    assert "exponent of {}, of {} at a third of each rate and of {} with twice the epochs".format(*unscaled) in words
    assert f"an exponent of {min(unscaled)} to {max(unscaled)} under" in words
    assert f"Before training it is {before('path', 1)}." in words
    farther = exponents("distance", measuring.FINEST, 0.0)
    assert "an exponent of {}, and of {} and {} under these two choices".format(*farther) in words

    def ends(measure: str) -> list[str]:
        found = [trained.values(base, measure, measuring.FINEST, "mlp", 0.0, depth) for depth in trained.DEPTHS]
        return [number(values.mean(), 2) for values in found]

    assert "grows from {0} at 4 blocks to {2} at 16".format(*ends("distance")) in words
    assert "the distance is {}, {} and {} at 4, 8 and 16 blocks".format(*ends("start-distance")) in words
    assert f"an exponent of {before('distance', measuring.FINEST)}, and training" in words
    lengths = [number(trained.values(base, "path", 1, "mlp", 1.0, d).mean(), 2) for d in trained.DEPTHS]
    assert "the path is {} long at 4 blocks, {} at 8 and {} at 16".format(*lengths) in words
    for said, table, digits in (
        ("The exponent is {}, with an interval from {} to {} about", base, 2),
        ("After 24 epochs it is {}, with an interval from {} to {},", twice, 3),
        ("after 48 {}, from {} to {}", longer["four times the epochs"].table, 2),
        ("and after 96 {}, from {} to {}.", longer["eight times the epochs"].table, 2),
    ):
        told = span(trained.slopes(table, "path", 1, 1.0), digits)
        assert said.format(*told) in words, (said, told)
    assert f"At a third of each rate the exponent is {exponents('path', 1, 1.0)[1]}." in words


def test_what_the_page_says_of_the_earlier_rates_is_in_the_stored_tuning():
    table = trained.RATES.result(ROOT).table
    scores = table[(table["kind"] == "mlp") & (table["power"] == 1)]
    scores = 100 * scores.groupby(["depth", "rate"])["validation_accuracy"].mean()
    stored = trained.RATES.stored(ROOT)
    behind = [stored["mlp", 1.0, d].rate for d in (4, 16)]
    costs = [float(scores[d, rate] - scores[d, 0.32]) for d, rate in zip((4, 16), behind, strict=True)]
    assert costs == pytest.approx([1.2, 0.5], abs=0.05)
    assert 0.32 in stored["mlp", 1.0, 8].ties
    times = [0.3 / stored["mlp", 1.0, d].rate for d in trained.DEPTHS]
    assert f"which is {min(times):.2f} to {max(times):.2f} times what" in chapter.words(NAME)


def test_the_errors_that_the_page_tells_of_the_block_are_those_of_the_stored_tables():
    stored, other = sweep.stored(topology.TOPOLOGY, ROOT), topology.CHOICES.results(ROOT)
    assert stored is not None
    words = chapter.words(NAME)
    assert topology.big_step(stored.table).values.max() < 0.003
    for name, said in (
        (THIRD, "the worst of its five seeds has {:.3f}"),
        ("twice the steps", "the worst seed has {:.4f}"),
        (THRICE, "with three times the rate {:.4f}"),
    ):
        assert said.format(topology.big_step(other[name].table).values.max()) in words, name
    for result in (stored, *other.values()):
        assert topology.reflection(result.table).values.mean() == pytest.approx(1, abs=0.02)
        assert topology.spheres(result.table).values.mean() > 0.2


def test_nothing_is_measured_of_a_network_that_diverged():
    """An accuracy of 0 for it would be as good with finer steps as without, and no loss at all."""
    table = trained.trained_trial(trained.Network("mlp", 0.0, 3, 1e6, epochs=1, width=16), (0,))
    first = table["measure"].str.startswith("start-")
    assert (len(table), first.sum()) == (len(measuring.MEASURES) + len(measuring.STARTS), len(measuring.STARTS))
    assert table[~first]["value"].isna().all()
    assert np.isfinite(table[first]["value"]).all()
