"""Grids and experiments as data: what they refuse, and what a repeated one is."""

import pytest
from setting_classes import Thawed, Unit
from trials import Noise, measure

from resnet_lib.sweep import EXACT, SAMPLED, Experiment, Grid


def test_settings_and_seeds_are_checked():
    with pytest.raises(ValueError, match=r"settings\[0\]=\{'x': 1\} must be an instance of a frozen dataclass"):
        Grid(({"x": 1},), (0,))
    with pytest.raises(ValueError, match=r"settings\[0\] is a Thawed, which can change"):
        Grid((Thawed(),), (0,))
    with pytest.raises(ValueError, match=r"settings\[1\]=Unit\(order='a'\) is there twice"):
        Grid((Unit("a"), Unit("a")), (0,))
    with pytest.raises(ValueError, match=r"seeds=\(0, 0\) must be different whole numbers"):
        Grid((Unit("a"),), (0, 0))
    with pytest.raises(ValueError, match="a grid needs settings and seeds; got 1 and 0"):
        Grid((Unit("a"),), ())
    with pytest.raises(ValueError, match="group=0 must be at least 1"):
        Grid((Unit("a"),), (0,), 0)


def test_any_sequence_of_settings_and_seeds_will_do():
    setting = Unit("a")
    grid = Grid(settings=[setting], seeds=range(3), data=["digits"])
    assert (grid.settings, grid.seeds, grid.data) == ((setting,), (0, 1, 2), ("digits",))
    assert grid == Grid(settings=(setting,), seeds=(0, 1, 2), data=("digits",))
    with pytest.raises(ValueError, match=r"data='digits' must be a sequence; write data=\('digits',\)"):
        Grid(settings=(setting,), seeds=(0,), data="digits")


def test_groups_hold_every_seed_once():
    assert Grid((Unit("a"),), (5, 6, 7, 8, 9), 2).groups == ((5, 6), (7, 8), (9,))
    assert Grid((Unit("a"),), (5, 6, 7)).groups == ((5, 6, 7),)


def test_a_repeated_experiment_has_the_same_settings_in_both_grids():
    found = Experiment.repeated(
        "repeated", measure, [Noise(size=1)], (0, 1), range(6), group=3, data=("digits",), agrees=SAMPLED
    )
    quick, full = Grid((Noise(size=1),), (0, 1)), Grid((Noise(size=1),), range(6), group=3)
    assert found == Experiment(name="repeated", trial=measure, quick=quick, full=full, data=("digits",), agrees=SAMPLED)
    assert Experiment.repeated("repeated", measure, [Noise(size=1)], (0,), (0,)).agrees == EXACT
