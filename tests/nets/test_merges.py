"""What a merge says of itself is what its forward does, for every merge of the package and nested ones."""

import pytest
import torch
from torch import Tensor, nn

from resnet_lib import runtime
from resnet_lib.nets import merges
from resnet_lib.nets.merges import Add, After, BranchOnly, Formula, Scaled, Times, formula

BY_HAND = {
    "add": (Add(), lambda s, b: s + b),
    "scaled": (Scaled(0.75, 0.3), lambda s, b: 0.75 * s + 0.3 * b),
    "scaled branch": (Scaled(1, -2.0), lambda s, b: s - 2 * b),
    "branch only": (BranchOnly(), lambda s, b: b),
    "after": (After(Add(), nn.ReLU()), lambda s, b: (s + b).clamp(min=0)),
    "twice after": (After(After(BranchOnly(), nn.Tanh()), nn.ReLU()), lambda s, b: b.tanh().clamp(min=0)),
    "times": (Times(Scaled(0.5, 4.0), 0.25), lambda s, b: 0.5 * s + b),
    "times after": (Times(After(Add(), nn.ReLU()), 3.0), lambda s, b: (s + 3 * b).clamp(min=0)),
}


def paths() -> tuple[Tensor, Tensor]:
    return tuple(torch.randn(4, 5, generator=runtime.stream(0, name), dtype=torch.float64) for name in ("s", "b"))  # pyright: ignore[reportReturnType]


@pytest.mark.parametrize("name", BY_HAND)
def test_a_merge_is_what_is_said_and_says_it(name):
    merge, by_hand = BY_HAND[name]
    s, b = paths()
    kept = s.clone(), b.clone()
    torch.testing.assert_close(merge(s, b), by_hand(s, b))
    assert torch.equal(s, kept[0])
    assert torch.equal(b, kept[1])
    said = formula(merge)
    state = said.branch * b if said.skip is None else said.skip * s + said.branch * b
    for layer in said.then:
        state = layer(state)
    torch.testing.assert_close(state, by_hand(s, b))


def test_what_a_merge_goes_through_comes_in_the_order_of_the_computation():
    first, second = nn.Tanh(), nn.ReLU()
    assert formula(After(After(Add(), first), second)) == Formula(1.0, 1.0, (first, second))


def test_a_branch_alone_reads_no_shortcut():
    _, b = paths()
    assert torch.equal(BranchOnly()(None, b), b)
    assert formula(BranchOnly()).skip is None


def test_a_merge_that_says_nothing_of_itself_is_refused():
    class Halves(nn.Module):
        def forward(self, s: Tensor, b: Tensor) -> Tensor:
            return (s + b) / 2

    class Inherits(Add):
        def forward(self, s: Tensor, b: Tensor) -> Tensor:
            return 2 * (s + b)

    for merge in (Halves(), Inherits()):
        with pytest.raises(ValueError, match=r"does not say what it makes of both paths; give its class a method"):
            formula(merge)
    hooked = Add()
    handle = hooked.register_forward_hook(lambda module, inputs, output: None)
    with pytest.raises(ValueError, match="this Add has forward hooks, which may change its map; remove them"):
        formula(hooked)
    handle.remove()
    patched = Add()
    patched.forward = lambda s, b: s
    with pytest.raises(ValueError, match="Add does not say"):
        formula(patched)
    assert merges.formula(hooked) == Formula(1.0, 1.0)
