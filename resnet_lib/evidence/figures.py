"""This module publishes drawings with their data, their citation and their provenance, at addresses that stay.

It knows tables and Matplotlib figures; it measures nothing.
"""

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from resnet_lib import __version__, files
from resnet_lib.evidence import charts, citations, legible, markup
from resnet_lib.evidence.charts import Chart
from resnet_lib.evidence.style import style
from resnet_lib.files import write_atomically
from resnet_lib.sweep import provenance
from resnet_lib.sweep.provenance import Result

BOOK = "Residual Networks, Tested"
AUTHORS = "The authors of Residual Networks, Tested"
LICENCE = "CC BY 4.0"
FOLDER = "figures"
ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
DOWNLOADS = {"SVG": "{}.svg", "PDF": "{}.pdf", "PNG": "{}.png", "CSV": "data.csv", "BibTeX": "cite.bib"}
MANY = 2000  # marks of one artist; beyond, a vector file is large and slow, and a picture of the marks inside it is not
INTERACTIVE = "interactive.js"
# Fields of a stamp that say when and where a result was computed, not what it is.
CIRCUMSTANCES = ("commit", "dirty", "device", "seconds", "created", "peak_memory")


@dataclass(frozen=True)
class Published:
    """A figure that lies in its folder. A notebook shows it; the metadata of that output carry its record.

    Attributes:
        folder: Where the files are.
        meta: What meta.json says.
        written: Names of the files that were not there already with the same bytes.
    """

    folder: Path
    meta: Mapping[str, Any]
    written: tuple[str, ...]

    def __str__(self) -> str:
        return text(self.meta)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, str], dict[str, Any]]:
        data = {"text/plain": str(self), "text/html": html(self.meta)}
        return data, {"resnet_lib": provenance.sealed("figure", dict(self.meta))}


def publish(
    id: str,
    draw: Callable[[pd.DataFrame], Figure],
    result: Result,
    *,
    caption: str,
    alt: str,
    claims: Sequence[str] = (),
    interactive: Callable[[pd.DataFrame], Chart] | None = None,
    root: Path | None = None,
) -> Published:
    """Draw a table and publish the figure with all that a citation needs.

    `figures/<id>/` gets the figure as SVG (for light and dark pages), PDF and PNG, the table as data.csv, meta.json
    with the stamp and the hashes of these files, and cite.bib. The bytes depend on the table and the drawing alone; a
    file that is equal is not touched, and a stamp that differs only in when and where is not renewed.

    Args:
        id: The figure's name and address, lower-case words joined by hyphens; never used again for another.
        draw: From the table to a figure; it is called once for each style.
        result: The table that is drawn (`result.of(select)` draws a part) and its stamp.
        caption: What is shown; `$...$` is mathematics.
        alt: What a person who cannot see the figure has to know, as plain text.
        claims: The ids of the claims that the figure shows.
        interactive: From the table to an Altair chart with words of its own, whose parameters are bound to inputs
            (`charts`); the pages unfold it below the drawing.
        root: The book's folder; by default the one that the working folder lies in.

    Raises:
        ValueError: An id, text or table that cannot be published, an id that another experiment has, or words in the
            drawing that a page would show smaller than `legible.SMALLEST`, or that lie beyond its edge.
        TypeError: `draw` returned no figure.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from resnet_lib.sweep import results
        >>> found = results.read("stability-methods", files.root())
        >>> told = {"caption": "An empty frame.", "alt": "A frame without a curve in it, to show the call."}
        >>> with TemporaryDirectory() as folder:
        ...     print(publish("demo", lambda table: Figure(), found, root=Path(folder), **told))
        Figure demo: An empty frame.
    """
    _refuse(id, caption, alt, claims, result.table)
    folder = (root or files.root()) / FOLDER / id
    older = read(folder / "meta.json")
    if older and older["stamp"]["experiment"] != result.stamp.experiment:
        raise ValueError(
            f"id={id!r} is that of a figure of {older['stamp']['experiment']}, and an id is never used again; choose "
            f"another for {result.stamp.experiment}, or remove {folder} if the experiment was renamed"
        )
    contents = {"data.csv": result.table.to_csv(index=False, lineterminator="\n").encode()}
    contents |= _drawings(id, draw, result.table, alt)
    words = None
    if interactive:
        contents[INTERACTIVE], words = charts.published(id, interactive, result.table)
    width, height = _size(contents[f"{id}.svg"])
    meta = {
        "id": id,
        "caption": caption,
        "alt": alt,
        "claims": list(claims),
        "width": width,
        "height": height,
        "rows": len(result.table),
        "columns": [str(column) for column in result.table.columns],
        "agrees": {name: how for name in map(str, result.table) if (how := result.agrees.of(name)) != "exact"},
        "sha256": {name: hashlib.sha256(contents[name]).hexdigest() for name in sorted(contents)},
        "book": BOOK,
        "version": __version__,
        "licence": LICENCE,
        "stamp": json.loads(json.dumps(result.stamp.as_dict())),
    }
    if words:
        meta["interactive"] = words
    if older and _without_circumstances(older) == _without_circumstances(meta):
        unchanged = all(_same(folder / name, content) for name, content in contents.items())
        if unchanged and meta["stamp"]["dirty"] >= older["stamp"]["dirty"]:
            meta = older
    contents["cite.bib"] = bibtex(meta).encode()
    contents["meta.json"] = (json.dumps(meta, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
    written = tuple(name for name, content in contents.items() if not _same(folder / name, content))
    for name in written:
        write_atomically(folder / name, contents[name])
    return Published(folder, meta, written)


def _refuse(id: str, caption: str, alt: str, claims: Sequence[str], table: pd.DataFrame) -> None:
    if not ID.fullmatch(id):
        raise ValueError(f"id={id!r} must be lower-case words and digits joined by hyphens, such as eigenvalue-discs")
    if isinstance(claims, str):
        raise ValueError(f"claims={claims!r} must be a sequence of ids; write claims=[{claims!r}]")
    if not caption.strip():
        raise ValueError(f"caption of {id} is empty; say what is shown")
    markup.prose(caption)
    if len(alt.split()) < 4 or len(alt) < 20 or "$" in alt or alt.strip() == caption.strip():
        raise ValueError(
            f"alt={alt!r} of {id} does not stand for the figure; say in plain words, without TeX, what a person who "
            "cannot see it has to know: what is drawn, and what it shows. It is not the caption, which is read as well"
        )
    if table.empty:
        raise ValueError(f"the table of {id} has no rows; check what `result.of` selects")
    if any(name is not None for name in table.index.names) or table.columns.nlevels > 1:
        raise ValueError(
            f"the table of {id} has a named index or nested columns, which data.csv would lose; reset_index()"
        )
    if odd := [str(name) for name, kind in table.dtypes.items() if kind.kind == "c"]:
        raise ValueError(f"the table of {id} has complex columns ({', '.join(odd)}); give real and imaginary part")


def read(path: Path) -> dict[str, Any] | None:
    """The content of a meta.json, or None where there is none.

    Raises:
        ValueError: It is damaged.
    """
    try:
        meta = json.loads(path.read_bytes().decode("utf-8-sig"))
        if missing := {"experiment", "dirty"} - set(meta["stamp"]):
            raise ValueError(f"its stamp has no {missing.pop()}")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}); restore it with git, or remove it to publish anew") from error
    return meta


def altered(folder: Path, meta: Mapping[str, Any]) -> list[str]:
    """The files in a figure's folder that are not those that its meta.json, or its record in a notebook, speaks of."""
    contents = dict(meta.get("sha256") or {"data.csv": ""})  # older versions wrote no hashes
    contents["cite.bib"] = hashlib.sha256(bibtex(meta).encode()).hexdigest()
    paths = {name: folder / name for name in contents}
    found = {name: path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() for name, path in paths.items()}
    return [name for name, digest in contents.items() if found[name] != digest]


def _without_circumstances(meta: Mapping[str, Any]) -> dict[str, Any]:
    stamp = {name: value for name, value in meta["stamp"].items() if name not in CIRCUMSTANCES}
    return {**meta, "stamp": stamp}


def _same(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _drawings(id: str, draw: Callable[[pd.DataFrame], Figure], table: pd.DataFrame, alt: str) -> dict[str, bytes]:
    title, contents = f"{BOOK}: figure {id}", {}
    # Without dates, and with a salt of its own, a drawing has the same bytes in every process.
    formats = {
        "svg": {"Title": title, "Description": alt, "Rights": LICENCE, "Date": None},
        "pdf": {"Title": title, "Subject": alt, "CreationDate": None},
        "png": {"Title": title, "Description": alt},
    }
    for dark in (False, True):
        with style(dark=dark), mpl.rc_context({"svg.hashsalt": id}), _closing_figures():
            figure = draw(table.copy())
            if not isinstance(figure, Figure):
                raise TypeError(f"draw of {id} returned {type(figure).__name__}; return the matplotlib Figure")
            _rasterise(figure)
            legible.refuse_small_text(id, figure)
            # Laid out once, by Agg: with the backend that is in use, text has other extents, and every byte follows.
            # All files agree, and each is drawn once instead of twice.
            FigureCanvasAgg(figure).figure.draw_without_rendering()
            legible.refuse_cut_off(id, figure)
            with mpl.rc_context({"figure.constrained_layout.use": False, "figure.autolayout": False}):
                figure.set_layout_engine()  # none from here on
            for kind, metadata in formats.items():
                if not dark or kind == "svg":
                    buffer = io.BytesIO()
                    figure.savefig(buffer, format=kind, metadata=metadata)
                    contents[f"{id}{'-dark' if dark else ''}.{kind}"] = buffer.getvalue()
    return contents


@contextmanager
def _closing_figures() -> Iterator[None]:
    """Close what is drawn with pyplot, also where the drawing fails: a notebook would show it a second time."""
    import matplotlib.pyplot as plt  # not on import of this module: pyplot chooses a backend

    before = set(plt.get_fignums())
    try:
        yield
    finally:
        for number in set(plt.get_fignums()) - before:
            plt.close(number)


def _rasterise(figure: Figure) -> None:
    """Let artists of very many marks be pictures inside the vector files; axes, text and lines stay vectors."""
    for line in figure.findobj(Line2D):
        if np.size(line.get_xdata()) > MANY and line.get_marker() not in ("None", "none", " ", "", None):
            line.set_rasterized(True)
    for collection in figure.findobj(Collection):
        colours = collection.get_array()  # the cells of a mesh
        counts = (
            np.shape(collection.get_offsets())[0],
            len(collection.get_paths()),
            0 if colours is None else np.size(colours),
        )
        if max(counts) > MANY:
            collection.set_rasterized(True)


def _size(svg: bytes) -> tuple[int, int]:
    """Width and height in CSS pixels, of which a Matplotlib point has 4/3."""
    match = re.search(rb'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert match is not None  # Matplotlib writes it into every file
    return round(float(match[1]) * 4 / 3), round(float(match[2]) * 4 / 3)


def bibtex(meta: Mapping[str, Any], address: str = "") -> str:
    """The BibTeX entry of a figure, from its meta.json; with the address of its page where it has one."""
    stamp = meta["stamp"]
    commit = "" if stamp["commit"] == "unknown" else f"Commit {stamp['commit'][:12]}. "
    fields = {
        "author": f"{{{AUTHORS}}}",
        "title": f"{{{meta['book']}}}: figure {meta['id']}",
        "howpublished": f"Jupyter Book, version {meta['version']}, figures/{meta['id']}",
        "year": stamp["created"][:4],
        "note": f"{commit}Licence: {meta['licence']}",
    }
    return citations.entry(citations.key(meta["id"], fields["year"]), fields | ({"url": address} if address else {}))


def text(meta: Mapping[str, Any]) -> str:
    """A figure in words, from its meta.json."""
    return f"Figure {meta['id']}: {meta['caption']}"


def html(meta: Mapping[str, Any], *, prefix: str = "../figures", provenance: bool = False, number: str = "") -> str:
    """A figure as HTML, from its meta.json: image, caption, downloads, citation.

    Args:
        meta: As in meta.json, and in the metadata of a displayed `Published`.
        prefix: Where the folder of figures is, as seen from the page.
        provenance: For the pages: with the stamp, and with the image for a dark page beside the other; the theme shows
            one of the two. A notebook has no theme, and gets the light one.
        number: The figure's number in the book, such as `16.2`; a notebook does not know it.
    """
    downloads = {kind: name.format(meta["id"]) for kind, name in DOWNLOADS.items()}
    folder = f"{prefix}/{meta['id']}"
    return markup.render(
        "figure.html",
        meta=meta,
        folder=folder,
        spoken=f"figure {number or meta['id']}",
        number=number,
        downloads=downloads,
        citation=bibtex(meta),
        provenance=provenance,
        script=f"{folder}/{INTERACTIVE}" if provenance and meta.get("interactive") else "",
    )
