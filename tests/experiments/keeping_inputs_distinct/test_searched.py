"""A fold that no start sees is one, and its unit is off where the search begins; the measures are those by hand."""

import numpy as np
import pandas as pd
import pytest
import torch

from resnet_lib import data, nets, runtime
from resnet_lib.evidence import claims
from resnet_lib.experiments.keeping_inputs_distinct import folds, searched, trained


@pytest.fixture(scope="module")
def end() -> tuple[nets.Stack, list[torch.Tensor]]:
    net = nets.mlp(2, 64, unit=trained.BARE, generator=runtime.stream(0, "net")).eval()
    x = data.load("digits", flat=True).test.x[: folds.PAIRED]
    with torch.no_grad():
        return net, [state.double() for state in net.states(x)]


def test_the_unit_of_a_fold_is_off_at_every_start_and_on_at_its_state(end):
    net, states = end
    weights, x = folds.contracted(folds.stacked([net]), 0.5), torch.stack(states[:-1])
    hidden, at, along = searched.beyond(weights, x)
    u, b = hidden["branch.weight1.weight"][:, 0], hidden["branch.weight1.bias"][:, 0]
    torch.testing.assert_close(u, along)

    def on(z: torch.Tensor) -> torch.Tensor:
        return (torch.relu(z) * u[:, None]).sum(2) + b[:, None] > 0

    centres, directions, reach = folds.starts(hidden, x)
    half = reach[..., None] / 2 * directions
    assert not on(centres + half).any()
    assert not on(centres - half).any()
    assert not on(x[:, : folds.NEAREST]).any()
    assert on(at[:, None]).all()
    pair = torch.stack([at - 1e-4 * along, at + 1e-4 * along], 1)
    assert (folds.applied(hidden, pair).diff(dim=1).norm(dim=2) < 1e-9).all()


def test_steps_that_shrink_come_nearer(end):
    net, states = end
    weights, x = folds.stacked([net]), torch.stack(states[:-1])
    coarse = folds.search(weights, folds.starts(weights, x)).ratio
    found = searched.search(weights, folds.starts(weights, x))
    assert (found <= coarse + 1e-12).all()
    assert (found < 1e-4).all()


def test_the_trial_has_a_row_a_block_and_a_search_inside_a_fold_finds_it():
    table = searched.searched_trial(trained.Trained("residual", 2, 0.01, epochs=1), (0, 1))
    assert table[["seed", "block"]].to_numpy().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert (table["guarded"] >= 0.5).all()
    assert (table["inside"] < 0.01).all()
    assert (table["searched"] < 0.01).all()
    lost = searched.searched_trial(trained.Trained("residual", 2, 50.0, epochs=1), (0,))
    assert lost[["searched", "guarded", "beyond", "inside"]].isna().all().all()
    for measure in (searched.nearly, searched.out_of_reach):
        with pytest.raises(claims.NotFiniteError):
            measure(lost)


def test_the_measures_are_those_of_a_table_by_hand():
    values = {"searched": [1e-6, 1e-5, 1e-4, 1e-3], "guarded": [0.9, 0.8, 0.6, 0.7], "beyond": [0.05, 0.5, 0.09, 0.01]}
    values["inside"] = [0.01, 0.02, 0.2, 0.03]
    table = pd.DataFrame({"seed": [0, 0, 1, 1], "block": [0, 1, 0, 1], **values})
    found = searched.nearly(table)
    np.testing.assert_allclose(found.values, [1e-6, 1e-4])
    np.testing.assert_allclose(found.control, [0.8, 0.6])  # pyright: ignore[reportArgumentType, reportCallIssue]
    found = searched.out_of_reach(table)
    np.testing.assert_allclose(found.values, [0.5, 1.0])
    np.testing.assert_allclose(found.control, [1.0, 0.5])  # pyright: ignore[reportArgumentType, reportCallIssue]


def test_the_seeds_are_new():
    assert not {*range(20), *range(100, 105)} & {*searched.SEEDS, *searched.MANY_SEEDS}
