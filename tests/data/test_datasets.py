import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from events import PATIENCE
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from resnet_lib import data, runtime
from resnet_lib.data import Dataset, Split, datasets, store
from resnet_lib.data.official import DISTRIBUTIONS
from tests import distributions as distributed


def split(n=4, classes=2):
    return Split(torch.arange(2.0 * n).reshape(n, 2), torch.arange(n) % classes)


def dataset(**changes):
    parts = {"train": split(), "validation": split(), "test": split(), "classes": 2, "checksum": "0"}
    return Dataset(**{"name": "toy", **parts, **changes})


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


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


def test_digits_are_normalised_by_the_training_images_alone(digits):
    assert digits.train.x.dtype == torch.float32
    assert digits.train.x.mean().abs() < 1e-6
    assert (digits.train.x.std(correction=0) - 1).abs() < 1e-6
    assert digits.test.x.mean().abs() > 1e-4


def test_each_part_of_the_digits_has_every_class_in_proportion(digits):
    shares = np.bincount(np.asarray(load_digits(return_X_y=True)[1])) / 1797
    for part in (digits.train, digits.validation, digits.test):
        assert np.abs(np.bincount(part.y.numpy()) - shares * len(part)).max() <= 1


def test_flat_digits_are_the_same_rows(digits):
    flat = data.load("digits", flat=True)
    assert flat.shape == (64,)
    assert torch.equal(flat.test.x, digits.test.x.flatten(1))
    assert torch.equal(flat.test.y, digits.test.y)


@pytest.fixture
def photographs(tmp_path, monkeypatch):
    """A folder with a tiny dataset of CIFAR's format in the place of CIFAR-10."""
    distribution, contents = distributed.cifar()
    monkeypatch.setitem(DISTRIBUTIONS, "cifar10", distribution)
    store.fetch("cifar10", tmp_path, source=distributed.written(tmp_path / "copy", contents))
    datasets._read.cache_clear()
    return tmp_path


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


def test_constants_are_those_of_the_training_part_alone(photographs):
    loaded = data.load("cifar10", folder=photographs)
    x = loaded.train.x.double()
    assert x.mean(dim=(0, 2, 3)).abs().max() < 1e-6
    assert (x.std(dim=(0, 2, 3), correction=0) - 1).abs().max() < 1e-6
    assert loaded.validation.x.mean(dim=(0, 2, 3)).abs().min() > 1e-4


def test_a_changed_pixel_changes_the_checksum_of_what_was_fetched(photographs):
    before = datasets.checksum("cifar10", folder=photographs)
    assert data.load("cifar10", folder=photographs, flat=True).checksum == before
    contents = {file.name: (photographs / "copy" / file.name).read_bytes() for file in DISTRIBUTIONS["cifar10"].files}
    last = bytearray(contents["test_batch.bin"])
    last[-1] ^= 1
    distributed.written(photographs / "copy", {"test_batch.bin": bytes(last)})
    store.fetch("cifar10", photographs, source=photographs / "copy", accept_variant=True)
    assert datasets.checksum("cifar10", folder=photographs) != before
    assert datasets.provenance("cifar10", folder=photographs).keys() == {"cifar10", "cifar10 (files)"}
    assert datasets.provenance("digits") == {"digits": datasets.checksum("digits")}


def test_importing_the_package_needs_no_network_and_no_folder(tmp_path):
    code = (
        "import socket, sys; socket.socket.connect = None; from resnet_lib import data; "
        "from resnet_lib.data import downloads, store; "
        "assert 'requests' not in sys.modules; data.load('digits')"
    )
    environment = os.environ | {"XDG_DATA_HOME": str(tmp_path / "none"), "HOME": str(tmp_path / "none")}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=PATIENCE)
    assert not (tmp_path / "none").exists()


def test_checksum_is_pinned():
    # Values, labels and split: where this changes, every stored result was made from other data.
    assert datasets.checksum("digits") == "6bdf28f1e7ce6cc059f27f603f75c31c937ec6cccc2e4d00fded7b135cb1a949"
    assert data.load("digits").checksum == datasets.checksum("digits")
    assert data.load("spirals").checksum == datasets.checksum("spirals")


def test_spirals_lie_on_their_curve():
    points = datasets.two_spirals(500, seed=3, turns=1.5, noise=0.0)
    x = points.x.double()
    radius = x.norm(dim=1)
    arm = torch.where(points.y == 0, 1.0, -1.0)  # arm 1 is arm 0 turned by half a turn
    curve = radius[:, None] * torch.stack([(3 * np.pi * radius).cos(), (3 * np.pi * radius).sin()], dim=1)
    assert (x - arm[:, None] * curve).abs().max() < 1e-6
    assert points.y.bincount().tolist() == [250, 250]
    # The squared radius is uniform on (0, 1): mean 1/2, standard error 1/sqrt(12 * 500).
    assert abs((radius**2).mean() - 0.5) < 4 / np.sqrt(6000)


def test_spirals_have_the_noise_that_was_asked_for():
    clean, noisy = (datasets.two_spirals(2000, seed=1, noise=noise).x for noise in (0.0, 0.05))
    assert abs((noisy - clean).std() / 0.05 - 1) < 4 / np.sqrt(2 * 4000)


def test_spirals_need_a_curved_boundary():
    spirals = data.load("spirals")
    (x, y), (x_test, y_test) = ((part.x.numpy(), part.y.numpy()) for part in (spirals.train, spirals.test))
    assert LogisticRegression().fit(x, y).score(x_test, y_test) < 0.7
    assert KNeighborsClassifier(5).fit(x, y).score(x_test, y_test) > 0.95


def test_parts_of_the_spirals_are_independent_draws():
    spirals = data.load("spirals")
    assert [len(part) for part in (spirals.train, spirals.validation, spirals.test)] == [1000, 200, 600]
    assert not torch.isin(spirals.test.x[:, 0], spirals.train.x[:, 0]).any()


def test_subset_keeps_the_first_training_examples_and_the_other_parts(digits):
    small = digits.subset(100)
    assert torch.equal(small.train.x, digits.train.x[:100])
    assert small.test is digits.test
    assert small.checksum not in (digits.checksum, digits.subset(101).checksum)
    with pytest.raises(ValueError, match=r"n=1001 is out of range; 'digits' has 1 to 1000 training examples"):
        digits.subset(1001)


def test_moving_moves_every_part(digits, monkeypatch):
    moved = []
    monkeypatch.setattr(Split, "to", lambda self, device: moved.append((len(self), device)) or self)
    assert digits.to("cuda").checksum == digits.checksum
    assert moved == [(1000, "cuda"), (200, "cuda"), (597, "cuda")]
    monkeypatch.undo()
    assert digits.train.to("cpu").x is digits.train.x


def test_loading_leaves_the_global_generators_alone():
    before, global_numbers = torch.get_rng_state(), np.random.mtrand._rand  # pyright: ignore[reportAttributeAccessIssue]
    numpy_before = global_numbers.get_state(legacy=False)["state"]["key"].copy()
    datasets._digits.__wrapped__()
    datasets._spirals.__wrapped__()
    data.load("spirals")
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(global_numbers.get_state(legacy=False)["state"]["key"], numpy_before)


@pytest.mark.parametrize("call", [data.load, datasets.checksum])
def test_unknown_dataset_names_the_closest(call):
    with pytest.raises(
        ValueError, match=r"name='digit' is no known dataset; known: digits, spirals, cifar10, .*; closest: 'digits'"
    ):
        call("digit")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_split_refuses_values_that_are_not_finite(value):
    x = torch.zeros(5, 1, 2, 2)
    x[3, 0, 1, 0] = value
    with pytest.raises(ValueError, match=r"x holds NaN or infinite values in 1 of 5 examples, the first at index 3"):
        Split(x, torch.zeros(5, dtype=torch.int64))


@pytest.mark.parametrize(
    ("x", "y", "error", "text"),
    [
        (torch.zeros(3, 2), torch.zeros(4, dtype=torch.int64), ValueError, r"x has shape \(3, 2\) and y \(4,\)"),
        (torch.zeros(3), torch.zeros(3, dtype=torch.int64), ValueError, r"expected \(n, \.\.\.\) and \(n,\)"),
        (torch.zeros(3, 2), torch.zeros(3, 1, dtype=torch.int64), ValueError, r"one label for each example"),
        (torch.zeros(3, 2), torch.tensor([0, -1, 1]), ValueError, r"y holds the label -1; labels are counted from 0"),
        (torch.zeros(3, 2), torch.zeros(3), TypeError, r"y has dtype torch.float32; .* use y.long\(\)"),
        (torch.zeros(3, 2, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64), TypeError, r"use x.float\(\)"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_a_split_refuses_what_does_not_fit(x, y, error, text):
    with pytest.raises(error, match=text):
        Split(x, y)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"test": split(classes=3)}, r"test of dataset 'toy' holds the label 2; classes=2 allows 0 to 1"),
        ({"validation": Split(torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64))}, r"validation of .* is empty"),
        (
            {"test": Split(torch.zeros(1, 3), torch.zeros(1, dtype=torch.int64))},
            r"examples of shape \(3,\), train has \(2,\)",
        ),
    ],
)
def test_a_dataset_refuses_parts_that_contradict_each_other(changes, text):
    assert dataset().shape == (2,)
    with pytest.raises(ValueError, match=text):
        dataset(**changes)


@pytest.mark.parametrize(("x", "y", "name"), [(np.ones((2, 3)), torch.arange(2), "x"), (torch.ones(2, 3), [0, 1], "y")])
def test_a_split_holds_tensors(unchecked, x, y, name):
    with pytest.raises(TypeError, match=rf"{name} is a (ndarray|list); a split holds tensors: use torch.as_tensor"):
        Split(x, y)


@pytest.mark.parametrize("n", [np.int64(5), torch.tensor(5)])
def test_a_subset_takes_whole_numbers_of_every_kind(n):
    assert len(data.load("spirals").subset(n).train) == 5
    with pytest.raises(TypeError, match="n holds True, a truth value"):
        data.load("spirals").subset(True)
