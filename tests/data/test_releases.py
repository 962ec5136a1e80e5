"""The published weights that are known: their names, addresses and hashes."""

import pytest

from resnet_lib.data import releases
from resnet_lib.data.official import DataError
from tests import published


def test_the_table_is_that_of_the_repository():
    assert {depth: each.wrong for depth, each in releases.WEIGHTS.items()} == {
        20: 827,
        32: 737,
        44: 690,
        56: 661,
        110: 632,
        1202: 618,
    }
    for depth, each in releases.WEIGHTS.items():
        assert each.depth == depth
        assert each.file == f"resnet{depth}-{each.sha256[:8]}.th"
        assert each.url.startswith("https://raw.githubusercontent.com/akamaster/pytorch_resnet_cifar10/d5489e8995e8")
        assert each.url.endswith(f"/pretrained_models/{each.file}")
        assert len(bytes.fromhex(each.blob)) == 20
        assert (len(each.sha256), each.size is None) == ((64, False) if depth in releases.SHALLOW else (8, True))


@pytest.mark.parametrize("seen", [True, False])
def test_a_file_is_known_by_both_hashes(seen: bool):
    data = published.saved(published.state(8))
    known = published.weights(data, 8, seen=seen)
    assert known.is_published(data)
    assert not known.is_published(data[:-1] + b"!")
    assert not published.weights(data + b"!", 8, seen=seen).is_published(data)


def test_a_name_stands_for_one_network_or_for_all():
    assert [each.depth for each in releases.find("published")] == [20, 32, 44, 56, 110, 1202]
    assert [each.depth for each in releases.find("published-44")] == [44]
    assert releases.find("published-44") == (releases.of_depth(44),)
    with pytest.raises(
        DataError, match=r"name='published-65' is no published network; known: published, .*'published-"
    ):
        releases.find("published-65")
    with pytest.raises(DataError, match=r"depth=54 is no published network; known: 20, 32, .*; closest: 56"):
        releases.of_depth(54)
