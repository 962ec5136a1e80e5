"""Layerwise rescaling, against a loop by hand; seeds alone and stacked; numbers that are hardly any."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from resnet_lib import data, nets, runtime, training
from resnet_lib.nets import Unit
from resnet_lib.training import Recipe
from resnet_lib.training.optimizers import Lars, rescaled

LARS = Recipe(epochs=2, batch=50, lr=0.02, optimizer="lars", weight_decay=1e-3)


def normal(*shape, path="x"):
    return torch.randn(*shape, generator=runtime.stream(0, "lars", path), dtype=torch.float64)


def test_three_steps_are_those_of_a_loop():
    shapes = [(2, 3, 4), (2, 5), (2, 4, 3, 3, 3)]
    parameters = [normal(*shape, path=str(shape)).requires_grad_() for shape in shapes]
    arrays = [p.detach().numpy().copy() for p in parameters]
    momenta = [np.zeros_like(a) for a in arrays]
    optimizer = Lars(parameters, lr=0.1, momentum=0.9, weight_decay=0.01)
    for step in range(3):
        for p in parameters:
            p.grad = normal(*p.shape, path=f"{step}")
        gradients = [normal(*p.shape, path=f"{step}").numpy() for p in parameters]
        optimizer.step()
        for array, momentum, gradient in zip(arrays, momenta, gradients, strict=True):
            for seed in range(2):
                g, w = gradient[seed], array[seed]
                if w.ndim > 1:
                    g = g * np.sqrt((w**2).sum()) / np.sqrt((g**2).sum())
                momentum[seed] = 0.9 * momentum[seed] + g + 0.01 * w
                array[seed] = w - 0.1 * momentum[seed]
    for p, array in zip(parameters, arrays, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), array, rtol=1e-12)


def test_the_first_step_of_a_rate_is_that_fraction_of_every_weight():
    weights = [normal(3, 4, 4, path="a"), 100 * normal(3, 4, 4, path="b")]
    for scale in (1e-40, 1.0, 1e30):
        parameters = [w.float().requires_grad_() for w in weights]
        for p in parameters:
            p.grad = (normal(3, 4, 4, path="g") * scale).float()
        Lars(parameters, lr=0.01).step()
        for p, w in zip(parameters, weights, strict=True):
            moved = (p.detach() - w.float()).flatten(1).norm(dim=1) / w.flatten(1).norm(dim=1)
            torch.testing.assert_close(moved.double(), torch.full((3,), 0.01, dtype=torch.float64), rtol=1e-3, atol=0)


def test_nothing_is_divided_by_zero_and_a_lost_seed_disturbs_no_other():
    weight = normal(4, 3, 3, path="w")
    gradient = normal(4, 3, 3, path="g")
    gradient[0], weight[1], gradient[2, 0, 0] = 0, 0, torch.nan
    found = rescaled(weight, gradient)
    assert (found[0] == 0).all()
    assert torch.equal(found[1], gradient[1])
    assert found[2].isnan().any()
    assert found[3].norm() == pytest.approx(weight[3].norm())


def make(generator):
    return nets.mlp(3, 12, unit=Unit(residual=False), generator=generator)


def test_a_seed_trains_alone_as_among_others():
    digits = data.load("digits", flat=True).subset(150)
    together = training.fit(make, digits, LARS, (0, 1, 2))
    alone = training.fit(make, digits, LARS, (1,))
    for name, value in alone.params()[0].items():
        torch.testing.assert_close(together.params()[0][name][1:2], value, rtol=1e-4, atol=1e-5)
    assert together.history["train_accuracy"].iloc[-1] > 0.15
    other = training.fit(make, digits, replace(LARS, optimizer="sgd"), (1,))
    assert not torch.allclose(other.params()[0]["head.weight1.weight"], alone.params()[0]["head.weight1.weight"])


def test_a_run_goes_on_where_another_was():
    digits = data.load("digits", flat=True).subset(150)
    whole, first, second = (training.Run(make, digits, LARS, (0, 1)) for _ in range(3))
    for _ in range(4):
        first.advance()
    second.restore({name: value.clone() for name, value in first.state().items()})
    for run in (whole, second):
        while not run.done:
            run.advance()
    assert any("momentum_buffer" in name for name in whole.state())
    for name, value in whole.state().items():
        assert torch.equal(value, second.state()[name])
