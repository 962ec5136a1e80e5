"""This module packs the book's evidence as an RO-Crate: results, figures, ledger and environment, told to machines.

Every CSV in it has a Frictionless table schema, in `datapackage.json`. The crate is what an archive with a DOI takes.
"""

import csv
import hashlib
import importlib.metadata
import io
import json
import platform
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from rocrate.model.contextentity import ContextEntity
from rocrate.model.person import Person
from rocrate.rocrate import ROCrate

from resnet_lib.evidence import texts
from resnet_lib.evidence.ledger import Findings
from resnet_lib.evidence.significance import together
from resnet_lib.sweep import provenance, results

COPIED = (
    "README.md",
    "LICENSE",
    "CITATION.cff",
    "CHANGELOG.md",
    "claims.yml",
    "references.bib",
    "requirements.txt",
    "pyproject.toml",
)
CITED = ("title", "abstract", "keywords", "date-released", "version", "authors")
TYPES = {"bool": "boolean", "int64": "integer", "float64": "number", "str": "string"}
MEDIA = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".pdf": "application/pdf",
}
LICENCES = {"code": "https://spdx.org/licenses/BSD-3-Clause", "text": "https://spdx.org/licenses/CC-BY-4.0"}
VERDICT = ("status", "effect", "low", "high", "n", "inside", "control_effect", "control_fails")


def write(evidence: Findings, root: Path, target: Path) -> Path:
    """Write the crate of the book in `root` to a new folder, or to a file where `target` ends in .zip.

    Raises:
        FileExistsError: Where `target` is there already.
        ResultError: Where a stored result is damaged.
        TextError: Where CITATION.cff is missing, damaged or lacks a field.
    """
    if target.exists():
        raise FileExistsError(f"{target} exists; choose a new folder, or a new file that ends in .zip")
    about = _citation(root / "CITATION.cff")
    crate = ROCrate()
    crate.name, crate.description = about["title"], about["abstract"]
    crate.license, crate.keywords = LICENCES["text"], about["keywords"]
    crate.datePublished = str(about["date-released"])  # pyright: ignore[reportAttributeAccessIssue]
    crate.root_dataset["version"] = about["version"]
    crate.creator = [  # pyright: ignore[reportAttributeAccessIssue]
        crate.add(Person(crate, f"#author-{i}", {"name": _name(author)})) for i, author in enumerate(about["authors"])
    ]
    commit, dirty = provenance.commit()
    properties = {"@type": "SoftwareApplication", "name": "resnet-lib", "version": about["version"]}
    properties |= {"license": LICENCES["code"], "identifier": commit + " and changes" * dirty}
    software = crate.add(ContextEntity(crate, "#resnet-lib", properties=properties))
    with tempfile.TemporaryDirectory() as folder:
        made = _made(evidence, root)
        for name, text in made.items():
            path = Path(folder, name)
            path.write_text(text)
            crate.add_file(path, name, properties=_described(path, name))
        for name in (*COPIED, *_stored(root)):
            if (root / name).is_file():
                crate.add_file(root / name, name, properties=_described(root / name, name))
        for name in _results(root):
            stored = results.read(name, root)
            assert stored is not None
            stamp, table = stored.stamp, results.path(name, root).relative_to(root).as_posix()
            action = {"@type": "CreateAction", "name": stamp.command, "endTime": stamp.created}
            action |= {"description": f"commit {stamp.commit} on {stamp.device}; {json.dumps(stamp.versions)}"}
            added: Any = crate.add(ContextEntity(crate, f"#run-{name}", properties=action))
            added["instrument"], added["result"] = software, crate.dereference(table)
        (crate.write_zip if target.suffix == ".zip" else crate.write)(target)
    return target


def package(root: Path, extra: Mapping[str, str]) -> dict[str, Any]:
    """A Frictionless data package of all tables: of the book, and those in `extra`, given by path and content.

    Raises:
        ResultError: Where a stored result is damaged.
    """
    found = {name: (root / name).read_bytes() for name in _stored(root) if name.endswith(".csv")}
    found |= {name: text.encode() for name, text in extra.items() if name.endswith(".csv")}
    kinds = {}
    for name in _results(root):
        results.read(name, root)  # refuses what was altered
        table = results.path(name, root)
        kinds[table.relative_to(root).as_posix()] = json.loads(texts.read(table.with_suffix(".json")))["columns"]
    resources = []
    for path, data in sorted(found.items()):
        types = kinds.get(path) or _kinds(data)
        resource = {"name": path.removesuffix(".csv").replace("/", "-").lower(), "path": path, "format": "csv"}
        resource |= {"mediatype": "text/csv", "encoding": "utf-8", "bytes": len(data)}
        resource |= {"hash": f"sha256:{hashlib.sha256(data).hexdigest()}", "schema": schema(types)}
        resources.append(resource)
    return {"name": "resnet-lib", "title": "Residual Networks, Tested", "resources": resources}


def schema(kinds: Mapping[str, str]) -> dict[str, Any]:
    """Frictionless table schema of columns of those NumPy types (or `str`)."""
    fields: list[dict[str, Any]] = [{"name": name, "type": TYPES[kind]} for name, kind in kinds.items()]
    for field in fields:
        if field["type"] == "boolean":
            field |= {"trueValues": ["True"], "falseValues": ["False"]}
    return {"fields": fields, "missingValues": ["", "nan"] if "float64" in kinds.values() else [""]}


def _kinds(data: bytes) -> dict[str, str]:
    """Types of the columns of a CSV whose types nobody has recorded."""
    table = pd.read_csv(io.BytesIO(data))
    return {str(name): kind if (kind := values.dtype.name) in TYPES else "str" for name, values in table.items()}


def ledger(evidence: Findings) -> str:
    """All claims with rules, verdicts and corrected p-values, as CSV: a row for each claim and preset."""
    tested = {claim.id: claim for claim in together([shown.record for shown in evidence.verdicts.values()])}
    file = io.StringIO()
    head = [
        "claim",
        "statement",
        "chapter",
        "rule",
        "control",
        "expected",
        "preset",
        *VERDICT,
        "p",
        "adjusted_p",
        "commit",
    ]
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(head)
    for name, shown in evidence.verdicts.items():
        record = shown.record
        first = [
            name,
            record["statement"],
            shown.chapter,
            record["rule"],
            record["control"]["must"],
        ]
        for preset in ("quick", "full"):
            if run := record[preset]:
                claim = tested.get(name)
                ps = [claim.p, claim.adjusted] if claim and claim.preset == preset else ["", ""]
                rows.writerow(
                    [
                        *first,
                        evidence.ledger.claim(name).expects(preset),
                        preset,
                        *(run[key] for key in VERDICT),
                        *ps,
                        run["stamp"]["commit"],
                    ]
                )
    return file.getvalue()


def environment() -> dict[str, Any]:
    """The packages and the machine that the crate was made with."""
    packages = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}
    commit, dirty = provenance.commit()
    return {
        "commit": commit,
        "dirty": dirty,
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": dict(sorted(packages.items(), key=lambda pair: pair[0].lower())),
    }


def _made(evidence: Findings, root: Path) -> dict[str, str]:
    made = {"ledger.csv": ledger(evidence), "environment.json": json.dumps(environment(), indent=1)}
    return made | {"datapackage.json": json.dumps(package(root, made), indent=1)}


def _stored(root: Path) -> Iterator[str]:
    """Paths of results and figures, relative to the book's folder."""
    for folder in (results.FOLDER, "figures"):
        paths = sorted(path for path in (root / folder).rglob("*") if path.is_file())
        yield from (path.relative_to(root).as_posix() for path in paths if not path.name.startswith("."))


def _results(root: Path) -> list[str]:
    return sorted(path.parent.name for path in (root / results.FOLDER).glob(f"*/{results.PRESET}.csv"))


def _described(path: Path, name: str) -> dict[str, Any]:
    found = {"name": name, "contentSize": str(path.stat().st_size)}
    found["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found | ({"encodingFormat": MEDIA[path.suffix]} if path.suffix in MEDIA else {})


def _citation(path: Path) -> dict[str, Any]:
    """What CITATION.cff says of the book."""
    try:
        about = yaml.safe_load(texts.read(path))
        missing = [name for name in CITED if name not in about]
        unnamed = [author for author in about.get("authors", []) if not _name(author)]
    except (yaml.YAMLError, TypeError, AttributeError, KeyError) as error:
        why = " ".join(str(error).split())
        raise texts.TextError(f"{path} is no citation file ({why}); restore it: git checkout -- {path.name}") from error
    if missing or unnamed:
        raise texts.TextError(f"{path} lacks {', '.join(missing) or 'the name of an author'}; write it there")
    return about


def _name(author: Mapping[str, str]) -> str:
    return author.get("name") or f"{author['given-names']} {author['family-names']}"
