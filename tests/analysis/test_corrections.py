"""What blocks add, against differences of margins and networks whose gradients are known."""

import numpy as np
import pytest
import torch
from torch import nn

from resnet_lib import nets
from resnet_lib.analysis import corrections
from resnet_lib.nets.blocks import Absent, Add, After, Block, BranchOnly, Scaled
from resnet_lib.nets.networks import Stack
from resnet_lib.nets.units import UNITS
from tests.networks import generator


def matrix(values: torch.Tensor) -> nn.Linear:
    layer = nn.Linear(values.shape[1], values.shape[0], bias=False, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(values)
    return layer


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=generator("corrections", *shape), dtype=torch.float64)


def stack(merge: nn.Module, then: nn.Module | None = None) -> Stack:
    blocks = [Block(matrix(0.3 * drawn(5, 5)), nn.Identity(), merge if then is None else After(merge, then))] * 2
    return Stack(nn.Identity(), blocks, matrix(drawn(3, 5)), shape=(5,)).eval()


def test_gradients_are_those_of_the_margin_by_differences():
    net = nets.mlp(3, 6, unit="pre", in_features=5, classes=4, generator=generator()).double().eval()
    x, y = drawn(4, 5), torch.tensor([0, 1, 2, 3])
    found = list(corrections.corrections(net, x, y))
    assert [each.block for each in found] == [0, 1, 2]

    def margin(state: torch.Tensor, first: int) -> torch.Tensor:
        with torch.no_grad():
            for block in list(net.blocks)[first:]:
                state = block(state)
            logits = net.head(state)
        others = torch.stack([row[torch.arange(4) != label].max() for row, label in zip(logits, y, strict=True)])
        return logits[torch.arange(4), y] - others

    with torch.no_grad():
        states = net.states(x)
    for each in found:
        for gradient, first in ((each.gradient, each.block), (each.behind, each.block + 1)):
            direction, step = drawn(4, 6), 1e-6
            change = margin(states[first] + step * direction, first) - margin(states[first] - step * direction, first)
            np.testing.assert_allclose((gradient * direction).sum(1), change / (2 * step), rtol=1e-4, atol=1e-7)
        with torch.no_grad():
            np.testing.assert_allclose(each.added, states[each.block + 1] - states[each.block], atol=1e-12)


@pytest.mark.parametrize(("merge", "factor"), [(Add(), 1.0), (Scaled(1.0, 0.5), 0.5)])
def test_sizes_and_cosines_of_linear_blocks(merge: nn.Module, factor: float):
    net, x, y = stack(merge), drawn(6, 5), torch.tensor([0, 1, 2, 0, 1, 2])
    first = next(corrections.corrections(net, x, y))
    weight = net.blocks[0].branch.weight.detach().numpy()  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
    added = factor * x.numpy() @ weight.T
    np.testing.assert_allclose(first.sizes(), np.linalg.norm(added, axis=1) / np.linalg.norm(x.numpy(), axis=1))
    whole = net.head.weight.detach().numpy() @ np.linalg.matrix_power(np.eye(5) + factor * weight, 2)  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
    logits = x.numpy() @ whole.T
    for order in (None, torch.tensor([1, 2, 3, 4, 5, 0])):
        found = first.cosines(order).numpy()
        for i, label in enumerate(y.tolist()):
            rival = max((j for j in range(3) if j != label), key=lambda j: logits[i, j])
            gradient, branch = whole[label] - whole[rival], added[i if order is None else order[i]]
            wanted = gradient @ branch / np.linalg.norm(gradient) / np.linalg.norm(branch)
            assert found[i] == pytest.approx(wanted)


def test_the_gradient_behind_is_at_the_state_that_the_block_returns():
    net, x, y = stack(Add()), drawn(3, 5), torch.tensor([0, 1, 2])
    first, second = corrections.corrections(net, x, y)
    assert torch.equal(first.behind, second.gradient)
    assert torch.equal(first.cosines(behind=True), nn.functional.cosine_similarity(first.added, first.behind))


def test_what_is_added_is_taken_before_the_activation_behind_it():
    net, x = stack(Add(), nn.ReLU()), drawn(3, 5)
    first = next(corrections.corrections(net, x, torch.tensor([0, 1, 2])))
    with torch.no_grad():
        assert torch.equal(first.added, net.blocks[0].branch(x))  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]


def test_blocks_without_an_identity_shortcut_are_left_out():
    net = nets.cifar_resnet(8, unit=UNITS["post"], width=4, generator=generator()).eval()
    images = torch.randn(2, 3, 8, 8, generator=generator())
    found = list(corrections.corrections(net, images, torch.tensor([0, 1])))
    assert [each.block for each in found] == [0]  # the two others halve the image
    assert found[0].state.shape == (2, 4 * 8 * 8)
    plain = Stack(nn.Identity(), [Block(nn.Identity(), Absent(), BranchOnly())], nn.Identity(), shape=(2,)).eval()
    with pytest.raises(ValueError, match="no block has an identity shortcut"):
        next(corrections.corrections(plain, torch.ones(1, 2), torch.tensor([0])))


def test_a_network_in_training_mode_is_refused():
    with pytest.raises(ValueError, match=r"stack is in training mode, .* use stack.eval\(\)"):
        next(corrections.corrections(stack(Add()).train(), drawn(3, 5), torch.tensor([0, 1, 2])))


def test_margins_are_over_the_best_other_class():
    logits = torch.tensor([[3.0, 1.0, 2.0], [3.0, 1.0, 2.0]])
    assert corrections.margins(logits, torch.tensor([0, 1])).tolist() == [1.0, -2.0]
