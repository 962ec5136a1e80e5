"""Figures drawn again from what is published of them: the same bytes, or what was changed, and nothing computed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree

import nbformat
import pytest

from resnet_lib.book import build, redraw
from resnet_lib.evidence import figures, ledger
from tests import books

NOTEBOOK = "chapters/01_fixture.ipynb"
FIGURE = "figures/fixture-radius"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The fixture book as it would be committed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(books.FIXTURE))
        patch.syspath_prepend(str(books.FIXTURE))
        for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
            patch.setenv(name, str(tmp_path_factory.mktemp("cache")))
        root = books.copy(tmp_path_factory.mktemp("published") / "book")
        run = build.stage(root)
        assert build.execute(build.notebooks(run)) == []
        build.refresh(root, run)
        yield root


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    return Path(copytree(published, tmp_path / "book"))


def edit(root: Path, change: Callable[[str], str]) -> None:
    notebook = nbformat.read(root / NOTEBOOK, 4)
    before = [cell.source for cell in notebook.cells]
    for cell in notebook.cells:
        cell.source = change(cell.source)
    assert before != [cell.source for cell in notebook.cells]
    nbformat.write(notebook, root / NOTEBOOK)


def contents(root: Path) -> dict[Path, bytes]:
    return {path.relative_to(root): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_what_has_not_changed_has_the_same_bytes(root: Path):
    before = contents(root)
    assert redraw.notebook(root / NOTEBOOK, root) == []
    assert contents(root) == before


def test_a_new_caption_reaches_files_and_notebook_and_no_number(root: Path):
    edit(root, lambda source: source.replace("Spectral radius of eight", "The spectral radii of eight"))
    before = contents(root)
    changed = {path.relative_to(root) for path in redraw.notebook(root / NOTEBOOK, root)}
    assert changed == {Path(FIGURE, "meta.json"), Path(NOTEBOOK)}
    old, new = (figures.read(each / FIGURE / "meta.json") for each in (root, root))
    assert new is not None
    assert new["caption"].startswith("The spectral radii")
    assert old is not None
    assert contents(root)[Path(FIGURE, "data.csv")] == before[Path(FIGURE, "data.csv")]
    evidence = ledger.read(root)
    assert evidence.problems == ()
    assert "The spectral radii" in (root / NOTEBOOK).read_text()


def test_a_new_drawing_keeps_the_table_and_the_stamp(root: Path):
    old = figures.read(root / FIGURE / "meta.json")
    edit(root, lambda source: source.replace("def draw(", "def draw_(").replace("    draw,", "    larger,") + LARGER)
    changed = {path.name for path in redraw.notebook(root / NOTEBOOK, root)}
    new = figures.read(root / FIGURE / "meta.json")
    assert old is not None
    assert new is not None
    assert new["stamp"] == old["stamp"]
    assert new["width"] > old["width"]
    assert {"fixture-radius.svg", "fixture-radius.png", "meta.json", "01_fixture.ipynb"} <= changed
    assert "data.csv" not in changed


LARGER = """

def larger(table):
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(20, 4))
    axis.plot(table["radius"])
    return figure
"""


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda root: (root / FIGURE / "data.csv").write_text("radius\n1.10\n"), "not the same when it is read"),
        (lambda root: (root / FIGURE / "meta.json").unlink(), "has not been published"),
        (lambda root: edit(root, lambda text: text.replace("    draw,", "    drawings[0],")), "NameError"),
        (
            lambda root: edit(root, lambda text: text.replace('"fixture-radius",', '"another",')),
            "another has no meta.json",
        ),
    ],
)
def test_what_cannot_be_drawn_says_why_and_changes_nothing(root: Path, spoil: Callable[[Path], object], why: str):
    spoil(root)
    before = contents(root)
    with pytest.raises(redraw.RedrawError, match=rf"01_fixture.ipynb, cell \d+: .*{why}.*resnet-lib refresh fixture"):
        redraw.notebook(root / NOTEBOOK, root)
    assert contents(root) == before


def test_every_published_figure_of_the_book_can_be_read_back():
    folders = sorted(path.parent for path in (books.FIXTURE.parents[1] / "figures").glob("*/meta.json"))
    assert len(folders) > 40
    for folder in folders:
        assert len(redraw.published(folder).table)
