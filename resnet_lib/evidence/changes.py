"""What has changed of a claim since it was first published, as CHANGELOG.md tells it; knows neither verdicts nor pages.

The file is read, and no version control, so that a copy of the book without its history tells the same.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from resnet_lib.evidence import formulas

FILE = "CHANGELOG.md"
ENTRY = re.compile(r"^- (.*(?:\n  .*)*)", re.MULTILINE)
SPAN = re.compile(r"`([^`\n]+)`")
EMPHASIS = re.compile(r"\*([^*\n]+)\*")


@dataclass(frozen=True)
class History:
    """What a changelog tells of a claim, in its order.

    Attributes:
        own: The entries that name the claim.
        shared: Those that name its statement alone, such as the number of draws of all its claims.
    """

    own: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()


def read(root: Path) -> list[str]:
    """The entries of the changelog in a folder, one line each; none where there is no changelog."""
    path = root / FILE
    return entries(path.read_text(encoding="utf-8")) if path.is_file() else []


def entries(text: str) -> list[str]:
    r"""The items of the lists of a changelog, one line each.

    Example:
        >>> entries("# Changes\n\n- One\n  of two lines.\n- Another.\n")
        ['One of two lines.', 'Another.']
    """
    return [" ".join(found[1].split()) for found in ENTRY.finditer(text)]


def named(entry: str) -> list[str]:
    """What an entry names between backticks, short forms written out: `.far` is a claim of the statement before it.

    Example:
        >>> named("`mult-add.sum` and `.updates`, and all of `mult-add`")
        ['mult-add.sum', 'mult-add.updates', 'mult-add']
    """
    found, statement = [], ""
    for word in SPAN.findall(entry):
        found.append(statement + word if word.startswith(".") else word)
        statement = found[-1].partition(".")[0]
    return found


def histories(told: Sequence[str], claims: Iterable[str]) -> Mapping[str, History]:
    """What the entries tell of each claim; `drop-graceful.published-*` names all claims that begin so.

    Args:
        told: The entries of the changelog.
        claims: The ids of all claims.
    """
    words = [(entry, set(named(entry))) for entry in told]
    begun = {entry: tuple(word[:-1] for word in found if word.endswith("*")) for entry, found in words}
    made = {}
    for id in claims:
        own = [entry for entry, found in words if id in found or id.startswith(begun[entry])]
        shared = [entry for entry, found in words if id.partition(".")[0] in found and entry not in own]
        made[id] = History(tuple(own), tuple(shared))
    return made


def told(entry: str, link: Callable[[str], str | None] = lambda name: None) -> Markup:
    """HTML of an entry: formulas set, names between backticks as code, words between asterisks emphasised.

    Args:
        entry: Of the changelog, on one line.
        link: From what is named, short forms written out, to an address; None leaves it as it is.

    Example:
        >>> print(told("*As* `before`, see `a.b`", {"a.b": "there/"}.get))
        <em>As</em> <code>before</code>, see <a href="there/"><code>a.b</code></a>
    """
    names, html, end = iter(named(entry)), Markup(), 0
    for found in SPAN.finditer(entry):
        html += _emphasised(entry[end : found.start()])
        code, address = Markup("<code>{}</code>").format(found[1]), link(next(names))
        html += Markup('<a href="{}">{}</a>').format(address, code) if address else code
        end = found.end()
    return html + _emphasised(entry[end:])


def _emphasised(text: str) -> Markup:
    return Markup(EMPHASIS.sub(r"<em>\1</em>", str(formulas.static(text))))
