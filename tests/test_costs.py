"""Counts against torch's own counter and against what the papers print."""

import time
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from resnet_lib import blocks, costs, nets, runtime
from resnet_lib.units import UNITS


def generator() -> torch.Generator:
    return runtime.stream(0, "test")


def cifar(depth: int, shortcut: str) -> nets.Stack:
    return nets.cifar_resnet(depth, unit=replace(UNITS["post"], shortcut=shortcut), generator=generator())


@pytest.mark.parametrize("shortcut", ["A", "B", "C", "columns", "2x2", "pool", "none"])
def test_multiply_adds_are_half_of_torchs_flops(shortcut):
    net = cifar(8, shortcut)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(torch.zeros(2, 3, 32, 32))
    counted = counter.get_flop_counts()["Global"]
    layers = sum(flops for op, flops in counted.items() if "convolution" in str(op) or "addmm" in str(op))
    assert costs.count(net, (3, 32, 32)).multiply_adds == layers / 2 / 2


@pytest.mark.parametrize(("depth", "published"), [(18, 1.8e9), (34, 3.6e9)])
def test_imagenet_counts_are_those_of_table_1(depth, published):
    with torch.device("cpu"):
        net = nets.imagenet_resnet(depth, generator=generator())
    assert costs.count(net, (3, 224, 224)).multiply_adds == pytest.approx(published, rel=0.02)


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (56, 0.85), (110, 1.7)])
def test_cifar_parameters_are_those_of_table_6(depth, millions):
    found = costs.count(cifar(depth, "A"), (3, 32, 32)).parameters
    assert round(found / 1e6, 2 if millions < 1 else 1) == millions


def test_what_each_shortcut_adds_to_resnet20():
    counted = {name: costs.count(cifar(20, name), (3, 32, 32)) for name in ("A", "B", "columns", "2x2", "pool")}
    added = {name: cost.parameters - counted["A"].parameters for name, cost in counted.items()}
    kernels = 16 * 32 + 32 * 64
    assert added == {"A": 0, "B": kernels + 2 * 96, "columns": kernels, "2x2": 4 * kernels, "pool": kernels + 2 * 96}
    extra = counted["B"].multiply_adds - counted["A"].multiply_adds
    assert extra == 16 * 32 * 16**2 + 32 * 64 * 8**2


def test_saved_activations_are_those_of_the_backward_formulas():
    # A linear layer keeps its input, a ReLU its output, which the next layer keeps as well: 6 + 5 numbers.
    net = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    assert costs.count(net, (6,)).saved == 6 + 5
    assert costs.count(nn.Sequential(), (6,)) == costs.Cost(0, 0, 0)


def test_counting_leaves_the_module_as_it_was():
    net = cifar(8, "B")
    before = {name: value.clone() for name, value in net.state_dict().items()}
    costs.count(net, (3, 32, 32))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())


class Sleep(nn.Module):
    def __init__(self, seconds: float):
        super().__init__()
        self.seconds = seconds

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(self.seconds)
        return x


def test_latency_measures_time_and_keeps_all_rounds():
    found = costs.latency({"slow": Sleep(0.03), "fast": Sleep(0.0)}, torch.zeros(1, 1), rounds=3)
    assert len(found["slow"].rounds) == 3
    assert found["slow"].best == min(found["slow"].rounds) >= 0.03 > found["fast"].best


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: costs.count(blocks.Linear(2, 2), (2,), batch=0), "batch=0 must be at least 1"),
        (lambda: costs.latency({}, torch.zeros(1, 1)), "5 rounds?=?.*0 modules|rounds=5 of 0 modules"),
    ],
)
def test_errors_name_the_way_out(call, text):
    with pytest.raises(ValueError, match=text):
        call()
