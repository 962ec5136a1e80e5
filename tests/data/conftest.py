"""Datasets that several test files of this room read."""

import pytest

from resnet_lib import data
from resnet_lib.data import sources, store
from resnet_lib.data.official import DISTRIBUTIONS
from tests import distributions as distributed


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture
def photographs(tmp_path, monkeypatch):
    """A folder with a tiny dataset of CIFAR's format in the place of CIFAR-10."""
    distribution, contents = distributed.cifar()
    monkeypatch.setitem(DISTRIBUTIONS, "cifar10", distribution)
    store.fetch("cifar10", tmp_path, source=distributed.written(tmp_path / "copy", contents))
    sources._read.cache_clear()
    return tmp_path
