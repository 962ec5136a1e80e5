"""A small random network and images in the place of the published ones, and tables like those of the trials."""

import itertools

import pandas as pd
import pytest
import torch

from resnet_lib import data, nets
from resnet_lib.experiments.published_networks import networks
from resnet_lib.experiments.published_networks.networks import DEPTHS, STATISTICS
from resnet_lib.nets import Stack, Unit

SEEDS = range(5)


@pytest.fixture
def net() -> Stack:
    """Three stages of two original units, as the published ones, with norms whose statistics are not those of birth."""
    draw = torch.Generator().manual_seed(0)
    made = nets.conv_net((2, 2, 2), (4, 8, 16), unit=Unit(shortcut="A"), generator=draw).train()
    for _ in range(30):
        made(torch.randn(16, 3, 8, 8, generator=draw))
    return made.eval()


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch, net: Stack) -> data.Split:
    """Random images that take the place of CIFAR-10's, and the small network that of all published ones."""
    draw = torch.Generator().manual_seed(1)
    made = data.Split(torch.randn(12, 3, 8, 8, generator=draw), torch.randint(10, (12,), generator=draw))
    monkeypatch.setattr(networks, "_images", lambda part: made)
    monkeypatch.setattr(networks, "network", lambda setting: net)
    return made


def noise(seed: int) -> float:
    """Of mean zero over the seeds."""
    return (seed - 2) / 1000


@pytest.fixture
def error() -> pd.DataFrame:
    rows = itertools.product(DEPTHS, SEEDS, (("train", 0.001), ("test", 0.08)))
    return pd.DataFrame(
        {"depth": depth, "seed": seed, "part": part, "error": value + noise(seed) / 10 - depth / 1e5, "permuted": 0.9}
        for depth, seed, (part, value) in rows
    )


@pytest.fixture
def lesion() -> pd.DataFrame:
    records = []
    for depth, seed, kind in itertools.product(DEPTHS, SEEDS, STATISTICS):
        loss = (4.0 if kind == "trained" else 1.0) / depth
        rows = [("whole", -1, 0.9), ("transition", 3, 0.4), ("ratio", 7, 1.5), ("ratio", 8, 1.0)]
        rows += [("removed", block, 0.9 - loss * factor + noise(seed)) for block, factor in ((0, 2), (1, 1), (2, 0))]
        for measure, block, value in rows[: None if kind == "trained" else 2] + rows[4:]:
            one = {"depth": depth, "seed": seed, "statistics": kind, "measure": measure, "block": block}
            records.append(one | {"value": value})
    return pd.DataFrame(records).drop_duplicates()


@pytest.fixture
def step() -> pd.DataFrame:
    records = []
    for depth, seed, kind in itertools.product(DEPTHS, SEEDS, STATISTICS):
        rows = [("whole", 1, 0.9), ("full", 2, 0.3), ("path", 1, depth / 2 + noise(seed))]
        rows += [("divided", count, 0.9 - (count - 1) / depth + noise(seed) * (count > 1)) for count in (1, 2, 4, 8)]
        records += [
            {"depth": depth, "seed": seed, "statistics": kind, "measure": m, "steps": s, "value": v} for m, s, v in rows
        ]
    return pd.DataFrame(records)


@pytest.fixture
def spectrum() -> pd.DataFrame:
    rows = itertools.product(DEPTHS, SEEDS, ((1, 5), (2, 7), (2, 8)))
    made = {"near": 0.9, "exact": 0.6, "alone": 0.1, "norm": 2.0}
    return pd.DataFrame(
        {"depth": depth, "seed": seed, "stage": stage, "block": block, **made} for depth, seed, (stage, block) in rows
    )
