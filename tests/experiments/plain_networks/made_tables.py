"""Tables of a known drift, for the tests of this chapter."""

import numpy as np
import pandas as pd


def made(rate: float, noise: float = 0.0, *, linear: float = -1.0, reflected: float = -2.5) -> pd.DataFrame:
    """A table as `plain-drift` gives it, of growth `rate * L / n` and its spread over draws; controls have others."""
    rows = [
        {"drawn": drawn, "kind": kind, "width": width, "layer": layer, "signal": signal, "seed": seed}
        for drawn in ("matrices", "law")
        for kind in ("relu", "linear", "reflected")
        for width in (32, 64, 256, 1024)
        for layer in (50, 100)
        for signal in ("state", "direction", "backward", "whole")
        for seed in range(10)
    ]
    table = pd.DataFrame(rows)
    ratio = table["layer"] / table["width"]
    sign = np.where(table["seed"] % 2, 1, -1)
    rates = table["kind"].map({"relu": rate, "linear": linear, "reflected": reflected})
    spread = table["kind"].map({"relu": 5, "linear": 2, "reflected": 5})
    return table.assign(growth=rates * ratio + noise * sign * np.sqrt(spread * ratio))
