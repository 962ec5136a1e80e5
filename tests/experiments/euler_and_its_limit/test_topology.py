"""What a flow on the line cannot do: the tasks, the fields against their formulas, and the errors."""

import numpy as np
import pandas as pd
import pytest
import torch

from resnet_lib import runtime
from resnet_lib.experiments.euler_and_its_limit import topology


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
