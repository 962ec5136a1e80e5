"""The official distributions: how many, how large, how to know their files, and what their bytes mean."""

import pytest

from resnet_lib.data import official
from resnet_lib.data.official import DISTRIBUTIONS, DataError, known
from tests import distributions as distributed


def test_sizes_and_counts_are_those_of_the_authors_pages():
    for name in ("cifar10", "cifar100"):
        assert DISTRIBUTIONS[name].counts == (50_000, 10_000)
    assert DISTRIBUTIONS["cifar10"].sizes["test_batch.bin"] == 30_730_000
    assert DISTRIBUTIONS["cifar100"].sizes == {"train.bin": 153_700_000, "test.bin": 30_740_000}
    for name in ("fashion-mnist", "mnist"):
        assert DISTRIBUTIONS[name].counts == (60_000, 10_000)
        assert DISTRIBUTIONS[name].sizes["train-images-idx3-ubyte"] == 47_040_016
    for distribution in DISTRIBUTIONS.values():
        for hashed in (*distribution.files, *distribution.downloads):
            assert len(bytes.fromhex(hashed.sha256)) == 32


def test_gits_blob_id_is_that_of_git():
    # Of "what is up, doc?" (Pro Git, sec. 10.2).
    file = official.File("f", 1, 16, "", "bd9dbf5aae1a3862dd1526723246b20206e5fc37")
    assert file.is_official(b"what is up, doc?")
    assert not file.is_official(b"what is up, dog?")


def test_records_are_decoded_label_by_label_and_plane_by_plane():
    distribution, contents = distributed.cifar()
    train, test = distribution.decode(contents)
    assert (train.x.shape, test.x.shape) == ((12, 3, 32, 32), (4, 3, 32, 32))
    record = contents["data_batch_2.bin"][2 * 3073 : 3 * 3073]
    assert train.y[8] == record[0] == distribution.record("data_batch_2.bin", 2, contents["data_batch_2.bin"])
    assert train.x[8].tobytes() == record[1:]
    distribution, contents = distributed.cifar("cifar100", labels=2)
    (train, _) = distribution.decode(contents)
    assert train.y.tolist() == list(contents["train.bin"][1::3074])  # the fine label is the second


def test_idx_files_are_decoded_behind_their_headers():
    distribution, contents = distributed.idx()
    (_, test) = distribution.decode(contents)
    assert test.x.shape == (4, 1, 28, 28)
    assert test.x.tobytes() == contents["t10k-images-idx3-ubyte"][16:]
    assert test.y.tolist() == list(contents["t10k-labels-idx1-ubyte"][8:])


def test_what_the_formats_do_not_allow_is_refused_with_the_file():
    distribution, contents = distributed.idx()
    name = "train-images-idx3-ubyte"
    with pytest.raises(DataError, match=rf"{name} of mnist has [\d,]+ bytes, not"):
        distribution.decode(contents | {name: contents[name][:-1]})
    with pytest.raises(DataError, match=rf"{name} of mnist begins with \[.*an IDX file of this kind begins with"):
        distribution.decode(contents | {name: b"\0" * 4 + contents[name][4:]})
    with pytest.raises(DataError, match=r"mnist has no record 0 in 'train-images-idx3-ubyte'"):
        distribution.record(name, 0, contents[name])
    distribution, contents = distributed.cifar()
    wrong = bytearray(contents["test_batch.bin"])
    wrong[0] = 10
    with pytest.raises(DataError, match=r"test_batch\.bin of cifar10: holds the label 10; labels are 0 to 9"):
        distribution.decode(contents | {"test_batch.bin": bytes(wrong)})
    with pytest.raises(DataError, match=r"cifar10 has no record 6 in 'data_batch_1\.bin'"):
        distribution.record("data_batch_1.bin", 6, contents["data_batch_1.bin"])


def test_an_unknown_name_gets_the_known_ones_and_the_closest():
    assert known("mnist") is DISTRIBUTIONS["mnist"]
    with pytest.raises(DataError, match=r"name='cifar-10' is no dataset .*known: cifar10, .*closest: 'cifar10'"):
        known("cifar-10")
