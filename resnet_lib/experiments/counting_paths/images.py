"""Whose gradient it is: how much of it a few images carry, the lengths with every image alike, and before training."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from resnet_lib import data, runtime
from resnet_lib.analysis import paths, statistics
from resnet_lib.experiments.counting_paths.gradients import FLOWS, SEEDS, Flow, fit
from resnet_lib.nets import Stack
from resnet_lib.sweep import SAMPLED, Experiment

FEW = 5
"""So many images, those of the largest gradients, are told apart from the others."""


def images_trial(setting: Flow, seeds: Sequence[int]) -> pd.DataFrame:
    """Paths' gradients by length, summed over images and with every image alike; one row per (seed, length).

    `path` and `exact` are those of `gradients.trial`. In `path_alike` and `exact_alike` what an image has is divided by
    its gradient at the last state first. `few` is the share of that gradient which the `FEW` largest images have.
    Before training the running statistics are those of the training images.
    """
    fitted = fit(setting, seeds)
    images = data.load("digits", flat=True)
    test, records = images.test, []
    for seed in seeds:
        net = fitted.net(seed)
        if not setting.epochs:  # no batch has been seen, and batch normalisation has no statistics
            net = statistics.reestimated(net, images.train.x)
        net = net.double()
        assert isinstance(net, Stack)
        tape = paths.linearise(net, test.x[: setting.images].double(), test.y[: setting.images])
        sizes = tape.start.flatten(1).norm(dim=1)
        few = (sizes.topk(FEW).values.sum() / sizes.sum()).item()
        sums = paths.gradients_by_length(tape).flatten(2).norm(dim=2)
        for length, count in enumerate(paths.counts(setting.blocks)):
            generator = runtime.stream(seed, "paths", length)
            flows = paths.path_gradients(tape, length, min(setting.paths, count), generator=generator)
            along = flows.flatten(2).norm(dim=2).mean(0)
            record = {"seed": seed, "length": length, "count": float(count), "few": few}
            record |= {"path": along.mean().item(), "exact": sums[length].mean().item()}
            record |= {"path_alike": (along / sizes).mean().item(), "exact_alike": (sums[length] / sizes).mean().item()}
            records.append(record)
    return pd.DataFrame(records)


TRAINED = tuple(flow for flow in FLOWS if flow.kind != "orthogonal")
SETTINGS = (*TRAINED, *(replace(flow, epochs=0) for flow in TRAINED))
IMAGES = Experiment.repeated("paths-images", images_trial, SETTINGS, SEEDS, SEEDS, data=("digits",), agrees=SAMPLED)


def lengths(rows: pd.DataFrame, *, alike: bool) -> Mapping[str, np.ndarray]:
    """The factor of a branch and both mean lengths over depth, one value per seed, from the rows of one network."""
    path, exact = ("path_alike", "exact_alike") if alike else ("path", "exact")
    found: dict[str, list[float]] = {"factor": [], "sampled": [], "exact": []}
    for _, part in rows.groupby("seed"):
        found["factor"].append(10 ** np.polyfit(part["length"], np.log10(part[path]), 1)[0])
        for name, weight in (("sampled", part[path] * part["count"]), ("exact", part[exact])):
            found[name].append(float((weight * part["length"]).sum() / weight.sum() / part["blocks"].iloc[0]))
    return {name: np.array(values) for name, values in found.items()}


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Factor and mean lengths by network, before and after training, images by their gradients and alike; means."""
    records = []
    for (kind, epochs), rows in table.groupby(["kind", "epochs"], sort=False):
        for alike in (False, True):
            means = {name: values.mean() for name, values in lengths(rows, alike=alike).items()}
            record = {"network": kind, "epochs": epochs, "images": "alike" if alike else "by gradient", **means}
            records.append(record | {"five largest": rows["few"].mean()})
    return pd.DataFrame(records)
