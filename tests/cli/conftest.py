"""The book that the tests of this room share."""

from pathlib import Path

import pytest

from resnet_lib.cli import catalogue
from tests import books
from tests.book_fixture import fixture_experiment


@pytest.fixture
def fixture_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A book with stored outputs as the working folder, and the fixture's experiments as the known ones."""
    root = books.copy(tmp_path / "book")
    books.write(root, books.verdict(root), books.figure(root))
    monkeypatch.chdir(root)
    monkeypatch.setattr(catalogue, "known", lambda: {"fixture": fixture_experiment.EXPERIMENTS})
    return root
