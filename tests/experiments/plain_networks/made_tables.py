"""Tables of a known drift, for the tests of this chapter."""

import numpy as np
import pandas as pd


def made(rate: float, noise: float = 0.0) -> pd.DataFrame:
    """A table as `plain-drift` gives it, of growth `rate * L / n` and its spread over draws."""
    rows = [
        {"drawn": drawn, "gain": gain, "width": width, "layer": layer, "signal": signal, "seed": seed}
        for drawn in ("matrices", "law")
        for gain in (1.0, 2.0)
        for width in (32, 64, 1024)
        for layer in (50, 100)
        for signal in ("state", "direction", "backward", "whole")
        for seed in range(10)
    ]
    table = pd.DataFrame(rows)
    ratio = table["layer"] / table["width"]
    sign = np.where(table["seed"] % 2, 1, -1)
    table["growth"] = rate * ratio + noise * sign * np.sqrt(5 * ratio)
    table["growth"] += (table["gain"] == 2) * table["layer"] * np.log(4)
    return table
