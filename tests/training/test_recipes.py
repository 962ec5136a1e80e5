"""Recipes as data: what they refuse, the course of the learning rate against formulas and torch's schedulers."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import nn

from resnet_lib.training import Recipe, recipes
from resnet_lib.training.recipes import HE, HE_110, ONE_CYCLE

RECIPE = Recipe(epochs=2, batch=60, lr=0.05)

FACTOR = {
    # Factor of the highest rate at step s of n, from the formulas of the docstrings.
    "constant": lambda s, n, rise: min((s + 1) / (rise + 1), 1),
    "cosine": lambda s, n, rise: (
        (s + 1) / (rise + 1) if s < rise else (1 + math.cos(math.pi * (s - rise) / (n - rise))) / 2
    ),
}


def rates(recipe, steps):
    return np.array([recipe.rate(step, steps) for step in range(steps)])


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("warmup", [0.0, 0.25, 1.0])
def test_schedules_are_their_formulas(schedule, warmup):
    recipe = dataclasses.replace(RECIPE, schedule=schedule, warmup=warmup)
    expected = [0.05 * FACTOR[schedule](step, 40, 40 * warmup) for step in range(40)]
    np.testing.assert_allclose(rates(recipe, 40), expected, rtol=1e-12)


@pytest.mark.parametrize(("warmup", "steps"), [(0.25, 40), (0.3, 37), (0.9, 100)])
def test_one_cycle_is_that_of_torch(warmup, steps):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    oracle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.05, total_steps=steps, pct_start=warmup, cycle_momentum=False
    )
    expected = []
    for _ in range(steps):
        expected.append(oracle.get_last_lr()[0])
        optimizer.step()
        oracle.step()
    np.testing.assert_allclose(rates(dataclasses.replace(RECIPE, warmup=warmup), steps), expected, rtol=1e-10)


@pytest.mark.parametrize("schedule", recipes.SCHEDULES)
@pytest.mark.parametrize("warmup", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 4])
def test_schedules_need_no_minimum_of_steps(schedule, warmup, steps):
    found = rates(dataclasses.replace(RECIPE, schedule=schedule, warmup=warmup), steps)
    assert ((found > 0) & (found <= 0.05)).all()


def test_momentum_is_what_the_recipe_says():
    for optimizer, field in (("sgd", "momentum"), ("adam", "betas")):
        recipe = dataclasses.replace(RECIPE, momentum=0.7, optimizer=optimizer)
        made = recipe.optimizer_of([nn.Parameter(torch.zeros(1))])
        assert made.param_groups[0][field] == (0.7 if field == "momentum" else (0.7, 0.999))


@pytest.mark.parametrize("steps", [40, 37])
def test_the_step_schedule_is_that_of_torch(steps):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    milestones = [math.ceil(0.5 * steps), math.ceil(0.75 * steps)]
    oracle = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones, gamma=0.1)
    expected = []
    for _ in range(steps):
        expected.append(oracle.get_last_lr()[0])
        optimizer.step()
        oracle.step()
    np.testing.assert_allclose(rates(dataclasses.replace(HE, epochs=1), steps), expected, rtol=1e-12)


def test_the_published_recipe_is_that_of_the_paper():
    # he2016deep, sec. 4.2: 0.1, divided by 10 at 32k and 48k of 64k iterations of 128 images.
    per_epoch = math.ceil(45_000 / 128)
    steps = HE.epochs * per_epoch
    assert abs(steps - 64_000) < per_epoch / 2
    course = rates(HE, steps)
    changes = np.flatnonzero(np.diff(course)) + 1
    np.testing.assert_allclose(changes, [32_000, 48_000], atol=50)
    np.testing.assert_allclose(course[[0, 40_000, -1]], [0.1, 0.01, 0.001], rtol=1e-12)
    warm = rates(HE_110, steps)
    assert abs((warm[:1000] == 0.01).sum() - 400) <= 1
    assert np.array_equal(warm[500:], course[500:])
    assert (HE.batch, HE.momentum, HE.weight_decay, HE.augment, HE.optimizer) == (128, 0.9, 1e-4, "crop-flip", "sgd")
    assert dataclasses.replace(HE_110, warmup=0.0) == HE
    assert (ONE_CYCLE.epochs, ONE_CYCLE.schedule) == (60, "one-cycle")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"schedule": "one-cylce"}, r"schedule='one-cylce' is unknown; known: one-cycle, .*; closest: 'one-cycle'"),
        ({"augment": "flip"}, r"augment='flip' is unknown; known: none, crop-flip; closest: 'crop-flip'"),
        ({"optimizer": "adamw"}, r"optimizer='adamw' is unknown; known: sgd, adam, lars; closest: 'adam'"),
        ({"epochs": -1}, r"epochs=-1 must be 0 or more"),
        ({"batch": 0}, r"batch=0 must be at least 1"),
        ({"lr": math.nan}, r"lr=nan must be 0 or more, and finite"),
        ({"weight_decay": -1.0}, r"weight_decay=-1.0 must be 0 or more"),
        ({"momentum": 1.0}, r"momentum=1.0 must be at least 0 and less than 1"),
        ({"warmup": 5.0}, r"warmup=5.0 is a fraction of all steps"),
    ],
)
def test_a_recipe_refuses_what_makes_no_sense(changes, text):
    with pytest.raises(ValueError, match=text):
        dataclasses.replace(RECIPE, **changes)


def test_the_recipe_of_a_setting_has_its_fields_and_the_defaults():
    @dataclasses.dataclass(frozen=True)
    class Net:
        depth: int
        epochs: int = 3
        lr: float = 0.02
        batch: int = 7
        augment: str = "crop-flip"
        weight: float = 9.0

    assert recipes.of(Net(20)) == Recipe(epochs=3, batch=7, lr=0.02, augment="crop-flip")
    assert recipes.of(Net(20, epochs=0, batch=1)) == Recipe(epochs=0, batch=1, lr=0.02, augment="crop-flip")
    with pytest.raises(ValueError, match="augment='flop' is unknown"):
        recipes.of(Net(20, augment="flop"))
    with pytest.raises(TypeError, match="epochs"):
        recipes.of(dataclasses.make_dataclass("Still", [("lr", float, 0.1)])())
