"""The built pages as files: links, anchors, images, downloads, and nothing that comes from another host."""

import gzip
import importlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pandas as pd
import pytest
from bs4 import BeautifulSoup, Tag
from fontTools.ttLib import TTFont
from PIL import Image

from resnet_lib.evidence import ledger
from tests import books

pytestmark = pytest.mark.book
ROOT = Path(__file__).parents[2]

# Elements that fetch: each with the attributes that say what.
FETCHING = {
    "script": ["src"],
    "link": ["href"],
    "img": ["src", "srcset"],
    "iframe": ["src"],
    "source": ["src", "srcset"],
    "video": ["src", "poster"],
    "audio": ["src"],
    "object": ["data"],
    "embed": ["src"],
    "use": ["href", "xlink:href"],
    "image": ["href", "xlink:href"],
}
NETWORKS = "jsdelivr|unpkg|cdnjs|cloudflare|googleapis|gstatic|mybinder|mathjax\\.org"
HOSTS = re.compile(rf"(?:https?:)?//[\w.-]*(?:{NETWORKS})[\w.]*")
REMOTE_STYLE = re.compile(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')]+)")
FILES = ("{}.svg", "{}.pdf", "{}.png", "data.csv", "cite.bib")


def none(wrong: list[str]) -> None:
    """Fail with all that is wrong, not only the first."""
    assert not wrong, "\n" + "\n".join(wrong)


class Pages:
    """The pages of the book, parsed once."""

    def __init__(self, folder: Path):
        self.folder = folder
        names = (path.relative_to(folder) for path in sorted(folder.rglob("*.html")))
        self.soups = {
            name.as_posix(): BeautifulSoup((folder / name).read_text(encoding="utf-8"), "html.parser")
            for name in names
            if name.parts[0] not in ("_static", "_sources")
        }
        self.anchors = {name: {str(tag["id"]) for tag in soup.find_all(id=True)} for name, soup in self.soups.items()}

    def each(self, *tags: str) -> Iterator[tuple[str, Tag]]:
        for name, soup in self.soups.items():
            for tag in soup.find_all(tags):
                yield name, tag

    def complaint(self, page: str, reference: str) -> str:
        """Why a reference that stands on `page` leads nowhere, or "" where it does not."""
        parts = urlsplit(reference)
        if parts.scheme or parts.netloc:
            return ""
        path = unquote(urlsplit(urljoin(f"/{page}", parts.path or f"/{page}")).path).lstrip("/")
        target = self.folder / path
        if target.is_dir():
            target, path = target / "index.html", f"{path.rstrip('/')}/index.html".lstrip("/")
        if not target.is_file():
            return f"{page}: {reference} leads to no file"
        anchor = unquote(parts.fragment).partition("?")[0]  # behind it is the state of a chart
        if anchor and path in self.anchors and anchor not in self.anchors[path]:
            return f"{page}: {reference} leads to no anchor"
        return ""


@pytest.fixture(scope="module")
def pages(built: Path) -> Pages:
    return Pages(built)


def test_every_link_and_anchor_leads_somewhere(pages: Pages):
    links = [(page, str(tag["href"])) for page, tag in pages.each("a") if tag.get("href")]
    assert len(links) > 20
    none([why for page, href in links if (why := pages.complaint(page, href))])


def test_every_page_is_in_the_search_index(pages: Pages):
    index = books.index(pages.folder)
    alone = ("figures/", "claims/")  # pages of single figures and claims, which chapter, ledger and gallery hold, too
    names = (name.removesuffix(".html") for name in pages.soups if not name.startswith(alone))
    written = set(names) - {"search", "genindex"}
    none([f"{name} is not in it" for name in written - set(index["docnames"])])
    words = [*index["terms"].values(), *index["titleterms"].values()]
    places = (found if isinstance(found, list) else [found] for found in words)
    found = {number for numbers in places for number in numbers}
    none([f"no word of {name} is in it" for i, name in enumerate(index["docnames"]) if i not in found])


def test_no_anchor_is_given_twice(pages: Pages):
    found = []
    for name, soup in pages.soups.items():
        ids = [str(tag["id"]) for tag in soup.find_all(id=True)]
        found += [f"{name}: {identity}" for identity in sorted(set(ids)) if ids.count(identity) > 1]
    none(found)


def test_every_image_exists_and_says_what_it_shows(pages: Pages):
    images = list(pages.each("img"))
    assert images
    none([why for page, tag in images if (why := pages.complaint(page, str(tag["src"])))])
    none([f"{page}: {tag['src']} has no alt" for page, tag in images if "alt" not in tag.attrs])
    shown = [(page, tag) for page, tag in images if "/figures/" in f"/{tag['src']}"]
    none([f"{page}: {tag['src']} says too little: {tag['alt']}" for page, tag in shown if len(str(tag["alt"])) < 20])


def test_nothing_is_fetched_from_another_host(pages: Pages):
    fetched = [
        (page, tag.name, str(tag[attribute]))
        for page, tag in pages.each(*FETCHING)
        for attribute in FETCHING[tag.name]
        if tag.get(attribute) and "canonical" not in (tag.get("rel") or [])
    ]
    assert len(fetched) > 20
    none([f"{page}: {name} {url}" for page, name, url in fetched if urlsplit(url).netloc])
    none([why for page, _, url in fetched if (why := pages.complaint(page, url))])


def test_every_character_of_a_formula_is_in_the_font_that_comes_with_the_pages(pages: Pages, built: Path):
    """What is missing there would be set in whatever font a reader has: CONTRIBUTING.md says how to add it."""
    known = set(map(chr, TTFont(built / "_static/fonts/STIXTwoMath.woff").getBestCmap() or {}))
    italic = {chr(i): chr(0x1D434 + n) for n, i in enumerate([*range(65, 91), *range(97, 123)])} | {"h": "ℎ"}
    missing = {}
    for page, soup in pages.soups.items():
        for part in soup.select("math mi, math mo, math mn, math mtext"):
            text = part.get_text()
            if part.name == "mi" and len(text) == 1 and not part.get("mathvariant"):
                text = italic.get(text, text)
            missing |= dict.fromkeys(set(text) - known - set(" \u2061"), page)
    assert missing == {}


def test_no_page_and_no_style_names_a_content_network(pages: Pages):
    found = []
    for path in sorted(pages.folder.rglob("*")):
        if path.suffix == ".html" or (path.suffix == ".css" and path.is_file()):
            text = path.read_text(encoding="utf-8")
            found += [f"{path.relative_to(pages.folder)}: {host}" for host in HOSTS.findall(text)]
            if path.suffix == ".css":
                found += [f"{path.name}: {url}" for url in REMOTE_STYLE.findall(text)]
    none(found)


def test_every_chapter_shows_its_statements_in_their_words_and_when_they_are_true(pages: Pages):
    evidence = ledger.read(ROOT)
    wrong = []
    for statement in evidence.ledger.statements:
        page = f"{evidence.chapters[statement.chapter].page}.html"
        said = [
            tag for tag in pages.soups[page].select(".rl-said") if tag.select(f'code:-soup-contains("{statement.id}")')
        ]
        texts = [" ".join(tag.get_text(" ").split()) for tag in said]
        for words in (statement.statement, statement.when):
            plain = max(re.split(r"\$[^$]*\$", words), key=len).strip()
            if not any(plain in text for text in texts):
                wrong.append(f"{page}: {statement.id} does not say {plain!r}")
        for shown in ("index.html", "ledger.html"):
            plain = max(re.split(r"\$[^$]*\$", statement.when), key=len).strip()
            if plain not in " ".join(pages.soups[shown].get_text(" ").split()):
                wrong.append(f"{shown}: {statement.id} does not say when")
    none(wrong)


def test_every_figure_offers_all_its_files(built: Path):
    folders = sorted(path for path in (built / "figures").iterdir() if path.is_dir())
    assert folders
    for folder in folders:
        name = folder.name
        for svg in (f"{name}.svg", f"{name}-dark.svg"):
            assert "<svg" in (folder / svg).read_text(encoding="utf-8")[:2000], svg
        assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF-")
        with Image.open(folder / f"{name}.png") as image:
            assert image.format == "PNG"
            assert min(image.size) > 200
        assert len(pd.read_csv(folder / "data.csv")) > 0
        assert (folder / "cite.bib").read_text(encoding="utf-8").lstrip().startswith("@")
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        assert meta["id"] == name
        assert len(meta["alt"]) >= 20


def test_every_figure_is_shown_with_its_downloads(pages: Pages, built: Path):
    index = pages.soups["figure-index.html"]
    offered = {str(tag["href"]) for tag in index.find_all("a", href=True)}
    for folder in (built / "figures").iterdir():
        name = folder.name
        wanted = {f"figures/{name}/{file.format(name)}" for file in FILES}
        assert wanted - offered == set(), f"figure-index.html does not offer {sorted(wanted - offered)}"


def test_a_figure_has_the_same_number_wherever_it_is_shown(pages: Pages):
    """On the page of its chapter, where they count up, among all figures, and on its own page."""

    def numbers(soup: BeautifulSoup) -> dict[str, str]:
        found = {
            str(tag["id"]).removeprefix("fig-"): tag.find(class_="rl-number")
            for tag in soup.find_all("figure", id=True)
        }
        return {name: number.get_text() for name, number in found.items() if number}

    chapters = {name: numbers(soup) for name, soup in pages.soups.items() if name.startswith("chapters/")}
    for name, found in chapters.items():
        chapter = int(name.removeprefix("chapters/").partition("_")[0])
        assert list(found.values()) == [f"Figure {chapter}.{n}." for n in range(1, len(found) + 1)], name
    known = {name: number for found in chapters.values() for name, number in found.items()}
    assert len(known) > 20
    assert numbers(pages.soups["figure-index.html"]) == known
    for name, number in known.items():
        (title,) = pages.soups[f"figures/{name}/index.html"].find_all("h1")
        assert title.get_text().startswith(f"{number.rstrip('.')} ")
    for soup in pages.soups.values():
        for link in soup.find_all("a", class_="rl-ref"):
            assert known[str(link["href"]).partition("#fig-")[2]] == f"{' '.join(link.get_text().split())}."


def test_pages_and_figures_say_nothing_of_the_machine_that_built_them(built: Path):
    home = str(Path(__file__).parents[2]).encode()
    files = [path for path in built.rglob("*") if path.is_file()]
    none([str(path.relative_to(built)) for path in files if home in path.read_bytes()])


def test_no_line_of_code_in_the_way_in_is_longer_than_its_box(pages: Pages):
    """Whose 77 characters are those of a window of 1280 pixels; comments at the end of longer lines were cut."""
    code = [line for block in pages.soups["running.html"].select("main pre") for line in block.get_text().splitlines()]
    assert len(code) > 50
    none([line for line in code if len(line) > 77])


def test_what_unfolds_is_called_by_the_words_that_one_sees_on_it(pages: Pages):
    """Or by more of them: of many claims each says of which it is."""
    found = [(page, tag) for page, tag in pages.each("summary") if not tag.find_parent("nav")]
    assert len(found) > 500
    none([f"{page}: {tag}" for page, tag in found if not tag.get_text().strip() and not tag.get("aria-label")])
    names = [(page, tag.get("aria-label")) for page, tag in found if tag.get("aria-label")]
    none([f"{page}: {name} is the name of {n}" for (page, name), n in Counter(names).items() if n > 1])


def test_every_icon_is_drawn_in_the_page_and_no_page_loads_a_script_for_them(pages: Pages):
    wrong, seen = [], 0
    for name, soup in pages.soups.items():
        icons = soup.select("[class*='fa-']:not(svg)")
        seen += len(icons)
        wrong += [f"{name}: {icon}" for icon in icons if not icon.select_one("svg.svg-inline--fa > path[d]")]
        wrong += [f"{name} loads {tag['src']}" for tag in soup.find_all("script", src=re.compile("fontawesome"))]
    none(wrong)
    assert seen > 100


def test_a_page_weighs_at_most_600_kilobytes_compressed_without_charts(pages: Pages):
    sizes = {}
    for name, soup in pages.soups.items():
        page = pages.folder / name
        files = {page} | {
            (page.parent / unquote(urlsplit(str(tag[attribute])).path)).resolve()
            for kind, attribute in (("script", "src"), ("link", "href"))
            for tag in soup.select(f"{kind}[{attribute}]")
            if re.search(r"\.(?:js|css)(?:\?|$)", str(tag[attribute]))
        }
        sizes[name] = sum(len(gzip.compress(file.read_bytes())) for file in files)
    none([f"{name}: {size / 1000:.0f} kB" for name, size in sizes.items() if size > 600_000])


def test_the_formulas_of_a_chapter_are_set_while_the_pages_are_made(pages: Pages):
    """A script that sets them weighs more than all else that a chapter loads, and makes each of them a tab stop."""
    chapters = {name: soup for name, soup in pages.soups.items() if name.startswith("chapters/")}
    assert sum(len(soup.select("math")) for soup in chapters.values()) > 1000
    none([f"{name}: {tag.get_text()}" for name, soup in chapters.items() for tag in soup.select(".math")])
    none(
        [
            f"{name} loads {tag['src']}"
            for name, tag in pages.each("script")
            if name in chapters and "mathjax" in str(tag)
        ]
    )


def test_equations_count_within_their_chapter_and_are_cited_by_that_number(pages: Pages):
    known, cited = {}, 0
    for name, soup in pages.soups.items():
        counted = soup.select("[id^=equation-]:has(.eqno)")
        numbers = [one.select(".eqno")[0].get_text().removesuffix("#") for one in counted]
        if counted:
            chapter = int(name.removeprefix("chapters/")[:2])
            assert numbers == [f"({chapter}.{n})" for n in range(1, len(counted) + 1)], name
        known |= {(name, str(one["id"])): number for one, number in zip(counted, numbers, strict=True)}
    assert len(known) > 50
    for name, soup in pages.soups.items():
        for link in soup.select("a[href*='#equation-']:not(.headerlink)"):
            page, _, anchor = str(link["href"]).partition("#")
            assert link.get_text() == known[urljoin(name, page) if page else name, anchor], (name, anchor)
            cited += 1
    assert cited > 50


def test_every_chapter_has_its_number_in_the_list_in_its_heading_and_on_the_front_page(pages: Pages):
    chapters = sorted(name for name in pages.soups if name.startswith("chapters/"))
    assert len(chapters) >= 10
    for name in chapters:
        number = str(int(name.removeprefix("chapters/")[:2]))
        headings = pages.soups[name].select("h1")
        assert headings
        assert all(heading.get_text().split()[0] == number for heading in headings), name
        for other, soup in pages.soups.items():
            if other.split("/")[0] not in ("figures", "claims"):
                here = "='#'" if other == name else f"$='{Path(name).name}'"
                (entry,) = soup.select(f"nav.bd-links a[href{here}]")
                assert entry.get_text().split()[0] == number, (other, name)
    cards = pages.soups["index.html"].select(".rl-finding")
    assert [card.select_one("a")["href"] for card in cards] == chapters  # pyright: ignore[reportOptionalSubscript]
    assert all(re.search(r"\d+ minutes; \d+ (statement|claim)", card.get_text()) for card in cards)


@pytest.mark.parametrize(
    ("extension", "verb"),
    [
        ("chapter_numbers", "numbered"),
        ("icons", "without_script"),
        ("finding", "without_index"),
        ("hidden_cells", "named"),
    ],
)
def test_what_is_done_to_finished_pages_changes_nothing_when_it_is_done_again(
    built: Path, extension: str, verb: str, monkeypatch: pytest.MonkeyPatch
):
    """A build that is cut off leaves pages that are finished and pages that are not; the next one takes up both."""
    monkeypatch.syspath_prepend(ROOT / "_ext")
    done = getattr(importlib.import_module(extension), verb)
    for path in [built / "ledger.html", built / "index.html", *sorted((built / "chapters").glob("*.html"))]:
        page = path.read_text(encoding="utf-8")
        assert done(page, path.relative_to(built).as_posix()) == page, path.name


def test_a_page_has_other_names_of_the_words_that_it_uses_and_of_no_others(pages: Pages, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "_ext")
    names = importlib.import_module("finding").OTHERWISE
    have = {}
    for name, soup in pages.soups.items():
        if keywords := soup.select_one("meta[name=keywords]"):
            have[name] = set(str(keywords["content"]).split(", "))
    assert {"batchnorm", "skip", "ablation", "normalization"} <= set().union(*have.values())
    for word, others in names.items():
        with_them = {name for name, found in have.items() if set(others) <= found}
        assert 0 < len(with_them) < len(pages.soups), word  # each is used, and none is on every page
        for name in with_them:
            assert re.search(rf"\b{word}", pages.soups[name].get_text(" "), re.IGNORECASE), (name, word)
    assert "differential" not in have["chapters/07_lipschitz_bounds.html"]  # it has codes and models, and no ODE


def test_the_index_of_the_search_comes_with_the_page_that_searches_alone(pages: Pages):
    with_it = {name for name, tag in pages.each("script") if "searchindex" in str(tag.get("src"))}
    assert with_it == {"search.html"}


def test_the_code_of_a_chapter_leads_to_the_library(built: Path) -> None:
    """By links that `codeautolink` sets; that there is something where they lead is tested with all other links."""
    page = (built / "chapters/16_dropping_blocks.html").read_text(encoding="utf-8")
    for verb in ("sweep.html#resnet_lib.sweep.runner.run", "analysis.html#resnet_lib.analysis.lesion.delete"):
        assert f'<a class="sphinx-codeautolink-a" href="../library/{verb}"' in page
    made = (built / "library/analysis.html").read_text(encoding="utf-8")
    assert 'id="resnet_lib.analysis.lesion.delete"' in made
    assert "|log" not in made
    assert "$" not in re.sub(r"<(script|pre|code|style)\b.*?</\1>", "", made, flags=re.DOTALL)
