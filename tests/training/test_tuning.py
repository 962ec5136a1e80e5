"""The rule that chooses learning rates, on tables made by hand."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from resnet_lib import data, nets, training
from resnet_lib.training import tuning

RATES = (0.1, 0.2, 0.4, 0.8)


def table(accuracies: dict[float, list[float]], **variant: str | int) -> pd.DataFrame:
    """By rate the validation accuracies of the seeds 100, 101, ..."""
    rows = [(rate, 100 + i, x) for rate, found in accuracies.items() for i, x in enumerate(found)]
    return pd.DataFrame(rows, columns=["rate", "seed", "validation_accuracy"]).assign(**variant)


def choice(accuracies: dict[float, list[float]]) -> tuning.Choice:
    (found,) = tuning.choose(table(accuracies, net="A"), ["net"]).values()
    return found


def test_the_best_mean_is_chosen_where_nothing_comes_near():
    found = choice({0.1: [0.5, 0.5], 0.2: [0.9, 0.7], 0.4: [0.6, 0.6]})
    assert found == tuning.Choice(0.2, 0.8, (0.2,), (0.1, 0.2, 0.4), 2)
    assert found.edge == ""
    assert found.refined


def test_one_image_breaks_no_tie():
    """Three rates within an error of each other: the middle one, though another has the best mean."""
    near = {0.1: [0.90, 0.94, 0.92], 0.2: [0.93, 0.91, 0.92], 0.4: [0.92, 0.93, 0.9201]}
    found = choice(near | {0.8: [0.5, 0.5, 0.5]})
    assert found.ties == (0.1, 0.2, 0.4)
    assert found.rate == 0.2
    assert found.score == pytest.approx(0.92)


def test_what_is_always_behind_is_no_tie_however_the_seeds_differ():
    """Seeds differ by tenths, the rates by hundredths: pairs tell them apart."""
    seeds, more = np.array([0.5, 0.7, 0.9]), np.array([0.02, 0.021, 0.019])
    assert choice({0.1: seeds.tolist(), 0.2: (seeds + more).tolist()}).ties == (0.2,)


def test_of_two_that_tie_the_smaller_is_taken():
    assert choice({0.1: [0.9, 0.8], 0.2: [0.8, 0.9]}).rate == 0.1


def test_one_seed_has_no_error_and_is_told():
    found = choice({0.1: [0.8], 0.2: [0.9], 0.4: [0.7]})
    assert (found.rate, found.ties, found.seeds) == (0.2, (0.2,), 1)
    assert list(tuning.complaints({"A": found})) == ["A was tuned with 1 seeds; it takes at least 5"]


def test_diverged_trainings_count_nothing():
    digits = data.load("digits", flat=True)
    recipe = training.Recipe(epochs=1, batch=100, lr=1e12)
    fitted = training.fit(lambda generator: nets.mlp(1, 8, generator=generator), digits, recipe, (3, 4))
    assert all(fitted.diverged)
    assert tuning.scores(fitted, 1).to_dict("list") == {"seed": [3, 4], "validation_accuracy": [0, 0]}


def peak(best: float, sharp: float = 0.2) -> Callable[[float], training.Fit]:
    """Trains nothing: accuracies fall with the distance from the best rate, in decades, and differ by seed alone."""

    def train(rate: float) -> training.Fit:
        if rate > 100 * best:
            history = pd.DataFrame({"seed": [100, 101], "epoch": [2, 2], "validation_accuracy": [np.nan, np.nan]})
        else:
            score = 0.9 - sharp * min(abs(np.log10(rate / best)), 4)
            rows = [(seed, epoch, score - seed / 1e4 - (epoch == 1)) for epoch in (1, 2) for seed in (100, 101)]
            history = pd.DataFrame(rows, columns=["seed", "epoch", "validation_accuracy"])
        return training.Fit((100, 101), history, {}, (rate > 100 * best,) * 2, nn.Identity())

    return train


@pytest.mark.parametrize("best", [1e-4, 0.003, 0.1, 0.2, 30.0])
def test_a_search_ends_around_the_best_wherever_it_starts(best: float):
    found = tuning.search(peak(best), start=0.1, number=15)
    assert list(found.columns) == ["seed", "validation_accuracy", "rate"]
    rates = found["rate"].unique()
    assert rates[:3].tolist() == [0.032, 0.1, 0.32]
    assert len(rates) == 15
    (chosen,) = tuning.choose(found.assign(net="A"), ["net"]).values()
    assert abs(np.log10(chosen.rate / best)) < np.log10(2)
    assert chosen.edge == ""
    assert chosen.refined
    assert found["validation_accuracy"].max() > 0.8  # of the last epoch


def test_a_search_goes_beyond_its_edge_in_growing_steps():
    rates = tuning.search(peak(1e-12), start=0.01, number=7)["rate"].unique()
    assert rates.tolist() == [0.0032, 0.01, 0.032, 0.001, 1e-4, 1e-6, 1e-10]


def test_a_search_goes_on_until_what_ties_ends_inside():
    """All rates up to 1 do as well as the best; then it falls."""

    def train(rate: float) -> training.Fit:
        score = 0.9 if 0.05 < rate <= 1 else 0.5
        rows = [(seed, 1, score) for seed in (100, 101)]
        history = pd.DataFrame(rows, columns=["seed", "epoch", "validation_accuracy"])
        return training.Fit((100, 101), history, {}, (False, False), nn.Identity())

    found = tuning.search(train, start=0.1, number=6)
    assert found["rate"].unique().tolist()[:5] == [0.032, 0.1, 0.32, 1.0, 10.0]
    (chosen,) = tuning.choose(found.assign(net="A"), ["net"]).values()
    assert (chosen.ties[0], chosen.ties[-1], chosen.open_end) == (0.1, 1.0, "")


def test_a_search_spends_all_its_rates_where_all_are_as_good():
    rates = tuning.search(peak(1.0, sharp=0.0), start=1.0, number=20)["rate"]
    assert rates.nunique() == 20


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"start": 0.0}, r"start=0.0 must be a learning rate above 0"),
        ({"start": float("nan")}, r"start=nan must be"),
        ({"start": 0.1, "number": 2}, r"number=2 is too few rates"),
    ],
)
def test_a_search_refuses_what_it_cannot_do(options, said):
    with pytest.raises(ValueError, match=said):
        tuning.search(peak(1.0), **options)


@pytest.mark.parametrize(
    ("best", "edge", "further"),
    [(0.1, "lowest", 0.032), (0.8, "highest", 2.5)],
)
def test_an_edge_asks_for_a_rate_beyond(best: float, edge: str, further: float):
    found = choice({rate: [0.9 if rate == best else 0.5] * 5 for rate in RATES})
    assert (found.edge, found.further) == (edge, further)
    assert list(tuning.complaints({"A": found})) == [
        f"the best rate of A, {best}, is the {edge} of its grid; try {further}"
    ]
    assert list(tuning.complaints({"A": found}, {"A": "says the chapter"})) == []


@pytest.mark.parametrize(("rates", "further"), [((0.1, 1.0, 2.0), 0.32), ((0.5, 1.0, 9.0), 3.0)])
def test_a_far_neighbour_asks_for_a_rate_between(rates: tuple[float, ...], further: float):
    found = choice({rate: [0.9 if rate == 1.0 else 0.5] * 5 for rate in rates})
    assert not found.refined
    assert list(tuning.complaints({"A": found})) == [
        f"the best rate of A, 1, has a neighbour that is far off; try {further:g}"
    ]


def test_every_variant_gets_as_many_rates_and_enough_seeds():
    good = {rate: [0.9 if rate == 0.2 else 0.5] * 5 for rate in RATES}
    few = {rate: good[rate] for rate in RATES[:3]}
    both = pd.concat([table(good, net="A", depth=1), table(few, net="B", depth=1)])
    choices = tuning.choose(both, ["net", "depth"])
    assert list(choices) == [("A", 1), ("B", 1)]
    (said,) = tuning.complaints(choices)
    assert said.startswith("('B', 1) was tried at 3 rates and another at 4; try ")
    (said,) = tuning.complaints(tuning.choose(table({rate: good[rate][:4] for rate in RATES}, net="A"), ["net"]))
    assert said == "A was tuned with 4 seeds; it takes at least 5"


@pytest.mark.parametrize("wrong", [lambda rows: rows.iloc[1:], lambda rows: pd.concat([rows, rows.iloc[:1]])])
def test_uneven_tables_are_refused(wrong):
    rows = table({0.1: [0.5, 0.6], 0.2: [0.7, 0.8]}, net="A")
    with pytest.raises(ValueError, match=r"the tuning of \{'net': 'A'\} is uneven: every rate needs a score for each"):
        tuning.choose(wrong(rows), ["net"])


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=6))
def test_the_choice_ties_with_the_best_and_the_rest_is_told(found: list[list[float]]):
    rates = [0.1 * 2**i for i in range(len(found))]
    chosen = choice(dict(zip(rates, found, strict=True)))
    means = np.mean(found, axis=1)
    enough = tuning.LOST * means.max()
    safe = [rate for rate, part in zip(rates, found, strict=True) if min(part) > 0 and min(part) >= enough] or rates
    assert max(safe, key=lambda rate: means[rates.index(rate)]) in chosen.ties
    assert chosen.rate in chosen.ties
    assert chosen.score <= means.max()
    assert chosen.rates == tuple(rates)
    assert chosen.further not in chosen.rates


def test_the_table_for_a_page():
    shown = tuning.table_of({"A": tuning.Choice(0.2, 0.91234, (0.1, 0.2), RATES, 5)})
    assert shown.to_dict("list") == {
        "variant": ["A"],
        "learning rate": [0.2],
        "validation accuracy, %": [91.23],
        "as good within an error": ["0.1, 0.2"],
        "rates tried": [4],
    }


def test_a_rate_near_one_that_diverges_is_not_chosen():
    """The best but one is 0.2: at 0.32, within a half of 0.25 above, one training of three diverged."""
    good = {0.1: [0.7, 0.7, 0.7], 0.2: [0.8, 0.8, 0.8], 0.25: [0.9, 0.9, 0.9], 0.32: [0.95, 0.0, 0.95]}
    found = choice(good)
    assert (found.rate, found.ties, found.rates) == (0.2, (0.2,), (0.1, 0.2, 0.25, 0.32))
    assert choice(good | {0.32: [0.85, 0.85, 0.85]}).rate == 0.25
    assert choice(good | {0.32: [0.85, 0.85, 0.85], 0.4: [0.0, 0.0, 0.0]}).rate == 0.25  # 0.4 is farther than that
    assert choice({0.1: [0.0, 0.9], 0.2: [0.0, 0.0]}).rate == 0.1  # all are near one


def test_a_rate_at_which_a_seed_collapsed_does_not_tie_with_the_best():
    """Four of five seeds do well at 0.4 and one guesses: its mean is uncertain by so much that it would be a tie."""
    scores_ = {0.1: [0.85] * 5, 0.2: [0.91, 0.9, 0.9, 0.9, 0.91], 0.4: [0.93, 0.93, 0.93, 0.93, 0.3]}
    rows = [(rate, seed, score) for rate, found in scores_.items() for seed, score in enumerate(found)]
    table = pd.DataFrame(rows, columns=["rate", "seed", "validation_accuracy"]).assign(net="A")
    (choice,) = tuning.choose(table, ["net"]).values()
    assert choice.rate == 0.2
    assert choice.ties == (0.2,)
    assert choice.rates == (0.1, 0.2, 0.4)
    mild = table.replace({"validation_accuracy": {0.3: 0.8}})  # a bad seed, which has learned something
    assert 0.4 in tuning.choose(mild, ["net"])["A"].ties


def test_the_grids_of_a_tuning_have_its_seeds_and_settings():
    settings = [tuning.Choice(rate, 0.9, (rate,), (rate,), 5) for rate in RATES]  # any frozen dataclass will do
    quick, full = tuning.grids(settings[:1], settings, group=2)
    assert (quick.settings, full.settings) == (tuple(settings[:1]), tuple(settings))
    assert quick.seeds == full.seeds == (100, 101, 102, 103, 104)
    assert quick.groups == full.groups == ((100, 101), (102, 103), (104,))
    assert tuning.grids(settings, settings)[1].groups == ((100, 101, 102, 103, 104),)
