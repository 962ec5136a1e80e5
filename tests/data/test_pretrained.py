"""Published networks as this package's own, and the images that they read; with the real files, their real errors."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from resnet_lib import data
from resnet_lib.data import pretrained, releases, shelf, store
from resnet_lib.data.official import DISTRIBUTIONS, DataError
from resnet_lib.nets import Stack
from tests import distributions, published

REAL_IMAGES = os.environ.get("RESNET_LIB_TEST_DATA")  # a folder with cifar10
REAL_WEIGHTS = os.environ.get("RESNET_LIB_TEST_WEIGHTS")  # a folder with resnet20-12fca82f.th and the like
STATE = published.state()
CONTENT = published.saved(STATE)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a network of random weights and a tiny dataset in the place of CIFAR-10."""
    weights = published.weights(CONTENT)
    monkeypatch.setattr(releases, "WEIGHTS", {published.DEPTH: weights})
    distribution, contents = distributions.cifar()
    monkeypatch.setitem(DISTRIBUTIONS, "cifar10", distribution)
    store.fetch("cifar10", tmp_path, source=distributions.written(tmp_path / "copy", contents))
    shelf.fetch(weights.name, tmp_path, source=distributions.written(tmp_path / "weights", {weights.file: CONTENT}))
    return tmp_path


def test_a_published_network_is_a_stack_that_computes_what_was_published(place: Path):
    net = data.published(published.DEPTH, folder=place)
    assert isinstance(net, Stack)
    assert not net.training
    assert len(net.blocks) == 6
    split = data.images(folder=place)
    expected = published.logits(STATE, split.x)
    with torch.no_grad():
        assert (net(split.x) - expected).abs().max() < 1e-5 * expected.abs().max()
    right = int((expected.argmax(1) == split.y).sum())
    assert pretrained.mistakes(net, split) == len(split) - right


def test_images_are_scaled_by_the_constants_that_the_networks_were_trained_with(place: Path):
    for part, pixels in zip(("train", "test"), store.read("cifar10", place), strict=True):
        split = data.images(part, folder=place)
        expected = pixels.x / 255.0
        for channel, (mean, deviation) in enumerate(((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))):
            expected[:, channel] = (expected[:, channel] - mean) / deviation
        np.testing.assert_allclose(split.x.numpy(), expected, rtol=1e-6, atol=1e-6)
        assert split.y.tolist() == pixels.y.tolist()
        few = data.images(part, count=2, folder=place)
        assert torch.equal(few.x, split.x[:2])


def test_what_there_is_not_is_refused(place: Path):
    with pytest.raises(ValueError, match=r"part='validation' is unknown; published networks have train, test"):
        data.images("validation", folder=place)
    for count in (0, 5):
        with pytest.raises(ValueError, match=rf"count={count} must lie between 1 and 4, the images of part='test'"):
            data.images(count=count, folder=place)
    with pytest.raises(ValueError, match=r"depth=20 is no published network; known: 14; closest: 14"):
        data.published(20, folder=place)


def test_an_error_is_as_published_or_an_error(place: Path, monkeypatch: pytest.MonkeyPatch):
    split = data.images(folder=place)
    wrong = pretrained.mistakes(data.published(published.DEPTH, folder=place), split)
    weights = releases.of_depth(published.DEPTH)
    monkeypatch.setattr(releases, "WEIGHTS", {published.DEPTH: dataclasses.replace(weights, wrong=wrong)})
    told = pretrained.compared(published.DEPTH, folder=place)
    assert told == f"error {100 * wrong / 4:.2f}% on 4 test images, published {wrong / 100:.2f}%"
    monkeypatch.setattr(releases, "WEIGHTS", {published.DEPTH: dataclasses.replace(weights, wrong=wrong + 1)})
    with pytest.raises(DataError, match=rf"ResNet-{published.DEPTH} is not as published: error"):
        pretrained.compared(published.DEPTH, folder=place)
    # One test image of a copy is another one: then one may be labelled otherwise.
    _, contents = distributions.cifar()
    changed = bytearray(contents["test_batch.bin"])
    changed[-1] ^= 1
    source = distributions.written(place / "copy", contents | {"test_batch.bin": bytes(changed)})
    (source / store.LIST).write_text("file,record\ntest_batch.bin,3\n")
    store.fetch("cifar10", place, source=source, accept_variant=True)
    wrong = pretrained.mistakes(data.published(published.DEPTH, folder=place), data.images(folder=place))
    monkeypatch.setattr(releases, "WEIGHTS", {published.DEPTH: dataclasses.replace(weights, wrong=wrong + 1)})
    assert pretrained.compared(published.DEPTH, folder=place).endswith("; 1 of these images are not the official ones")


@pytest.mark.skipif(
    REAL_WEIGHTS is None or REAL_IMAGES is None,
    reason="RESNET_LIB_TEST_WEIGHTS and RESNET_LIB_TEST_DATA name no folders with the published files and CIFAR-10",
)
@pytest.mark.parametrize(("depth", "wrong"), [(20, 827), (32, 737), (44, 690), (56, 661)])
def test_the_real_networks(depth: int, wrong: int, tmp_path: Path):
    source = Path(REAL_WEIGHTS or "")
    shelf.fetch(f"published-{depth}", tmp_path, source=source)
    manifest = store.fetch("cifar10", tmp_path, source=Path(REAL_IMAGES or "", "cifar10"), accept_variant=True)
    net, split = data.published(depth, folder=tmp_path), data.images(folder=tmp_path)
    read = torch.load(source / releases.of_depth(depth).file, map_location="cpu", weights_only=True)["state_dict"]
    theirs = {name.removeprefix("module."): value for name, value in read.items()}
    with torch.no_grad():
        few = split.x[:32]
        expected = published.logits(theirs, few)
        assert (net(few) - expected).abs().max() < 1e-5 * expected.abs().max()
    # With the official images to the image. Of a copy in which 21 test images are JPEG, ResNet-44 labels one rightly.
    found = pretrained.mistakes(net, split)
    assert found == wrong if manifest.official or depth != 44 else found == 689
