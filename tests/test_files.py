"""Where the book's folder is."""

import pytest

from resnet_lib import files


def test_root_is_the_nearest_folder_with_the_ledger(tmp_path):
    inner = tmp_path / "book" / "chapters" / "part"
    inner.mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"no claims\.yml in .*part or above it; change to the book's folder"):
        files.root(inner)
    (tmp_path / "claims.yml").touch()
    (tmp_path / "book" / "claims.yml").touch()
    assert files.root(inner) == tmp_path / "book"
