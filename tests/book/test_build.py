"""The four steps of the book, on books of a few cells."""

import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from resnet_lib.book import build, builders
from tests import books


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The fixture book in a folder with all kinds of characters in its name."""
    return books.copy(tmp_path / books.ODD)


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
    run = build.stage(root)
    assert run == root / "_build/run"
    assert (run / "claims.yml").read_bytes() == (root / "claims.yml").read_bytes()
    assert (run / "chapters/01_fixture.ipynb").is_file()
    assert not list(run.rglob("*.txt")) + list(run.rglob("*.env"))


def test_staging_again_touches_only_what_differs(root: Path):
    run = build.stage(root)
    before = times(run)
    build.stage(root)
    assert times(run) == before

    (root / "index.md").write_text("# Changed")
    (run / "chapters/01_fixture.ipynb").write_text("executed")
    (root / "references.md").unlink()
    (run / "chapters/leftover.ipynb").write_text("{}")
    build.stage(root)
    changed = {name for name, time in times(run).items() if time != before.get(name)}
    assert changed == {str(run / "index.md"), str(run / "chapters/01_fixture.ipynb")}
    assert not (run / "references.md").exists()
    assert not (run / "chapters/leftover.ipynb").exists()


def test_what_a_killed_writer_left_is_no_part_of_the_book(root: Path):
    books.write(root, books.verdict(root), books.figure(root))
    for name in ("figures/fixture-radius/.data.csv.1a2b3c4d.tmp", "chapters/.01_fixture.ipynb.1a2b3c4d.tmp"):
        (root / name).write_text("half of")
    assert not list(build.stage(root).rglob("*.tmp"))
    (root / "_build/run/figures/fixture-radius/.data.csv.5e6f7a8b.tmp").write_text("half of")
    assert build.refresh(root, root / "_build/run") == []
    assert not list(build.stage(root).rglob("*.tmp"))


def test_staging_what_is_no_book_says_so(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"root=.* has no _toc.yml, so it is not the book's folder"):
        build.stage(tmp_path)


def test_notebooks_run_side_by_side_and_a_failing_one_keeps_its_file(root: Path):
    good = chapter(root, "02_good", "import sys; print(sys.executable)", "print(6 * 7)")
    bad = chapter(root, "03_bad", "x = 1", "# fails\nraise LookupError('no such thing')", "print('never')")
    before = bad.read_bytes()
    failures = build.execute([bad, good], jobs=2)
    assert outputs(good) == [f"{sys.executable}\n", "42\n"]
    assert bad.read_bytes() == before
    assert [(failure.notebook, failure.cell) for failure in failures] == [("03_bad.ipynb", 2)]
    told = str(failures[0])
    for part in ("03_bad.ipynb, code cell 2", "LookupError: no such thing", "# fails"):
        assert part in told
    assert "\x1b" not in told


def test_notebooks_that_run_side_by_side_share_the_cores(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: 6)
    told = "import os; print(os.environ['LOKY_MAX_CPU_COUNT'])"
    one, other = chapter(root, "02_one", told), chapter(root, "03_other", told)
    assert build.execute([one, other], jobs=2) == []
    assert outputs(one) == outputs(other) == ["3\n"]
    assert build.execute([one], jobs=2) == []
    assert outputs(one) == ["6\n"]


def test_what_took_longest_begins_first():
    def lasting(*experiments: tuple[str, float]) -> nbformat.NotebookNode:
        stamps = [{"experiment": name, "seconds": seconds} for name, seconds in experiments]
        shown = [{"resnet_lib": {"kind": "figure", "record": {"stamp": stamp}}} for stamp in stamps]
        made = [nbformat.v4.new_output("display_data", metadata=metadata) for metadata in [*shown, {}]]
        return new_notebook(cells=[new_markdown_cell("text"), new_code_cell("shown", outputs=made)])

    paths = {Path("none"): lasting(), Path("short"): lasting(("a", 3.0)), Path("long"): lasting(("b", 2.0), ("c", 2.0))}
    assert build.longest_first(paths) == [Path("long"), Path("short"), Path("none")]
    twice = {Path("short"): lasting(("a", 3.0)), Path("twice"): lasting(("b", 2.0), ("b", 2.0))}
    assert build.longest_first(twice) == [Path("short"), Path("twice")]  # one experiment, which is shown twice


def test_running_again_writes_nothing(root: Path):
    good = chapter(root, "02_good", "print(6 * 7)")
    build.execute([good])
    before = good.stat().st_mtime_ns
    assert "execution" not in nbformat.read(good, as_version=4).cells[1].metadata
    build.execute([good])
    assert good.stat().st_mtime_ns == before


def test_a_cell_that_takes_too_long_is_a_failure(root: Path):
    slow, seconds = chapter(root, "02_slow", "import time; time.sleep(1000)"), 1.0
    (failure,) = build.execute([slow], timeout=seconds)
    assert (failure.notebook, failure.cell) == ("02_slow.ipynb", 1)
    assert "timed out" in failure.reason


def test_a_kernel_that_dies_is_a_failure_of_its_cell(root: Path):
    dead = chapter(root, "03_dead", "1", "import os; os._exit(1)")
    (failure,) = build.execute([dead])
    assert (failure.notebook, failure.cell) == ("03_dead.ipynb", 2)
    assert "Kernel died" in failure.reason


def test_no_seat_for_a_notebook_is_refused():
    with pytest.raises(ValueError, match="jobs=0 must be at least 1"):
        build.execute([], jobs=0)


def evidence(root: Path) -> Path:
    """A staged book with stored outputs."""
    books.write(root, books.verdict(root), books.figure(root))
    return build.stage(root)


def test_collecting_writes_pages_figures_and_outputs_with_all_digits(root: Path):
    run, source = evidence(root), root / "_build/source"
    found = build.collect(run, source)
    assert found.shown.problems == ()
    assert found.report.errors == ()
    assert (source / "_extra/figures/fixture-radius/data.csv").is_file()
    assert "fixture-disc" in (source / "ledger.md").read_text()
    assert (source / "_extra/ledger.csv").read_text().splitlines()[1].startswith("fixture-disc.radius,")
    html = nbformat.read(source / "chapters/01_fixture.ipynb", as_version=4).cells[1].outputs[0].data["text/html"]
    assert "1.005" in html
    stable = nbformat.read(run / "chapters/01_fixture.ipynb", as_version=4).cells[1].outputs[0].data["text/html"]
    assert "1.005" not in stable


def test_collecting_again_touches_nothing(root: Path):
    run, source = evidence(root), root / "_build/source"
    build.collect(run, source)
    before = times(source)
    build.collect(run, source)
    assert times(source) == before


def rendered(source: Path) -> list[Path]:
    """Folders as a rendering that ended leaves them."""
    (source.parent / build.RENDERED).write_text(build.renew(source))
    folders = [source.parent / name for name in ("html", ".doctrees")]
    for folder in folders:
        folder.mkdir()
    return folders


@pytest.mark.parametrize("name", ["_toc.yml", "_static/a.css", "_templates/a.html", "_ext/a.py"])
def test_what_reaches_every_page_renews_them_all(root: Path, name: str):
    run, source = evidence(root), root / "_build/source"
    (run / name).parent.mkdir(exist_ok=True)
    (run / name).open("a").close()
    build.collect(run, source)
    folders = rendered(source)
    build.renew(source)
    assert all(folder.exists() for folder in folders)
    with (run / name).open("a") as file:
        file.write("# changed\n")
    build.collect(run, source)
    build.renew(source)
    assert not any(folder.exists() for folder in folders)


def test_a_page_that_changes_stays_with_the_others_and_one_that_goes_does_not(root: Path):
    run, source = evidence(root), root / "_build/source"
    (run / "more.md").write_text("# More")
    build.collect(run, source)
    folders = rendered(source)
    (run / "more.md").write_text("# More yet")
    build.collect(run, source)
    build.renew(source)
    assert all(folder.exists() for folder in folders)
    (run / "more.md").unlink()
    build.collect(run, source)
    build.renew(source)
    assert not any(folder.exists() for folder in folders)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"another"])
def test_a_damaged_mark_of_the_last_rendering_renews_the_pages(root: Path, content: bytes):
    source = root / "_build/source"
    build.collect(evidence(root), source)
    folders = rendered(source)
    (source.parent / build.RENDERED).write_bytes(content)
    build.renew(source)
    assert not any(folder.exists() for folder in folders)


def test_pages_of_a_rendering_that_did_not_end_are_made_again(root: Path, monkeypatch: pytest.MonkeyPatch):
    """Whatever ends it: a signal, a warning of Sphinx, or the process that is killed while it removes the old pages."""
    source = root / "_build/source"
    build.collect(evidence(root), source)
    folders = rendered(source)
    monkeypatch.setattr(builders, "SPHINX", "raise SystemExit('it was killed')")
    with pytest.raises(builders.BookError, match="it was killed"):
        build.render(source)
    assert all(folder.exists() for folder in folders)
    assert not (root / "_build" / build.RENDERED).exists()
    build.renew(source)
    assert not any(folder.exists() for folder in folders)

    folders = rendered(source)
    (source / "_toc.yml").write_text("# changed")

    def killed(folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        build.renew(source)
    assert not (root / "_build" / build.RENDERED).exists()


def test_a_figure_that_changes_or_goes_does_so_on_the_built_pages(root: Path):
    """Sphinx finds no page to write in either case, and then copies nothing."""
    run, source = evidence(root), root / "_build/source"
    books.buildable(root)
    build.stage(root)
    build.collect(run, source)
    page = build.render(source)
    assert "fixture-disc" in (page.parent / "ledger.html").read_text()
    served = page.parent / "figures/fixture-radius"
    for suffix in ("pdf", "png"):
        (run / f"figures/fixture-radius/fixture-radius.{suffix}").write_bytes(b"drawn anew")
    (run / "figures/fixture-radius/fixture-radius.png").unlink()
    build.collect(run, source)
    build.render(source)
    assert (served / "fixture-radius.pdf").read_bytes() == b"drawn anew"
    assert not (served / "fixture-radius.png").exists()


def test_refreshing_takes_over_what_differs(root: Path):
    run = evidence(root)
    (run / "figures/fixture-radius/data.csv").write_text("seed,radius\n0,1\n")
    (run / "index.md").write_text("not a result")
    assert build.refresh(root, run) == [root / "figures/fixture-radius/data.csv"]
    assert (root / "figures/fixture-radius/data.csv").read_text() == "seed,radius\n0,1\n"
    assert (root / "index.md").read_text() != "not a result"


def test_a_warning_of_sphinx_is_an_error_that_shows_it(root: Path):
    (root / "index.md").write_text("# A book\n\n[nowhere](no-such-page.md)\n")
    source = root / "_build/source"
    build.collect(evidence(root), source)
    with pytest.raises(builders.BookError, match=r"(?s)have warnings or errors:.*no-such-page.md"):
        build.render(source)
