"""Both ways of training at one rate, put together from two stored tables."""

from pathlib import Path

from resnet_lib.experiments.dropping_blocks import common, measures

ROOT = Path(__file__).parents[3]


def test_at_one_rate_both_networks_have_the_seeds_of_each_other():
    found = common.results(ROOT)
    assert list(found) == ["0.32 for both", "0.57 for both"]
    for name, result in found.items():
        assert (result.table["lr"] == float(name.split()[0])).all()
        for last in (1.0, 0.5):
            rows = measures.rows(result.table, "residual", "removed", last=last)
            assert sorted(rows["seed"].unique()) == list(range(20))
            assert rows.query("removed == 5").groupby("seed").size().unique().tolist() == [252]
