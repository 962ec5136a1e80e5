"""What is measured of trained networks is what their blocks do, and the measures are those of a table by hand."""

import numpy as np
import pandas as pd
import pytest
import torch

from resnet_lib import data, runtime
from resnet_lib.evidence import claims
from resnet_lib.experiments.keeping_inputs_distinct import folds, trained


def test_a_rotation_is_a_copy_and_a_probe_learns_the_label_alone():
    digits = data.load("digits", flat=True)
    first = tuple(part.x.double() for part in (digits.train, digits.validation, digits.test))
    turn = torch.linalg.qr(torch.randn(64, 64, generator=runtime.stream(0, "turn"), dtype=torch.float64)).Q
    assert trained.copied(tuple(x @ turn for x in first), first) > 1 - 1e-5
    assert trained.copied(tuple(x[:, :32] for x in first), first) < 0.9
    labels = digits.train.y, digits.validation.y, digits.test.y
    assert trained.probed(first, tuple([y] for y in labels)) > 0.9
    shuffled = tuple(y[torch.randperm(len(y), generator=runtime.stream(0, "order"))] for y in labels)
    assert trained.probed(first, tuple([y] for y in shuffled)) < 0.2
    both = tuple([y, z] for y, z in zip(labels, shuffled, strict=True))
    assert 0.45 < trained.probed(first, both) < 0.6


def test_the_trial_has_a_row_a_state_and_a_pixel():
    table = trained.trial(trained.Trained("residual", 2, 0.01, epochs=1), (0, 1))
    rows = table[table["part"] == 0]
    assert len(rows) == 2 * 2 * 3
    assert rows.loc[rows["state"] == 0, "copied"].min() > 1 - 1e-5
    assert rows["turned"].dropna().min() > 1 - 1e-6
    blocks = rows[(rows["epoch"] == 1) & (rows["state"] < 2)]
    assert blocks[[*folds.COLUMNS]].notna().all().all()
    assert rows.loc[(rows["epoch"] == 0) & (rows["state"] < 2), ["pairs", "merged"]].notna().all().all()
    assert rows.loc[rows["state"] == 2, [*folds.COLUMNS]].isna().all().all()
    assert rows.loc[rows["epoch"] == 0, ["searched", "guarded", "planted", "moved"]].isna().all().all()
    shown = table[table["part"] == 1]
    assert (len(shown), shown["seed"].unique().tolist()) == (2 * 64 * trained.PICTURES, [0, 1])
    shown = shown[shown["seed"] == 0]
    pixels = shown.sort_values(["image", "pixel"])["value"].to_numpy().reshape(trained.PICTURES, 64)
    np.testing.assert_allclose(pixels, data.load("digits", flat=True).test.x[: trained.PICTURES], rtol=1e-6)
    plain = trained.trial(trained.Trained("plain", 2, 0.01, epochs=1), (0,))
    assert set(plain) == set(table)
    assert plain["pairs"].isna().all()


def test_a_training_that_diverged_is_measured_as_no_number():
    table = trained.trial(trained.Trained("residual", 2, 50.0, epochs=1), (0, 1))
    rows = table[table["part"] == 0]
    assert rows.loc[rows["epoch"] == 1, ["copied", "probe", *folds.COLUMNS]].isna().all().all()
    assert rows.loc[rows["epoch"] == 0, ["copied", "probe"]].notna().all().all()
    assert len(table) == 2 * 2 * 3 + 2 * 64 * trained.PICTURES
    for measure in (trained.always, trained.planted, trained.images):
        with pytest.raises(claims.NotFiniteError):
            measure(table.assign(variant="residual"))
    assert (trained.at_start(table.assign(variant="residual")).values > 0).all()


def test_of_what_differs_within_a_class_the_label_tells_nothing_and_a_rotation_everything():
    digits = data.load("digits", flat=True)
    parts = digits.train, digits.validation, digits.test
    first, labels = tuple(part.x.double() for part in parts), tuple(part.y for part in parts)
    turn = torch.linalg.qr(torch.randn(64, 64, generator=runtime.stream(0, "turn"), dtype=torch.float64)).Q
    assert trained.within(tuple(x @ turn for x in first), first, labels) > 1 - 1e-5
    hot = tuple(torch.nn.functional.one_hot(y, 10).double() for y in labels)
    assert abs(trained.within(hot, first, labels)) < 0.02
    assert trained.copied(hot, first) > 0.3
    half = tuple(x[:, :32] for x in first)
    assert trained.within(half, first, labels) < trained.copied(half, first)


def by_hand() -> pd.DataFrame:
    """Two seeds, two blocks; before training everything is 9, and pictures are 7."""
    rows = []
    for seed in (0, 1):
        for state in (0, 1, 2):
            block = {
                "searched": 0.1 + state / 100,
                "guarded": 0.6 + state / 10,
                "planted": 0.01 + state / 5,
                "pairs": 0.9 - state / 10,
                "merged": 0.0,
            }
            share = {
                "copied": 1 - state / 10,
                "turned": 1.0,
                "within": 0.9 - state / 10,
                "labelled": 0.0,
                "probe": 0.9 + state / 100,
                "permuted": 0.1,
            }
            where = {"variant": "residual", "seed": seed, "state": state, "part": 0}
            inside = block if state < 2 else dict.fromkeys(block, np.nan)
            rows.append(where | {"epoch": 4} | share | inside)
            start = dict.fromkeys(block, np.nan) | {"pairs": 0.95 - state / 20, "merged": 0.0}
            rows.append(where | {"epoch": 0} | dict.fromkeys(share, 9.0) | start)
            rows.append(where | {"variant": "plain", "epoch": 4} | share | {"copied": 1 - state / 4, "within": 0.1})
            rows.append(where | {"variant": "plain", "epoch": 0} | dict.fromkeys(share, 8.0))
        rows.append({"variant": "residual", "seed": seed, "epoch": 4, "part": 1, "state": np.nan, "copied": 7.0})
    rows.append({"variant": "known", "seed": 0, "part": trained.KNOWN, "little": 0.6, "much": 0.9})
    return pd.DataFrame(rows)


def test_the_measures_are_those_of_a_table_by_hand():
    table = by_hand()
    found = trained.always(table)
    assert found.values.tolist() == pytest.approx([0.1, 0.1])
    assert found.control.tolist() == pytest.approx([0.6, 0.6])
    found = trained.images(table)
    assert found.values.tolist() == pytest.approx([0.8, 0.8])
    assert found.control.tolist() == [0.0, 0.0]
    found = trained.at_start(table)
    assert found.values.tolist() == pytest.approx([0.85, 0.85])
    assert found.control.tolist() == [0.0, 0.0]
    found = trained.planted(table)
    assert found.values.tolist() == [0.5, 0.5]
    assert found.control.tolist() == [0.0, 0.0]
    found = trained.inside(table)
    assert found.values.tolist() == pytest.approx([0.6, 0.6])
    assert found.control.tolist() == [0.0, 0.0]
    found = trained.linear_at_start(table)
    assert found.values.tolist() == [1.0, 1.0]
    assert found.control.tolist() == pytest.approx([-0.3])
    found = trained.clean(table)
    assert found.values.tolist() == pytest.approx([0.8, 0.8])
    assert found.control.tolist() == [1.0, 1.0]
    found = trained.linear(table)
    assert found.values.tolist() == pytest.approx([0.3, 0.3])
    assert found.control.tolist() == pytest.approx([-0.3])
    found = trained.probe(table)
    assert found.values.tolist() == pytest.approx([2.0, 2.0])
    assert found.control.tolist() == pytest.approx([0.0, 0.0])
    assert found.unit == "percentage points"


def test_a_readout_is_judged_on_images_that_it_has_not_seen():
    """Of 80 examples in 64 dimensions much noise is learned by heart, and explains nothing of others."""
    draw = runtime.stream(0, "noise")
    states = [torch.randn(n, 64, generator=draw, dtype=torch.float64) for n in (80, 40, 2000)]
    first = [x + torch.randn(x.shape, generator=draw, dtype=torch.float64) for x in states]
    found = trained.readouts.readout((states[0], first[0]), (states[1], first[1]))
    left, all_of_it = zip(
        *((y - x @ found.weight - found.offset, y - y.mean(0)) for x, y in zip(states, first, strict=True)), strict=True
    )
    shares = [
        1 - float(part.square().sum() / whole.square().sum()) for part, whole in zip(left, all_of_it, strict=True)
    ]
    assert shares[0] - shares[2] > 0.2
    assert trained.copied(states, first) == pytest.approx(shares[2], abs=1e-9)
