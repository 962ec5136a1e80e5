"""Which networks are called, in which order, by a clock that the test moves; and the measures on a known table."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from resnet_lib.analysis import costs
from resnet_lib.experiments.basic_and_bottleneck import times


class Slow(nn.Module):
    """A module whose call moves the clock."""

    def __init__(self, clock: list[float], seconds: float):
        super().__init__()
        self.clock, self.seconds = clock, seconds

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.clock[0] += self.seconds
        return x


def test_each_call_is_timed_by_the_thread_s_clock(monkeypatch: pytest.MonkeyPatch):
    clock = [0.0]
    monkeypatch.setattr("time.thread_time", lambda: clock[0])
    modules = {"fast": Slow(clock, 1.0), "slow": Slow(clock, 3.0)}
    found = times.spent(modules, torch.zeros(1), calls=2)
    assert found == {"fast": [1.0, 1.0], "slow": [3.0, 3.0]}


def test_all_roles_are_called(monkeypatch: pytest.MonkeyPatch):
    called = []
    monkeypatch.setattr(times, "network", lambda depth, width, seed: called.append((depth, width)) or nn.Identity())
    monkeypatch.setattr(times, "spent", lambda modules, x, calls: {name: [1.0, 5.0, 2.0] for name in modules})
    table = times.trial(times.Times(), (3,))
    assert called == [*((depth, 16) for depth in times.DEPTHS), times.WIDE]
    assert table.groupby("role").size().to_dict() == {"again": 6, "depth": 5, "wide": 1}
    assert set(table["seconds"]) == {2.0}


def test_the_wide_network_has_the_multiply_adds_of_the_deepest():
    wide, deep = (costs.count(times.network(*one, 0), (3, 32, 32)).multiply_adds for one in (times.WIDE, (110, 16)))
    assert wide / deep == pytest.approx(1, abs=0.05)


def test_measures_on_a_known_table():
    rows = [("depth", depth, depth, depth**0.5) for depth in times.DEPTHS]
    rows += [("again", depth, 56, 7.0) for depth in times.DEPTHS]
    rows += [("again", 110, 110, 2 * 110**0.5), ("wide", 20, 40, 110**0.5 / 3)]
    table = pd.DataFrame(rows, columns=["role", "place", "network", "seconds"]).assign(seed=0)
    found = times.latency(table)
    assert found.values == pytest.approx([0.5])
    assert found.control == pytest.approx([0], abs=1e-12)
    found = times.wide(table)
    assert found.values == pytest.approx([3])
    assert found.control == pytest.approx([0.5])
    assert np.isfinite(found.values).all()
