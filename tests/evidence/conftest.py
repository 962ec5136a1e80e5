"""A ledger and a book that the tests of this room share."""

from pathlib import Path

import pytest
from judged import LEDGER

from resnet_lib.evidence import statements
from tests import books


@pytest.fixture
def ledger(tmp_path: Path) -> statements.Ledger:
    path = tmp_path / "claims.yml"
    path.write_text(LEDGER)
    return statements.load(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A good book of one claim and one figure."""
    root = books.copy(tmp_path / "book")
    books.write(root, books.verdict(root), books.figure(root))
    return root
