"""Tables of known accuracies, for the tests of this chapter."""

import pandas as pd


def network_table(accuracies: dict[str, list[float]], cut: float = 20.0, defect: float = 1e-6) -> pd.DataFrame:
    rows = [
        {"shortcut": name, "depth": 14, "change": change, "seed": seed, "test": test, "cut": cut, "defect": defect}
        for name, values in accuracies.items()
        for seed, test in enumerate(values)
        for change in (1, 2)
    ]
    return pd.DataFrame(rows)


FLAT = [90.0, 92.0, 91.0, 93.0, 90.5]
