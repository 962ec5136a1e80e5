"""Settings of trials, for the tests of this room."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Unit:
    order: str


@dataclass
class Thawed:
    x: int = 1
