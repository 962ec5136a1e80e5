"""Measure the built pages as a reader meets them, and print two tables: sizes and times, and words.

    python -m tests.pages.measure                          all pages but those of code, claims and figures
    python -m tests.pages.measure ledger.html --loads 5    one of them, loaded five times in each width

A page is loaded wide and on a phone, from a server on this machine, by a processor that is made four times as slow
(`--slower 4`). It is ready when its last task of more than 50 ms has ended; that depends on what else the machine does,
so of several loads the least is told, and no test asks for it. Work is what the page's own thread computes until then,
in seconds of such a processor, and other processes lengthen it little. Shifts are those that a browser counts while a
page loads, rows the claims of a chapter, folded, and stops what the tabulator key comes to.
"""

import argparse
import functools
import gzip
import statistics
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup, Tag
from playwright.sync_api import Browser, Response

from tests import servers
from tests.pages import reading, visits

BUILT = Path(__file__).parents[2] / "_build/html"
SLOWER = 4  # times, as a phone's processor is to a desk's
WIDTHS = {"wide": (1400, 900), "phone": (390, 844)}
SIZES = (
    *("page", "MB / compressed", "height 1400 / 390", "nodes", "paint, s", "ready, s (390)", "work, s (390)"),
    *("shift (390)", "rows: median height", "rows, % of the height", "figures, %", "stops (formulas)"),
)
WORDS = ("page", "words of prose", "of rows, folded", "unfolded", "of provenance in them", "longest paragraph")
TEXTS = (".html", ".js", ".css", ".svg", ".json", "/")
WATCH = """
window.rlSeen = {ready: 0, shift: 0, paint: 0};
const watch = (type, each) => new PerformanceObserver(list => list.getEntries().forEach(each))
  .observe({type, buffered: true});
watch('longtask', task => { rlSeen.ready = Math.max(rlSeen.ready, task.startTime + task.duration) });
watch('layout-shift', moved => { if (!moved.hadRecentInput) rlSeen.shift += moved.value });
watch('paint', paint => { if (paint.name === 'first-contentful-paint') rlSeen.paint = paint.startTime });
"""
# For two seconds there was no long task.
QUIET = "() => document.readyState === 'complete' && performance.now() - Math.max(rlSeen.ready, rlSeen.paint) > 2000"
MEASURED = """() => {
  const heights = all => [...document.querySelectorAll(all)].map(part => part.getBoundingClientRect().height);
  const sum = numbers => numbers.reduce((a, b) => a + b, 0);
  const article = sum(heights('article.bd-article')) || 1;
  const stops = [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex]')];
  const reached = stops.filter(part => part.tabIndex >= 0 && !part.disabled && part.checkVisibility());
  return {
    ready: Math.max(rlSeen.ready, rlSeen.paint) / 1000, paint: rlSeen.paint / 1000, shift: rlSeen.shift,
    height: document.documentElement.scrollHeight, nodes: document.querySelectorAll('*').length,
    rows: heights('.rl-card'), claims: sum(heights('.rl-card')) / article,
    figures: sum(heights('.rl-figure')) / article,
    stops: reached.length, formulas: reached.filter(part => part.closest('math, mjx-container, .math')).length,
  };
}"""


@dataclass(frozen=True)
class Load:
    """One load of a page: what its browser measured, and the bytes that came."""

    told: dict[str, Any]
    size: int
    compressed: int


def load(browser: Browser, url: str, size: str, slower: float) -> Load:
    """Load a page with an empty cache, and wait until nothing happens any more."""
    width, height = WIDTHS[size]
    context = browser.new_context(viewport={"width": width, "height": height})
    page, came = context.new_page(), list[Response]()
    context.add_init_script(WATCH)
    page.set_default_timeout(1000 * visits.PATIENCE)
    page.on("response", lambda response: came.append(response))
    session = context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    session.send("Emulation.setCPUThrottlingRate", {"rate": slower})
    page.goto(url)
    page.wait_for_load_state("networkidle")
    page.wait_for_function(QUIET)
    counted = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    told = page.evaluate(MEASURED) | {"work": counted["TaskDuration"] * SLOWER / slower}
    bodies = [(response.url.partition("?")[0], response.body()) for response in came if response.ok]
    context.close()
    sent = [gzip.compress(body, 6) if name.endswith(TEXTS) else body for name, body in bodies]
    return Load(told, sum(len(body) for _, body in bodies), sum(map(len, sent)))


def sizes(name: str, wide: list[Load], phone: list[Load]) -> str:
    """A line of the first table."""

    def least(found: list[Load], what: str) -> float:
        return min(each.told[what] for each in found)

    one, small = wide[0].told, phone[0].told
    heights = [f"{statistics.median(told['rows']):.0f}" if told["rows"] else "–" for told in (one, small)]
    return "| " + " | ".join(
        (
            name.removesuffix(".html"),
            f"{wide[0].size / 1e6:.2f} / {wide[0].compressed / 1e6:.2f}",
            f"{one['height']:,} / {small['height']:,}",
            f"{one['nodes']:,}",
            f"{least(wide, 'paint'):.1f}",
            f"{least(wide, 'ready'):.1f} ({least(phone, 'ready'):.1f})",
            f"{least(wide, 'work'):.1f} ({least(phone, 'work'):.1f})",
            f"{least(wide, 'shift'):.2f} ({least(phone, 'shift'):.2f})",
            f"{len(one['rows'])}: {' / '.join(heights)}",
            f"{100 * one['claims']:.0f} / {100 * small['claims']:.0f}",
            f"{100 * one['figures']:.0f}",
            f"{one['stops']} ({one['formulas']})",
        )
    ) + " |"  # fmt: skip


def told(tags: Iterable[Tag]) -> int:
    """Words in all of these and in what stands in them."""
    return sum(reading.words(part) for tag in tags for part in (tag, *tag.find_all(reading.APART)))


def words(path: Path, name: str) -> str:
    """A line of the second table."""
    soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    paragraphs = list(reading.paragraphs(soup))
    prose = [one for one in paragraphs if not one.find_parent(class_=("rl-card", "rl-figure", "cell_output"))]
    rows = soup.select(".rl-card")
    folded = told(part for row in rows for part in row.select(".rl-head, .rl-row"))
    longest = max(map(reading.words, paragraphs), default=0)
    counts = (sum(map(reading.words, prose)), folded, told(rows), told(soup.select(".rl-card .rl-provenance")), longest)
    return f"| {name.removesuffix('.html')} | " + " | ".join(f"{count:,}" for count in counts) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("pages", nargs="*", help="their addresses below the front page")
    parser.add_argument("--built", type=Path, default=BUILT, help="folder of the built pages")
    parser.add_argument("--loads", type=int, default=1, help="loads of each page in each width")
    parser.add_argument("--slower", type=float, default=SLOWER, help="how many times the processor is slowed down")
    parser.add_argument("--chromium", help="the browser to take")
    chosen = parser.parse_args()
    browser = visits.installed(chosen.chromium)
    if browser is None or not (chosen.built / "index.html").is_file():
        sys.exit(f"there have to be pages in {chosen.built} (make html) and a browser: {visits.INSTALL}")
    code = ("library", "search")
    names = chosen.pages or [name for name in visits.names(chosen.built) if not name.startswith(code)]
    print(f"| {' | '.join(SIZES)} |\n|:--|{'--:|' * (len(SIZES) - 1)}")
    heights: dict[str, list[float]] = {size: [] for size in WIDTHS}
    serves = servers.Server(functools.partial(servers.Files, directory=str(chosen.built)))
    with servers.serving(serves) as server, visits.chromium(browser) as launched:
        for name in names:
            found = {
                size: [load(launched, server.address + name, size, chosen.slower) for _ in range(chosen.loads)]
                for size in WIDTHS
            }
            print(sizes(name, **found), flush=True)
            for size, rows in heights.items():
                rows += found[size][0].told["rows"]
    if heights["wide"]:
        medians = " / ".join(f"{statistics.median(rows):.0f}" for rows in heights.values())
        print(f"\n{len(heights['wide'])} rows of claims, whose median height is {medians}")
    print(f"\n| {' | '.join(WORDS)} |\n|:--|{'--:|' * (len(WORDS) - 1)}")
    for name in names:
        print(words(chosen.built / name, name))


if __name__ == "__main__":
    main()
