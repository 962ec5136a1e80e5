"""The published table beside ours, and the recipe of those who published it."""

import pandas as pd

from resnet_lib.experiments.plain_networks import published
from resnet_lib.training import recipes


def test_the_published_table_waits_for_ours():
    empty = published.beside(None)
    assert (empty["residual, here"] == "not yet computed").all()
    assert empty["residual, published"].tolist() == ["8.75", "7.51", "7.17", "6.97", "6.61"]
    ours = pd.DataFrame(
        [
            {"layers": n, "residual": r, "test_error": e + d + (0 if r else 5)}
            for n, e in published.PUBLISHED.items()
            for r in (True, False)
            for d in (0.2, 0.4)
        ]
    )
    found = published.beside(ours)
    assert found[published.JUDGED].tolist() == ["yes", "yes", "yes", "yes", "yes"]
    assert found["residual, here"][0] == "9.05 ± 0.14"
    far = published.beside(ours.assign(test_error=ours["test_error"] + 1))
    assert set(far[published.JUDGED]) == {"no"}


def test_the_table_of_he_is_trained_as_they_did():
    settings = published.HE_TABLE.full.settings
    assert {(s.layers, s.residual) for s in settings} == {(n, r) for n in (20, 32, 44, 56, 110) for r in (True, False)}
    assert [published.network(published.Published(True, n)).recipe for n in (56, 110)] == [recipes.HE, recipes.HE_110]
    assert published.network(published.Published(False, 20)).unit == "plain"
