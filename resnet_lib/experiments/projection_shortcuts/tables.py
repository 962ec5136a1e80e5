"""The chapter's tables: what each shortcut costs, what it keeps, and how the networks with it fare."""

from dataclasses import replace

import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown
from scipy import stats

from resnet_lib import nets, runtime
from resnet_lib.analysis import costs, shortcuts
from resnet_lib.evidence import claims, intervals, markup, rules
from resnet_lib.experiments.projection_shortcuts.networks import TITLES, differences
from resnet_lib.nets import initialisation, projections, units

SEED = 2015  # of the resampling


def resnet20(name: str) -> nets.Stack:
    """ResNet-20 for CIFAR-10 with that shortcut; of `plain` its plain twin."""
    post = units.UNITS["post"]
    unit = post.plain() if name == "plain" else replace(post, shortcut=name)
    return nets.cifar_resnet(20, unit=unit, generator=runtime.stream(0, "costs"))


def share_of_rank(name: str) -> float:
    """Rank of the shortcut's matrix from 4 to 8 channels on 8 x 8 pixels, stride 2, over its number of rows."""
    layer = None if name == "plain" else projections.build(name, 4, 8, stride=2)
    if layer is None:
        return 0.0
    if isinstance(layer, projections.Principal):
        layer = projections.Orthonormal(4, 8, 2)  # any kernel of full rank
    initialisation.initialise(layer, runtime.stream(0, "rank"))
    found = shortcuts.rank(shortcuts.matrix(layer.double(), (4, 8, 8)))
    return found.value / found.rows


def costs_of_variants() -> pd.DataFrame:
    """One row per variant: rank over rows, and what ResNet-20 costs with it beyond what it costs with A."""
    counted = {name: costs.count(resnet20(name), (3, 32, 32)) for name in TITLES}
    records = [
        {
            "shortcut": name,
            "rank": share_of_rank(name),
            "parameters": cost.parameters - counted["A"].parameters,
            "multiply_adds": cost.multiply_adds - counted["A"].multiply_adds,
            "saved": cost.saved - counted["A"].saved,
        }
        for name, cost in counted.items()
    ]
    return pd.DataFrame(records)


def show_costs() -> HTML:
    """`costs_of_variants` as a table that a notebook shows."""
    heads = ["shortcut in ResNet-20", "rank / rows", "parameters", "multiply-adds (M)", "saved numbers (k)"]
    rows = [
        [TITLES[name], f"{rank:.1f}", f"{parameters:+,d}", f"{multiply_adds / 1e6:+.2f}", f"{saved / 1e3:+.0f}"]
        for name, rank, parameters, multiply_adds, saved in costs_of_variants().to_numpy().tolist()
    ]
    return markup.table("Costs of the shortcuts", pd.DataFrame(rows, columns=pd.Index(heads)))


def of_variants(table: pd.DataFrame) -> pd.DataFrame:
    """One row per variant: what its trained shortcuts do, and its accuracy minus that of A with the 95% interval."""
    paired = differences(table)
    largest = table[table["depth"] == table["depth"].max()]
    means = largest.groupby("shortcut")[["gradient", "forward", "variance", "probe"]].mean()
    records = []
    for name in (name for name in TITLES if name in paired):
        values = paired[name].to_numpy()
        low, high = intervals.interval(values, "mean", rng=runtime.rng(SEED, "variants", name))
        ends = {"difference": float(np.mean(values)), "low": float(low), "high": float(high)}
        records.append({"shortcut": name, **means.loc[name].to_dict(), **ends})
    return pd.DataFrame(records)


def show(table: pd.DataFrame) -> HTML:
    """`of_variants` as a table that a notebook shows: rounded, so that it is the same on every machine."""
    heads = [
        "shortcut",
        "gradient ×",
        "signal ×",
        "variance kept (%)",
        "linear probe (%)",
        "accuracy − that of A (95%)",
    ]
    rows = []
    for name, gradient, forward, variance, probe, *paired in of_variants(table).to_numpy().tolist():
        measured = ["–"] * 4
        if np.isfinite(gradient):
            measured = [f"{gradient:.2f}", f"{forward:.2f}", f"{variance:.1f}", f"{probe:.1f}"]
        interval = "0" if name == "A" else "{:+.1f} ({:+.1f} to {:+.1f})".format(*paired)
        rows.append([TITLES[name], *measured, interval])
    return markup.table("What the trained shortcuts do", pd.DataFrame(rows, columns=pd.Index(heads)))


def seeds_to_decide(check: claims.Check, *, most: int = 10_000) -> int | None:
    """How many seeds would put a bound outside of the interval of the mean, if mean and spread stay as they are.

    None where the claim is decided, or where more than `most` would be needed.
    """
    verdict, rule = check.runs["quick"].verdict, rules.Rule.parse(check.claim.holds_if)
    if verdict.status != "undecided" or verdict.low is None or verdict.high is None:
        return None
    spread = (verdict.high - verdict.low) / 2 / stats.t.isf(0.025, verdict.n - 1) * verdict.n**0.5
    distance = min(abs(verdict.effect - bound) for bound in (rule.low, rule.high))
    counts = np.arange(verdict.n, most + 1)
    enough = stats.t.isf(0.025, counts - 1) * spread / counts**0.5 < distance
    return int(counts[enough.argmax()]) if enough.any() else None


def show_seeds(*checks: claims.Check) -> Markdown:
    """For each undecided claim the number of seeds that would decide it, to one digit."""
    lines = []
    for check in checks:
        if check.runs["quick"].verdict.status == "undecided":
            count = seeds_to_decide(check)
            told = "more than 10,000 seeds" if count is None else f"about {float(f'{count:.0e}'):.0f} seeds"
            lines.append(f"- `{check.claim.id}`: {told}")
    decided = ", ".join(f"`{check.claim.id}`" for check in checks)
    return Markdown("\n".join(lines) or f"- All of {decided} are decided.")
