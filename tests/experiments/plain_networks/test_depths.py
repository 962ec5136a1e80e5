"""The measures of deep trainings on known tables, and what the trial trains."""

import numpy as np
import pandas as pd

from resnet_lib import runtime
from resnet_lib.experiments.plain_networks import depths
from tests.experiments.verdicts import status


def trained(loss: dict[tuple[str, int], float], test: dict[tuple[str, int], float]) -> pd.DataFrame:
    """A table as `depth-digits` gives it, of these losses and accuracies in the last of two epochs."""
    rows = [
        {"variant": variant, "blocks": blocks, "epochs": 2, "epoch": epoch, "seed": seed, "loss": value / epoch * 2}
        | {"test": test.get((variant, blocks), 50.0) + seed % 2}
        for (variant, blocks), value in loss.items()
        for epoch in (1, 2)
        for seed in range(5)
    ]
    return pd.DataFrame(rows)


def test_measures_of_training_compare_the_last_epoch_seed_by_seed() -> None:
    guess = depths.GUESS
    loss = {("norm", 25): 0.1, ("norm", 50): 0.1, ("norm", 100): 0.1 * 2, ("bare", 50): guess}
    loss |= {("scaled", 25): 0.1, ("scaled", 50): 0.1, ("scaled", 100): 0.11, ("plain-norm", 50): 2.0}
    test = {("norm", 25): 95.0, ("norm", 50): 94.0, ("norm", 100): 96.0, ("bare", 50): 10.0}
    test |= {("scaled", 50): 92.0, ("plain-norm", 50): 11.0}
    table = trained(loss, test)
    np.testing.assert_allclose(depths.norm(table).values, 0.2 / guess)
    np.testing.assert_allclose(depths.norm(table).control, 1)
    np.testing.assert_allclose(depths.fits(table).values, 1)
    np.testing.assert_allclose(depths.gains(table).values, 1)
    np.testing.assert_allclose(depths.needed(table).values, 83)
    verdicts = {
        "resnet-1000.norm": (depths.norm, "holds"),
        "resnet-1000.bare": (depths.bare, "fails"),
        "resnet-1000.fit": (depths.fits, "fails"),
        "resnet-1000.fit-scaled": (depths.fits_scaled, "holds"),
        "resnet-1000.gains": (depths.gains, "holds"),
        "skip-alone.trains": (depths.alone, "fails"),
        "skip-alone.repaired": (depths.repaired, "holds"),
        "skip-alone.needed": (depths.needed, "holds"),
    }
    assert {id: status(id, measure(table)) for id, (measure, _) in verdicts.items()} == {
        id: expected for id, (_, expected) in verdicts.items()
    }


def test_a_run_that_is_lost_counts_as_guessing() -> None:
    names = ["train_loss", "train_accuracy", "validation_accuracy", "test_accuracy"]
    history = pd.DataFrame([[0, 1, np.nan, np.nan, np.nan, np.nan], [1, 1, 40.0, 0.2, 0.3, 0.4]])
    found = depths.summary(history.set_axis(["seed", "epoch", *names], axis=1))
    np.testing.assert_allclose(found["loss"], depths.GUESS)
    np.testing.assert_allclose(found[["train", "validation", "test"]], [[10, 10, 10], [20, 30, 40]])


def test_training_of_the_grid_repeats_and_learns() -> None:
    with runtime.numerics():
        setting = depths.Depth("norm", 2, 0.1, width=16, epochs=2)
        first, again = (depths.trial(setting, (0, 1)) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    assert (depths.last(first.assign(epochs=2))["test"] > 50).all()


def test_deepest_rates_are_those_of_the_deepest_tuned_network() -> None:
    assert depths.rate("norm", 500) == depths.BEST["norm", 100]
    assert depths.rate("norm", 30) == depths.BEST["norm", 25]
