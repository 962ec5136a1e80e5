"""Tables of trials, for the tests of this chapter."""

import pandas as pd

from resnet_lib.experiments.when_eigenvalues_mislead import stacks


def measured(settings: list[stacks.Stack], seeds: tuple[int, ...]) -> pd.DataFrame:
    columns = ("kind", "size", "blocks", "dimension")
    tables = [stacks.stack_trial(s, seeds).assign(**{name: getattr(s, name) for name in columns}) for s in settings]
    return pd.concat(tables, ignore_index=True)
