import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from resnet_lib import data, runtime
from resnet_lib.data import datasets, sources, store


def test_digits_are_those_of_scikit_learn_each_in_one_part(digits):
    parts = (digits.train, digits.validation, digits.test)
    assert [len(part) for part in parts] == [1000, 200, 597]
    values = torch.cat([part.x for part in parts]).reshape(-1, 64).double().numpy()
    # The normalisation is affine, so that its extremes are the pixel values 0 and 16.
    pixels = np.rint(16 * (values - values.min()) / np.ptp(values)).astype(int)
    found = np.column_stack([pixels, torch.cat([part.y for part in parts]).numpy()])
    features, target = (np.asarray(part) for part in load_digits(return_X_y=True))
    expected = np.column_stack([features.astype(int), target])
    assert digits.shape == (1, 8, 8)
    assert np.array_equal(found[np.lexsort(found.T)], expected[np.lexsort(expected.T)])


def test_each_part_of_the_digits_has_every_class_in_proportion(digits):
    shares = np.bincount(np.asarray(load_digits(return_X_y=True)[1])) / 1797
    for part in (digits.train, digits.validation, digits.test):
        assert np.abs(np.bincount(part.y.numpy()) - shares * len(part)).max() <= 1


def test_fetched_images_are_each_in_one_part_in_an_order_that_is_always_the_same(photographs):
    loaded = data.load("cifar10", folder=photographs)
    train, test = store.read("cifar10", photographs)
    parts = (loaded.train, loaded.validation, loaded.test)
    assert [len(part) for part in parts] == [7, 5, 4]
    assert torch.equal(loaded.test.y, torch.from_numpy(test.y))
    # Normalised by hand: each channel with the mean and the deviation of the training part.
    order = runtime.rng(0, "data", "cifar10", "split").permutation(12)
    pixels = train.x[order].astype(float)
    mean, deviation = (f(pixels[:7], axis=(0, 2, 3), keepdims=True) for f in (np.mean, np.std))
    expected = (pixels - mean) / deviation
    assert torch.equal(torch.cat([loaded.train.y, loaded.validation.y]), torch.from_numpy(train.y[order]))
    found = torch.cat([loaded.train.x, loaded.validation.x]).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(loaded.test.x.numpy(), (test.x - mean) / deviation, rtol=1e-6, atol=1e-6)
    assert not np.array_equal(order, np.arange(12))


def test_checksum_is_pinned():
    # Values, labels and split: where this changes, every stored result was made from other data.
    assert datasets.checksum("digits") == "6bdf28f1e7ce6cc059f27f603f75c31c937ec6cccc2e4d00fded7b135cb1a949"
    assert data.load("digits").checksum == datasets.checksum("digits")
    assert data.load("spirals").checksum == datasets.checksum("spirals")


def test_spirals_need_a_curved_boundary():
    spirals = data.load("spirals")
    (x, y), (x_test, y_test) = ((part.x.numpy(), part.y.numpy()) for part in (spirals.train, spirals.test))
    assert LogisticRegression().fit(x, y).score(x_test, y_test) < 0.7
    assert KNeighborsClassifier(5).fit(x, y).score(x_test, y_test) > 0.95


def test_parts_of_the_spirals_are_independent_draws():
    spirals = data.load("spirals")
    assert [len(part) for part in (spirals.train, spirals.validation, spirals.test)] == [1000, 200, 600]
    assert not torch.isin(spirals.test.x[:, 0], spirals.train.x[:, 0]).any()


def test_loading_leaves_the_global_generators_alone():
    before, global_numbers = torch.get_rng_state(), np.random.mtrand._rand  # pyright: ignore[reportAttributeAccessIssue]
    numpy_before = global_numbers.get_state(legacy=False)["state"]["key"].copy()
    sources._digits.__wrapped__(0)
    sources._spirals.__wrapped__(0)
    data.load("spirals")
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(global_numbers.get_state(legacy=False)["state"]["key"], numpy_before)


@pytest.mark.parametrize("call", [data.load, datasets.checksum])
def test_unknown_dataset_names_the_closest(call):
    with pytest.raises(
        ValueError, match=r"name='digit' is no known dataset; known: digits, spirals, cifar10, .*; closest: 'digits'"
    ):
        call("digit")


def rows(loaded):
    """The examples of each part, as sets that can be compared."""
    return [{tuple(x) for x in part.x.flatten(1).tolist()} for part in (loaded.train, loaded.validation, loaded.test)]


def test_another_division_has_other_images_in_parts_of_the_same_sizes(digits):
    with data.divided_anew(1):
        other = data.load("digits")
    assert [len(other.train), len(other.validation), len(other.test)] == list(sources.DIGITS_SIZES)
    assert other.checksum != digits.checksum
    raw, anew = sources._digits(0), sources._digits(1)
    assert np.array_equal(np.sort(np.concatenate(anew.rows)), np.arange(1797))
    shared = np.intersect1d(raw.rows[2], anew.rows[2])
    assert abs(len(shared) / 597 - 597 / 1797) < 0.06  # two samples of a third of the images share a third of it
    shares = np.bincount(raw.y) / 1797
    assert all(np.abs(np.bincount(raw.y[part]) - shares * len(part)).max() <= 1 for part in anew.rows)


def test_the_usual_division_is_the_one_with_number_0_and_comes_back_however_it_ends(digits):
    with data.divided_anew(0):
        assert data.load("digits").checksum == datasets.checksum("digits") == digits.checksum

    def within() -> None:
        with data.divided_anew(2):
            assert datasets.checksum("digits") != digits.checksum
            with data.divided_anew(0):
                assert datasets.checksum("digits") == digits.checksum
            raise KeyError

    with pytest.raises(KeyError):
        within()
    assert datasets.checksum("digits") == digits.checksum


def test_points_of_other_divisions_are_other_draws():
    with data.divided_anew(3):
        other = rows(data.load("spirals"))
    assert all(mine.isdisjoint(theirs) for mine, theirs in zip(rows(data.load("spirals")), other, strict=True))


def test_another_division_of_what_is_fetched_keeps_the_official_test_images(photographs):
    with data.divided_anew(1):
        other = sources.raw("cifar10", photographs)[0]
    usual = sources.raw("cifar10", photographs)[0]
    assert np.array_equal(other.rows[2], usual.rows[2])
    assert not np.array_equal(np.sort(other.rows[1]), np.sort(usual.rows[1]))
    mine, theirs = (np.sort(np.concatenate(part.rows[:2])) for part in (usual, other))
    assert np.array_equal(mine, theirs)


def test_a_division_is_counted_from_zero():
    with pytest.raises(ValueError, match="number=-1 is negative; divisions are counted from 0, the usual one"):
        data.divided_anew(-1).__enter__()
    with pytest.raises(TypeError, match="number"):
        data.divided_anew(0.5).__enter__()  # pyright: ignore[reportArgumentType]
