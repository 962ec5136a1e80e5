"""A card shows a verdict as text or as HTML, from its record. Nothing is judged here."""

import functools
from collections.abc import Container, Iterator, Mapping
from typing import Any

from markupsafe import Markup

from resnet_lib.evidence import markup, pictures, significance
from resnet_lib.evidence.rules import Rule
from resnet_lib.evidence.statements import PRESETS

Stamped = tuple[str, str]
"""A run of an experiment, whose provenance a page tells once: the experiment's name and the preset."""


def text(record: Mapping[str, Any]) -> str:
    """A verdict as text that comes out the same on every machine, from `Check.record`."""
    lines = [f"{record['id']}: {record['status']}", f"  rule   {record['rule']}"]
    if _surprises(record):
        lines[0] += f" (expected: {record['expectation']})"
    for row in runs(record, digits=2):
        told = "not yet computed"
        if row["run"]:
            told = f"{row['run']['status']}; {row['measured']}; control: {row['control']}, {row['known']}"
        lines.append(f"  {row['name']:6} {told}")
    return "\n".join(lines)


def card(record: Mapping[str, Any], *, exact: bool = True, told: Container[Stamped] = ()) -> str:
    """A verdict as a row of HTML, from `Check.record`: sentence, verdict, picture; what else there is unfolds.

    Args:
        record: As in the metadata of a displayed `Check`; with a run `here` where this machine found another verdict.
        exact: With picture, intervals, four digits and the provenance, for the pages. Otherwise with what comes out the
            same on every machine, which nbval compares: two digits, and for `every` how many of the values satisfy it.
        told: Runs of experiments whose provenance the page shows already; it is linked, and not shown again.
    """
    rows = list(runs(record, digits=4 if exact else 2))
    interval = Rule.parse(record["rule"]).statistic != "every"
    here = None
    if "here" in record:
        here = _row("QUICK, here", record["here"], record, digits=4)
    return markup.render(
        "card.html",
        claim=record,
        rows=rows,
        interval=interval,
        exact=exact,
        surprises=_surprises(record),
        here=here,
        fragile=significance.FRAGILE,
        picture=Markup(pictures.picture(record)) if exact else "",  # our own SVG
        effect=effect(record) if exact else "",
        largest=stamped(record)[-1][1],
        varied=[(each, other(record, each)) for each in record.get("varied", ())] if exact else [],
        stamps=[(stamped, row["run"]["stamp"], stamped in told) for stamped, row in _stamps(record, rows)],
    )


def stamped(record: Mapping[str, Any]) -> list[Stamped]:
    """The runs of experiments that a verdict rests on."""
    return [(record[preset]["stamp"]["experiment"], preset) for preset in PRESETS if record[preset]]


def _stamps(record: Mapping[str, Any], rows: list[dict[str, Any]]) -> Iterator[tuple[Stamped, dict[str, Any]]]:
    return zip(stamped(record), (row for row in rows if row["run"]), strict=True)


def effect(record: Mapping[str, Any]) -> str:
    """What was measured, at the largest size that was computed, in a few words with its unit."""
    run = record[[preset for preset in PRESETS if record[preset]][-1]]
    if Rule.parse(record["rule"]).statistic == "every":
        return f"{run['inside']} of {run['n']} values"
    unit = record["unit"].replace("percentage points", "points")
    return f"{markup.interval(run['effect'], run['low'], run['high'])}{' ' * bool(unit)}{unit}"


def other(record: Mapping[str, Any], each: Mapping[str, Any]) -> str:
    """What was measured under another choice, one of `record["varied"]`, in a few words."""
    if each["n"] is None:
        return "trainings diverge"
    if Rule.parse(record["rule"]).statistic == "every":
        return f"{each['inside']} of {each['n']} values"
    return markup.interval(each["effect"], each["low"], each["high"])


def turned(record: Mapping[str, Any]) -> list[str]:
    """The choices under which a verdict turns into its opposite: it holds under one and fails under another."""
    run = record[stamped(record)[-1][1]]["status"]
    return [each["choice"] for each in record.get("varied", ()) if {each["status"], run} == {"holds", "fails"}]


def _surprises(record: Mapping[str, Any]) -> bool:
    """Whether a verdict is another than claims.yml defends; one that is open never is."""
    runs = {preset: record[preset] for preset in PRESETS if record[preset]}
    return any(run["status"] != record["expected"][preset] != "open" for preset, run in runs.items())


def runs(record: Mapping[str, Any], *, digits: int = 4) -> Iterator[dict[str, Any]]:
    """The verdict on each preset in words; more than two digits bring the intervals.

    Each has a `name`, the `run` (None where there is none yet), and where there is one what was `measured`, the same of
    the `control`, and whether that is `known`.
    """
    for preset in PRESETS:
        yield _row(preset.upper(), record[preset], record, digits=digits)


def _row(name: str, run: Mapping[str, Any] | None, record: Mapping[str, Any], *, digits: int) -> dict[str, Any]:
    rules = Rule.parse(record["rule"]), Rule.parse(record["control"]["must"])
    row: dict[str, Any] = {"name": name, "run": run}
    if run:
        row["measured"] = _measured(rules[0].statistic, run, "", digits)
        row["control"] = _measured(rules[1].statistic, run, "control_", digits)
        row["known"] = "as it must" if run["control_fails"] else "not as it must"
    return row


def _measured(statistic: str, run: Mapping[str, Any], part: str, digits: int) -> str:
    effect, low, high, n, inside = (run[f"{part}{name}"] for name in ("effect", "low", "high", "n", "inside"))
    number = functools.partial(markup.number, digits=digits)
    if statistic == "every":
        worst = f", worst {number(effect)}" if digits > 2 else ""
        return f"{inside} of {n} values{worst}"
    interval = f" (95%: {number(low)} to {number(high)})" if digits > 2 and low is not None else ""
    return f"{statistic} {number(effect)}{interval}, n = {n}"
