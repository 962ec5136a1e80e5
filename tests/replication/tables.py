"""A figure's record and its table, for the tests of this room."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from tests import books


def meta(agrees: dict[str, str], **stamp: Any) -> dict[str, Any]:
    return {"agrees": agrees, "stamp": replace(books.STAMP, **stamp).as_dict()}


def table(shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [(s, v, e) for s in range(5) for v in ("plain", "residual") for e in range(3)]
    frame = pd.DataFrame(rows, columns=["seed", "variant", "epoch"])
    return frame.assign(lr=0.1, accuracy=rng.normal(size=len(frame)) + shift)
