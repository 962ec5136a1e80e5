"""Everything that was measured of the published networks in one table: a row a quantity, a column a depth."""

from collections.abc import Iterator

import pandas as pd

from resnet_lib.evidence.summaries import summary
from resnet_lib.experiments.published_networks import errors, lesions, spectra, steps
from resnet_lib.experiments.published_networks.networks import DEPTHS

ANEW = ", batch statistics anew"


def table(error: pd.DataFrame, lesion: pd.DataFrame, step: pd.DataFrame, spectrum: pd.DataFrame) -> pd.DataFrame:
    """Means over groups of images, or over images, with their 95% bootstrap intervals, as text.

    Args:
        error: The table of `errors.ERRORS`.
        lesion: That of `lesions.LESIONS`.
        step: That of `steps.STEPS`.
        spectrum: That of `spectra.SPECTRA`.
    """
    records = []
    for title, rows in _measured(error, lesion, step, spectrum):
        wide = summary(rows, ["depth"], "value", stream="published")[["depth", "mean", "low", "high"]]
        found = {round(depth): interval for depth, *interval in wide.to_numpy(dtype=float).tolist()}
        cells = {f"ResNet-{depth}": _cell(*found[depth]) for depth in DEPTHS}
        records.append({"measured": title, **cells})
    return pd.DataFrame(records)


def _cell(mean: float, low: float, high: float) -> str:
    digits = 2 if abs(mean) < 2 else 1
    return f"{mean:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _measured(
    error: pd.DataFrame, lesion: pd.DataFrame, step: pd.DataFrame, spectrum: pd.DataFrame
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Names of quantities, and tables with the columns `depth`, `seed` and `value`."""
    for part, title in (("train", "learned"), ("test", "new")):
        wide = errors.by_depth(error, part)
        yield f"error on {title} images, %", wide.melt(ignore_index=False, var_name="depth").reset_index()
    for over, title in (("median", "the median block"), ("max", "the block that is missed most")):
        for kind, words in (("trained", ""), ("anew", ANEW)):
            rows = [_values(depth, lesions.lost(lesion, depth, kind, over)) for depth in DEPTHS]
            yield f"points lost without {title}{words}", pd.concat(rows)
    for count, kind, words in ((2, "trained", ""), (8, "trained", ""), (8, "anew", ANEW)):
        rows = [_values(depth, steps.lost(step, depth, count, statistics=kind)) for depth in DEPTHS]
        yield f"points lost by {count} steps a block{words}", pd.concat(rows)
    for column, title in (("near", "share of eigenvalues within 0.5 of 1"), ("norm", "spectral norm of the branch")):
        rows = [_values(depth, spectra.median(spectrum, column, depth)) for depth in DEPTHS]
        yield f"{title}, median block of the last stage", pd.concat(rows)


def _values(depth: int, values) -> pd.DataFrame:
    return pd.DataFrame({"depth": depth, "seed": range(len(values)), "value": values})
