"""Few digits, which the tests of this room share."""

import pytest

from resnet_lib import data


@pytest.fixture(scope="module")
def digits():
    return data.load("digits", flat=True).subset(200)


@pytest.fixture(scope="module")
def images():
    return data.load("digits").subset(120)
