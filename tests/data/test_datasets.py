import os
import subprocess
import sys

import torch
from events import PATIENCE

from resnet_lib import data
from resnet_lib.data import datasets, store
from resnet_lib.data.official import DISTRIBUTIONS
from tests import distributions as distributed


def test_digits_are_normalised_by_the_training_images_alone(digits):
    assert digits.train.x.dtype == torch.float32
    assert digits.train.x.mean().abs() < 1e-6
    assert (digits.train.x.std(correction=0) - 1).abs() < 1e-6
    assert digits.test.x.mean().abs() > 1e-4


def test_flat_digits_are_the_same_rows(digits):
    flat = data.load("digits", flat=True)
    assert flat.shape == (64,)
    assert torch.equal(flat.test.x, digits.test.x.flatten(1))
    assert torch.equal(flat.test.y, digits.test.y)


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
