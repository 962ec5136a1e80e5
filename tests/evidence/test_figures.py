import csv
import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import altair as alt
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import yaml
from bs4 import BeautifulSoup, Tag
from matplotlib.figure import Figure
from pybtex.database import parse_string

from resnet_lib import __version__
from resnet_lib.evidence import figures, style
from resnet_lib.evidence.figures import Published
from resnet_lib.evidence.style import COLOURS
from resnet_lib.sweep import Result, Stamp, provenance

ROOT = Path(__file__).parents[2]
TABLE = pd.DataFrame(
    {"depth": [1, 2, 3, 4], "gain": [0.1 + 0.2, 1e-300, 2 / 3, 1.7e308], "kind": ["a", "b", "ä,\"'", ""]}
)
STAMP = Stamp(
    experiment="gains",
    preset="quick",
    command="resnet-lib run gains",
    commit="0123456789abcdef",
    dirty=False,
    source="f" * 64,
    data={"digits": "e" * 64},
    settings=[{"scale": 0.1}, {"scale": 0.5}],
    seeds=[0, 1, 2],
    device="a processor",
    versions={"python": "3.11.1"},
    seconds=12.5,
    created="2025-01-02T03:04:05+00:00",
    peak_memory=10**8,
)
WORDS = {"caption": "The gain of $I+J$ for $a<b$ & <more>.", "alt": "A line that rises with depth, and then explodes."}
FILES = {"disc.svg", "disc-dark.svg", "disc.pdf", "disc.png", "data.csv", "meta.json", "cite.bib"}


def line(table: pd.DataFrame) -> Figure:
    figure, axis = plt.subplots(figsize=(2, 1.5))
    axis.plot(table["depth"], color=COLOURS["post"], label="post $x^2$")
    axis.plot(table["depth"] ** 0.5, "o", color=COLOURS["plain"])
    axis.set_xlabel("depth")
    return figure


def never(table: pd.DataFrame) -> Figure:
    raise AssertionError("refused before it is drawn")


def publish(
    root: Path, draw: Callable = line, table: pd.DataFrame = TABLE, stamp: Stamp = STAMP, **more: object
) -> Published:
    told: dict = {"id": "disc", **WORDS, "claims": ["shift.values"]} | more
    return figures.publish(told.pop("id"), draw, Result(table, stamp), root=root, **told)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """One figure for the tests that only look."""
    return publish(tmp_path_factory.mktemp("book"))


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are no drawings, for the tests of everything else."""

    def drawings(id: str, draw: object, table: pd.DataFrame, alt: str) -> dict[str, bytes]:
        svg = b'<svg viewBox="0 0 144 108"/>'
        return {f"{id}.svg": svg, f"{id}-dark.svg": svg, f"{id}.pdf": b"pdf", f"{id}.png": b"png"}

    monkeypatch.setattr(figures, "_drawings", drawings)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# Files ---------------------------------------------------------------------------------------------------------------


def test_a_figure_comes_with_all_that_a_citation_needs(published: Published) -> None:
    assert published.folder.parts[-2:] == ("figures", "disc")
    assert set(contents(published.folder)) == set(published.written) == FILES
    meta = json.loads((published.folder / "meta.json").read_text(encoding="utf-8"))
    assert meta == published.meta
    assert (meta["id"], meta["caption"], meta["alt"]) == ("disc", WORDS["caption"], WORDS["alt"])
    assert meta["claims"] == ["shift.values"]
    assert (meta["rows"], meta["columns"]) == (4, ["depth", "gain", "kind"])
    assert Stamp.from_dict(meta["stamp"]) == STAMP
    assert (meta["book"], meta["version"], meta["licence"]) == ("Residual Networks, Tested", __version__, "CC BY 4.0")


def test_the_csv_is_the_table_bit_for_bit(published: Published) -> None:
    text = (published.folder / "data.csv").read_bytes()
    assert b"\r" not in text
    header, *rows = csv.reader(text.decode().splitlines())
    assert header == list(TABLE.columns)
    assert [(int(depth), float(gain), kind) for depth, gain, kind in rows] == list(
        TABLE.itertuples(index=False, name=None)
    )


def test_the_bytes_are_the_same_in_every_process(published: Published, tmp_path: Path) -> None:
    program = "import sys, pathlib, tests.evidence.test_figures as t; t.publish(pathlib.Path(sys.argv[1]))"
    env = os.environ | {"PYTHONHASHSEED": "123", "TZ": "Asia/Tokyo", "PYTHONPATH": str(ROOT), "MPLBACKEND": "svg"}
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, cwd=tmp_path, env=env)
    assert contents(tmp_path / "figures/disc") == contents(published.folder)


def test_no_file_knows_the_day_and_svg_needs_no_font(published: Published) -> None:
    files = contents(published.folder)
    assert b"dc:date" not in files["disc.svg"]
    assert b"CreationDate" not in files["disc.pdf"]
    assert b"<text" not in files["disc.svg"]
    assert WORDS["alt"].encode() in files["disc.svg"]


def test_an_equal_figure_is_not_touched(tmp_path: Path, cheap: None) -> None:
    first = publish(tmp_path)
    times = {path: path.stat().st_mtime_ns for path in first.folder.iterdir()}
    for path in times:
        os.utime(path, ns=(1, 1))
    again = publish(tmp_path)
    assert again.written == ()
    assert again.meta == first.meta
    assert {path.stat().st_mtime_ns for path in times} == {1}
    changed = publish(tmp_path, table=TABLE.assign(gain=1.5))
    assert changed.written == ("data.csv", "meta.json")  # which holds the hash of the table
    assert "1.5" in (first.folder / "data.csv").read_text()


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"commit": "9" * 16, "created": "2026-01-01T00:00:00+00:00", "seconds": 1.0, "peak_memory": 5}, True),
        ({"source": "0" * 64}, False),
        ({"device": "another processor"}, True),
        ({"seeds": [5]}, False),
    ],
)
def test_a_stamp_is_renewed_where_more_than_the_time_differs(
    tmp_path: Path, cheap: None, change: dict, kept: bool
) -> None:
    publish(tmp_path)
    again = publish(tmp_path, stamp=replace(STAMP, **change))
    assert (Stamp.from_dict(again.meta["stamp"]) == STAMP) is kept
    assert ("meta.json" in again.written) is not kept


def test_a_clean_stamp_replaces_that_of_uncommitted_changes(tmp_path: Path, cheap: None) -> None:
    dirty, clean = replace(STAMP, dirty=True, commit="1" * 16), replace(STAMP, commit="2" * 16)
    assert publish(tmp_path, stamp=dirty).meta["stamp"]["dirty"]
    assert publish(tmp_path, stamp=clean).meta["stamp"]["commit"] == "2" * 16
    assert publish(tmp_path, stamp=dirty).meta["stamp"]["commit"] == "2" * 16


def test_a_new_table_renews_the_stamp(tmp_path: Path, cheap: None) -> None:
    publish(tmp_path)
    later = replace(STAMP, commit="9" * 16)
    assert publish(tmp_path, table=TABLE.assign(gain=1.5), stamp=later).meta["stamp"]["commit"] == "9" * 16


def test_what_is_interrupted_leaves_the_old_file(tmp_path: Path, cheap: None, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(publish(tmp_path).folder)

    def power_cut(*paths: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", power_cut)
        with pytest.raises(KeyboardInterrupt):
            publish(tmp_path, table=TABLE.assign(gain=1.5))
    assert contents(tmp_path / "figures/disc") == before


def test_the_bibtex_entry_is_one(published: Published) -> None:
    text = (published.folder / "cite.bib").read_text(encoding="utf-8")
    (key, entry), *rest = parse_string(text, "bibtex").entries.items()
    assert not rest
    assert (key, entry.type) == ("rnt2025-disc", "misc")
    assert entry.fields["title"] == "{Residual Networks, Tested}: figure disc"
    assert entry.fields["year"] == "2025"
    assert entry.fields["howpublished"] == f"Jupyter Book, version {__version__}, figures/disc"
    assert entry.fields["note"] == "Commit 0123456789ab. Licence: CC BY 4.0"
    assert [str(person).strip("{}") for person in entry.persons["author"]] == [figures.AUTHORS]
    assert "url" not in entry.fields
    unknown = replace(STAMP, commit="unknown").as_dict()
    assert "Commit" not in figures.bibtex({**published.meta, "stamp": unknown})


def test_book_and_authors_are_those_of_the_citation_file() -> None:
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cff["title"] == figures.BOOK
    assert [author["name"] for author in cff["authors"]] == [figures.AUTHORS]
    assert str(cff["version"]) == __version__


# What is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "Disc", "disc_1", "-disc", "disc-", "a--b", "a/b", "../disc", "disc.svg", "d\n"])
def test_an_id_is_words_joined_by_hyphens(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"id=.* must be lower-case words and digits joined by hyphens, such as"):
        publish(tmp_path, never, id=name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "alt", ["", "   ", "figure", "A plot of the gain", "The gain of $I+J$ by depth, rising.", WORDS["caption"]]
)
def test_alt_text_has_to_say_something(tmp_path: Path, alt: str) -> None:
    with pytest.raises(
        ValueError, match=r"alt=.* of disc does not stand for the figure; say in plain words, without TeX"
    ):
        publish(tmp_path, never, alt=alt)


def test_four_words_of_twenty_letters_are_the_least(tmp_path: Path, cheap: None) -> None:
    least = "Four dots rise to 1."
    assert len(least) == 20
    assert publish(tmp_path, alt=least + "0").meta["alt"] == least + "0"
    assert publish(tmp_path, alt=least).meta["alt"] == least
    with pytest.raises(ValueError, match="does not stand for the figure"):
        publish(tmp_path, never, alt=least[:-2] + "1")


def test_alt_text_cannot_be_left_out(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="alt"):
        figures.publish("disc", never, Result(TABLE, STAMP), caption="A gain.", root=tmp_path)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"caption": " "}, "caption of disc is empty; say what is shown"),
        ({"caption": "costs $5"}, r"has a \$ that does not delimit mathematics"),
        (
            {"claims": "shift.values"},
            r"claims='shift\.values' must be a sequence of ids; write claims=\['shift\.values'\]",
        ),
        ({"table": TABLE[:0]}, r"the table of disc has no rows; check what `result\.of` selects"),
        ({"table": TABLE.set_index("depth")}, r"the table of disc has a named index .* reset_index\(\)"),
        ({"table": TABLE.assign(z=1j)}, r"the table of disc has complex columns \(z\); give real and imaginary part"),
    ],
)
def test_what_cannot_be_published_is_refused(tmp_path: Path, wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        publish(tmp_path, never, **wrong)


def test_an_id_is_never_used_again(tmp_path: Path, cheap: None) -> None:
    publish(tmp_path)
    with pytest.raises(
        ValueError, match=r"id='disc' is that of a figure of gains, and an id is never used again; choose"
    ):
        publish(tmp_path, never, stamp=replace(STAMP, experiment="other"))


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"stamp": {}}'])
def test_a_damaged_record_is_not_overwritten_in_silence(tmp_path: Path, cheap: None, text: str) -> None:
    (publish(tmp_path).folder / "meta.json").write_text(text)
    with pytest.raises(
        ValueError, match=r"meta\.json is damaged .*; restore it with git, or remove it to publish anew"
    ):
        publish(tmp_path)


def test_a_drawing_is_a_figure_and_is_closed(tmp_path: Path) -> None:
    mine = plt.figure()
    with pytest.raises(TypeError, match=r"draw of disc returned Axes; return the matplotlib Figure"):
        publish(tmp_path, lambda table: plt.subplots()[1])
    with pytest.raises(KeyError, match="height"):
        publish(tmp_path, lambda table: [plt.figure(), table["height"]][0])
    assert plt.get_fignums() == [mine.number]
    plt.close(mine)


def test_a_drawing_cannot_change_the_table(tmp_path: Path) -> None:
    def greedy(table: pd.DataFrame) -> Figure:
        assert list(table.columns) == ["depth", "gain", "kind"]
        table.pop("gain")
        return Figure(figsize=(1, 1))

    publish(tmp_path, greedy)
    assert (tmp_path / "figures/disc/data.csv").read_text().startswith("depth,gain,kind\n")


def test_one_drawing_comes_out_light_and_dark(published: Published) -> None:
    files = contents(published.folder)
    light, dark = (files[name].decode() for name in ("disc.svg", "disc-dark.svg"))
    for name in ("post", "plain"):
        with style.style():
            bright = style.ink(name)
        with style.style(dark=True):
            dim = style.ink(name)
        assert bright in light
        assert dim in dark
        assert bright not in dark
    assert "fill: #ffffff" in light
    assert "#ffffff" not in dark  # the page shows through


def many(n: int) -> Callable[[pd.DataFrame], Figure]:
    def draw(table: pd.DataFrame) -> Figure:
        x = np.random.default_rng(0).normal(size=(2, n))
        figure, axes = plt.subplots(1, 3, figsize=(3, 1))
        axes[0].scatter(*x, s=4, linewidths=0)
        axes[1].plot(*x, "o")
        axes[2].pcolormesh(x[0, : n // 20 * 20].reshape(20, -1))
        for axis in axes:
            axis.set_axis_off()
        return figure

    return draw


def test_very_many_marks_are_a_picture_inside_the_vector_file() -> None:
    few, lots = (figures._drawings("many", many(n), TABLE, "alt") for n in (1000, 2500))
    assert few["many.svg"].count(b"<image") == 0
    assert lots["many.svg"].count(b"<image") == 3
    assert len(lots["many.svg"]) < len(few["many.svg"]) / 2


def test_a_long_line_stays_a_line() -> None:
    def draw(table: pd.DataFrame) -> Figure:
        figure, axis = plt.subplots(figsize=(1, 1))
        axis.plot(np.sin(np.arange(5000)))
        return figure

    assert b"<image" not in figures._drawings("line", draw, TABLE, "alt")["line.svg"]


# HTML ----------------------------------------------------------------------------------------------------------------


def parsed(html: str) -> BeautifulSoup:
    return BeautifulSoup(html, "html.parser")


def one(soup: BeautifulSoup | Tag, *names: str, **attributes: str) -> Tag:
    found = soup.find_all(*names, **attributes)  # type: ignore[arg-type]
    assert len(found) == 1
    assert isinstance(found[0], Tag)
    return found[0]


def test_a_notebook_shows_the_figure(published: Published) -> None:
    data, metadata = published._repr_mimebundle_()
    assert metadata == {"resnet_lib": provenance.sealed("figure", published.meta)}
    assert data["text/plain"] == f"Figure disc: {WORDS['caption']}"
    soup = parsed(data["text/html"])
    image = one(soup, "img")
    assert (image["src"], image["alt"], image["loading"]) == ("../figures/disc/disc.svg", WORDS["alt"], "lazy")
    assert one(soup, "figcaption").get_text() == r"The gain of \(I+J\) for \(a<b\) & <more>."
    assert len(soup.find_all("span", class_="math")) == 2
    for part in (STAMP.commit[:12], STAMP.created[:4]):  # another run of the same code would show another one
        assert part not in data["text/html"]


def test_the_page_shows_both_images_and_the_provenance(published: Published) -> None:
    soup = parsed(figures.html(published.meta, prefix="figures", provenance=True))
    figure = one(soup, "figure", id="fig-disc")
    shown = [(image["class"], image["src"], image["alt"]) for image in figure.find_all("img")]
    assert shown == [
        (["only-light"], "figures/disc/disc.svg", WORDS["alt"]),
        (["only-dark"], "figures/disc/disc-dark.svg", WORDS["alt"]),
    ]
    assert figure.find("figcaption", recursive=False) is not None
    # The theme hides a caption that follows an image of the other theme as its sibling.
    assert figure.find("img", recursive=False) is None
    assert one(soup, "pre").get_text() == (published.folder / "cite.bib").read_text()
    text = one(soup, "details", class_="rl-provenance").get_text(" ")
    for part in (
        "resnet-lib run gains",
        "0123456789abcdef",
        "f" * 16,
        "e" * 16,
        "scale: 0.1, 0.5",
        "0–2",
        "a processor",
    ):
        assert part in text
    assert "shift.values" in text
    assert "python 3.11.1" in text


def test_downloads_exist_and_have_names(published: Published) -> None:
    links = one(parsed(figures.html(published.meta, prefix="..")), "ul").find_all("a")
    assert [link.get_text() for link in links] == ["SVG", "PDF", "PNG", "CSV", "BibTeX"]
    for link in links:
        assert (published.folder / str(link["href"])).resolve().is_file()
        assert link["aria-label"] == f"{link.get_text()} of figure disc"
        assert str(link["download"]).startswith("disc")
    assert len({str(link["download"]) for link in links}) == 5


def test_the_image_has_its_size_before_it_is_there(published: Published) -> None:
    image = one(parsed(figures.html(published.meta)), "img")
    assert (image["width"], image["height"]) == ("192", "144")  # 2 x 1.5 inches at 96 pixels
    width, height = struct.unpack(">II", contents(published.folder)["disc.png"][16:24])
    assert width / height == pytest.approx(192 / 144)


def test_what_a_notebook_shows_does_not_change_with_the_machine(published: Published) -> None:
    elsewhere = replace(STAMP, device="gpu", seconds=1.0, peak_memory=3, versions={"python": "3.13.0"}).as_dict()
    assert figures.html({**published.meta, "stamp": elsewhere}) == figures.html(published.meta)


def test_html_is_escaped(published: Published) -> None:
    meta = {**published.meta, "alt": 'a "b" <i> & c', "caption": "<script>1</script>"}
    soup = parsed(figures.html(meta, provenance=True))
    assert [image["alt"] for image in soup.find_all("img")] == ['a "b" <i> & c'] * 2
    assert soup.find("script") is None


def growing(table: pd.DataFrame) -> alt.Chart:
    size = alt.param(name="size", value=1, bind=alt.binding_range(min=0, max=2, step=1, name="size of the dots "))
    rows = table[["depth"]]
    made = alt.Chart(rows).mark_point(color=style.ink("post")).encode(x="depth:Q").add_params(size)
    return made.properties(title=alt.Title("other dots", subtitle=TRIED["caption"]), description=TRIED["description"])


TRIED = {
    "title": "other dots",
    "caption": "Move the size, and the dots grow with it.",
    "description": "A row of dots by depth, whose size a slider sets.",
}


@pytest.mark.usefixtures("cheap")
def test_an_interactive_version_lies_beside_the_drawing_and_only_the_pages_show_it(tmp_path: Path):
    shown = publish(tmp_path, interactive=growing)
    assert "interactive.js" in shown.written
    assert shown.meta["interactive"] == TRIED
    assert "rl-interactive" not in figures.html(shown.meta)
    unfolded = BeautifulSoup(figures.html(shown.meta, provenance=True), "html.parser").find(class_="rl-try")
    assert isinstance(unfolded, Tag)
    assert [part.get_text() for part in unfolded.find_all(["summary", "p"])] == ["Try it: other dots", TRIED["caption"]]
    place = unfolded.find(class_="rl-interactive")
    assert isinstance(place, Tag)
    assert place["data-script"] == "../figures/disc/interactive.js"
    assert place["data-alt"] == TRIED["description"]


@pytest.mark.usefixtures("cheap")
def test_a_figure_is_spoken_of_by_its_number_where_it_has_one(tmp_path: Path):
    meta = publish(tmp_path).meta
    caption = BeautifulSoup(figures.html(meta, provenance=True, number="16.2"), "html.parser").find("figcaption")
    assert isinstance(caption, Tag)
    assert caption.get_text().startswith("Figure 16.2. ")
    assert "Cite figure 16.2" in figures.html(meta, provenance=True, number="16.2")
    assert "Cite figure disc" in figures.html(meta, provenance=True)
    assert "rl-number" not in figures.html(meta)


@pytest.mark.usefixtures("cheap")
def test_without_one_nothing_of_it_is_said(tmp_path: Path):
    shown = publish(tmp_path)
    assert "interactive" not in shown.meta
    assert "rl-interactive" not in figures.html(shown.meta, provenance=True)
    assert not (shown.folder / "interactive.js").exists()
