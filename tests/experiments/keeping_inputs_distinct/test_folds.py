"""What is said of blocks' distances is what the blocks do, and a fold that is planted is one."""

import torch

from resnet_lib import data, nets, runtime
from resnet_lib.analysis import jacobian
from resnet_lib.experiments.keeping_inputs_distinct import folds, trained


def network(blocks: int = 2) -> nets.Stack:
    net = nets.mlp(blocks, 64, unit=trained.BARE, generator=runtime.stream(0, "net")).eval()
    with torch.no_grad():
        for name, value in net.named_parameters():
            if name.endswith("bias"):
                value.normal_(generator=runtime.stream(0, name))
    return net


def test_stacked_blocks_are_the_blocks_and_their_jacobians():
    net = network()
    weights = folds.stacked([net, net])
    x = torch.randn(4, 3, 64, generator=runtime.stream(0, "x"), dtype=torch.float64)
    found, jacobians = folds.applied(weights, x), folds._jacobians(weights, x)
    for k, block in enumerate([*net.double().blocks] * 2):
        torch.testing.assert_close(found[k], block(x[k]))
        torch.testing.assert_close(jacobians[k], jacobian.dense(block, x[k]))


def test_a_contracted_branch_has_the_constant():
    tamed = folds.contracted(folds.stacked([network()]), 0.5)
    norms = [torch.linalg.matrix_norm(tamed[f"branch.weight{i}.weight"], 2) for i in (1, 2)]
    torch.testing.assert_close(norms[0] * norms[1], torch.full((2,), 0.5, dtype=torch.float64))


def test_the_least_ratio_is_that_of_the_worst_pair():
    x = torch.tensor([[[0.0, 0.0], [2.0, 0.0], [0.0, 1.0]]])
    y = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [0.0, 3.0]]])
    assert folds.least(x, y).tolist() == [0.5]
    assert folds.merged(x.double()).item() == 0


def test_the_search_goes_below_the_pairs_and_never_below_a_constant():
    net = network()
    states = trained._states(net, data.load("digits", flat=True).test.x[:30])
    found = folds.distances([(net, states)])
    assert {name: value.shape for name, value in found.items()} == dict.fromkeys(found, (2,))
    assert (found["searched"] < 0.5 * found["pairs"]).all()
    assert (found["guarded"] >= 0.5).all()
    assert (found["merged"] < 1e-9).all()
    assert (found["moved"] > 0).all()
    assert (found["planted"] < 0.1).all()
    before = folds.distances([(net, states)], searched=False)
    assert set(before) == {"pairs", "merged"}
    assert (before["pairs"] == found["pairs"]).all()


def test_a_fold_merges_two_inputs_around_its_state_and_nothing_where_its_unit_is_off():
    weights = folds.contracted(folds.stacked([network()]), 0.5)
    x, mean = torch.randn(2, 2, 64, generator=runtime.stream(0, "states"), dtype=torch.float64)
    found = folds.folded(weights, x, mean)
    u = (x - mean) * (x > 0)
    u = u / u.norm(dim=1, keepdim=True)
    pair = torch.stack([x - 1e-4 * u, x + 1e-4 * u], 1)
    apart = folds.applied(found, pair).diff(dim=1).norm(dim=2)
    assert (apart < 1e-9 * pair.diff(dim=1).norm(dim=2)).all()
    assert (folds.applied(weights, pair).diff(dim=1).norm(dim=2) >= 0.5 * pair.diff(dim=1).norm(dim=2)).all()
    off = found["branch.weight1.bias"][:, 0] + (found["branch.weight1.weight"][:, 0] * torch.relu(mean)).sum(1)
    assert (off < 0).all()
    assert found["branch.weight1.weight"][:, 1:].equal(weights["branch.weight1.weight"][:, 1:])
