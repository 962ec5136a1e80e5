"""The table that is made of many trials."""

from dataclasses import dataclass

import numpy as np
import pytest
from trials import Noise

from resnet_lib.sweep.table import join


def test_the_fields_of_settings_are_columns_of_one_type():
    @dataclass(frozen=True)
    class Other:
        size: float
        flag: bool = True

    table = join([Noise(size=1), Other(size=0.5)], [{"seed": np.array([0]), "y": np.array([i])} for i in range(2)])
    assert table.columns.tolist() == ["size", "pause", "log", "fate", "limit", "flag", "seed", "y"]
    assert table["size"].tolist() == [1.0, 0.5]
    assert table["flag"].tolist() == ["none", "True"]
    assert table["fate"].tolist() == ["fine", "none"]
    assert table["pause"].isna().tolist() == [False, True]
    with pytest.raises(ValueError, match="column 'y' holds text in some trials and whole numbers in others"):
        join(
            [Noise(size=1), Other(size=0.5)],
            [{"seed": np.array([0]), "y": np.array([0])}, {"seed": np.array([0]), "y": ["a"]}],
        )


def test_many_parts_come_in_their_order():
    settings = [Noise(size=i // 100) for i in range(2500)]
    parts = [{"seed": np.array([i, i]), "y": np.array([i / 7, -i]), "t": [str(i), "x"]} for i in range(2500)]
    table = join(iter(settings), iter(parts))
    assert table["seed"].tolist() == [i for i in range(2500) for _ in "ab"]
    assert table["y"].tolist() == [y for i in range(2500) for y in (i / 7, -i)]
    assert table["t"].tolist() == [t for i in range(2500) for t in (str(i), "x")]
    assert table["size"].tolist() == [i // 100 for i in range(2500) for _ in "ab"]


KINDS = {
    "truth values": np.array([True, False]),
    "whole numbers": np.array([1, 2**60]),
    "numbers": np.array([0.5, np.nan]),
    "text": ["a", "b"],
}


@pytest.mark.parametrize("one", KINDS)
@pytest.mark.parametrize("other", KINDS)
def test_a_column_is_of_one_kind_in_all_trials(one, other):
    settings = [Noise(1), Noise(2)]
    parts = [{"seed": np.array([0, 1]), "y": KINDS[kind]} for kind in (one, other)]
    if one == other:
        assert len(join(settings, parts)) == 4
        return
    with pytest.raises(ValueError, match=r"column 'y' holds .* in some trials and .* in others; choose one") as caught:
        join(settings, parts)
    assert f"holds {one} " in str(caught.value) or f"holds {other} " in str(caught.value)


def test_whole_numbers_become_others_where_no_digit_is_lost():
    parts = [{"seed": np.array([0]), "y": values} for values in (np.array([2**53]), np.array([0.5]))]
    assert join([Noise(1), Noise(2)], parts)["y"].tolist() == [2.0**53, 0.5]
    assert join([Noise(1), Noise(2)], parts[::-1])["y"].tolist() == [0.5, 2.0**53]
