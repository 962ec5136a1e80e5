"""The four steps of the book, on books of a few cells."""

import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from resnet_lib import book
from tests import books


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The fixture book in a folder with a space in its name."""
    return books.copy(tmp_path / "a book")


def chapter(root: Path, name: str, *sources: str) -> Path:
    path = root / "chapters" / f"{name}.ipynb"
    cells = [new_code_cell(source, id=f"cell-{n}") for n, source in enumerate(sources)]
    nbformat.write(new_notebook(cells=[new_markdown_cell(f"# {name}", id="title"), *cells]), path)
    return path


def outputs(path: Path) -> list[str]:
    cells = nbformat.read(path, as_version=4).cells
    return [cell.outputs[0].get("text", "") if cell.outputs else "" for cell in cells if cell.cell_type == "code"]


def times(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_staging_copies_what_the_book_is_made_of_and_nothing_else(root: Path):
    (root / "chapters/notes.txt").write_text("not a page")
    (root / "secrets.env").write_text("not a page")
    run = book.stage(root)
    assert run == root / "_build/run"
    assert (run / "claims.yml").read_bytes() == (root / "claims.yml").read_bytes()
    assert (run / "chapters/01_fixture.ipynb").is_file()
    assert not list(run.rglob("*.txt")) + list(run.rglob("*.env"))


def test_staging_again_touches_only_what_differs(root: Path):
    run = book.stage(root)
    before = times(run)
    book.stage(root)
    assert times(run) == before

    (root / "index.md").write_text("# Changed")
    (run / "chapters/01_fixture.ipynb").write_text("executed")
    (root / "references.md").unlink()
    (run / "chapters/leftover.ipynb").write_text("{}")
    book.stage(root)
    changed = {name for name, time in times(run).items() if time != before.get(name)}
    assert changed == {str(run / "index.md"), str(run / "chapters/01_fixture.ipynb")}
    assert not (run / "references.md").exists()
    assert not (run / "chapters/leftover.ipynb").exists()


def test_staging_what_is_no_book_says_so(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"root=.* has no _toc.yml, so it is not the book's folder"):
        book.stage(tmp_path)


def test_notebooks_run_side_by_side_and_a_failing_one_keeps_its_file(root: Path):
    good = chapter(root, "02_good", "import sys; print(sys.executable)", "print(6 * 7)")
    bad = chapter(root, "03_bad", "x = 1", "# fails\nraise LookupError('no such thing')", "print('never')")
    before = bad.read_bytes()
    failures = book.execute([bad, good], jobs=2)
    assert outputs(good) == [f"{sys.executable}\n", "42\n"]
    assert bad.read_bytes() == before
    assert [(failure.notebook, failure.cell) for failure in failures] == [("03_bad.ipynb", 2)]
    told = str(failures[0])
    for part in ("03_bad.ipynb, code cell 2", "LookupError: no such thing", "# fails"):
        assert part in told
    assert "\x1b" not in told


def test_running_again_writes_nothing(root: Path):
    good = chapter(root, "02_good", "print(6 * 7)")
    book.execute([good])
    before = good.stat().st_mtime_ns
    assert "execution" not in nbformat.read(good, as_version=4).cells[1].metadata
    book.execute([good])
    assert good.stat().st_mtime_ns == before


def test_a_cell_that_takes_too_long_and_a_kernel_that_dies_are_failures(root: Path):
    slow = chapter(root, "02_slow", "1", "import time; time.sleep(60)")
    dead = chapter(root, "03_dead", "import os; os._exit(1)")
    failures = book.execute([slow, dead], timeout=2)
    assert [(failure.notebook, failure.cell) for failure in failures] == [("02_slow.ipynb", 2), ("03_dead.ipynb", 1)]
    assert "timed out" in failures[0].reason
    assert "Kernel died" in failures[1].reason


def test_no_seat_for_a_notebook_is_refused():
    with pytest.raises(ValueError, match="jobs=0 must be at least 1"):
        book.execute([], jobs=0)


def evidence(root: Path) -> Path:
    """A staged book with stored outputs."""
    books.write(root, books.verdict(root), books.figure(root))
    return book.stage(root)


def test_collecting_writes_pages_figures_and_outputs_with_all_digits(root: Path):
    run, source = evidence(root), root / "_build/source"
    found = book.collect(run, source)
    assert found.problems == ()
    assert (source / "_extra/figures/fixture-radius/data.csv").is_file()
    assert "fixture-disc" in (source / "ledger.md").read_text()
    html = nbformat.read(source / "chapters/01_fixture.ipynb", as_version=4).cells[1].outputs[0].data["text/html"]
    assert "1.005" in html
    stable = nbformat.read(run / "chapters/01_fixture.ipynb", as_version=4).cells[1].outputs[0].data["text/html"]
    assert "1.005" not in stable


def test_collecting_again_touches_nothing_and_keeps_the_pages(root: Path):
    run, source = evidence(root), root / "_build/source"
    book.collect(run, source)
    (root / "_build/html").mkdir()
    before = times(source)
    book.collect(run, source)
    assert times(source) == before
    assert (root / "_build/html").exists()


@pytest.mark.parametrize("name", ["_toc.yml", "_static/a.css", "_templates/a.html", "_ext/a.py"])
def test_what_reaches_every_page_renews_them_all(root: Path, name: str):
    run, source = evidence(root), root / "_build/source"
    (run / name).parent.mkdir(exist_ok=True)
    (run / name).touch()
    book.collect(run, source)
    (root / "_build/html").mkdir()
    (run / name).write_text("# changed")
    book.collect(run, source)
    assert not (root / "_build/html").exists()


def test_a_figure_that_changes_or_goes_does_so_on_the_built_pages(root: Path):
    """Sphinx finds no page to write in either case, and then copies nothing."""
    run, source = evidence(root), root / "_build/source"
    for name in ("_config.yml", "_ext", "_templates", "_static"):
        original = Path(__file__).parents[1] / name
        if original.is_dir():
            shutil.copytree(original, run / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(original, run / name)
    book.collect(run, source)
    page = book.render(source)
    assert "fixture-disc" in (page.parent / "ledger.html").read_text()
    served = page.parent / "figures/fixture-radius"
    for suffix in ("pdf", "png"):
        (run / f"figures/fixture-radius/fixture-radius.{suffix}").write_bytes(b"drawn anew")
    (run / "figures/fixture-radius/fixture-radius.png").unlink()
    book.collect(run, source)
    book.render(source)
    assert (served / "fixture-radius.pdf").read_bytes() == b"drawn anew"
    assert not (served / "fixture-radius.png").exists()


def test_refreshing_takes_over_what_differs(root: Path):
    run = evidence(root)
    (run / "figures/fixture-radius/data.csv").write_text("seed,radius\n0,1\n")
    (run / "index.md").write_text("not a result")
    assert book.refresh(root, run) == [root / "figures/fixture-radius/data.csv"]
    assert (root / "figures/fixture-radius/data.csv").read_text() == "seed,radius\n0,1\n"
    assert (root / "index.md").read_text() != "not a result"


def test_a_warning_of_sphinx_is_an_error_that_shows_it(root: Path):
    (root / "index.md").write_text("# A book\n\n[nowhere](no-such-page.md)\n")
    source = root / "_build/source"
    book.collect(evidence(root), source)
    with pytest.raises(book.BookError, match=r"(?s)have warnings or errors:.*no-such-page.md"):
        book.render(source)
