"""Recipes of blocks as values."""

import dataclasses

from resnet_lib.nets import Unit, units
from resnet_lib.nets.units import UNITS


def test_units_are_values():
    assert units.unit("pre") is UNITS["pre"]
    assert units.unit(Unit(alpha=0.5)) == Unit(alpha=0.5)
    assert dataclasses.replace(UNITS["scaled"], alpha=1.0, beta=0.0) == UNITS["pre"]
    assert UNITS["scaled"].plain() == UNITS["plain-pre"]
    assert hash(Unit()) == hash(UNITS["post"])
