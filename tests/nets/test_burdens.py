"""Matrices and dropout on a shortcut, against the network without them and against chance."""

import pytest
import torch
from scipy import stats
from torch import nn

from resnet_lib import nets, training
from resnet_lib.nets import Unit, burdens
from resnet_lib.nets.burdens import Dropped, Held
from tests.networks import RECIPE, WIDTH, examples, generator, mlp


def bare() -> nets.Stack:
    return mlp(generator("bare"), order="inside", norm="none", alpha=0.3).eval()


@pytest.mark.parametrize("learned", [True, False])
def test_a_matrix_that_is_the_identity_changes_no_bit(learned):
    net, x = bare(), examples().test.x
    made = burdens.matrices(net, "identity", learned=learned, generator=generator("made"))
    assert torch.equal(made(x), net(x))
    assert made.blocks[0].branch is net.blocks[0].branch
    kinds = {type(block.shortcut) for block in made.blocks}
    assert kinds == ({nets.blocks.Linear} if learned else {Held})  # pyright: ignore
    more = sum(p.numel() for p in made.parameters()) - sum(p.numel() for p in net.parameters())
    assert more == (3 * WIDTH**2 if learned else 0)


def test_a_held_identity_trains_to_the_same_numbers_and_a_learned_one_does_not():
    def fitted(learned: bool | None) -> torch.Tensor:
        def make(g: torch.Generator) -> nets.Stack:
            net = mlp(g, order="inside", norm="none", alpha=0.3)
            return net if learned is None else burdens.matrices(net, "identity", learned=learned, generator=g)

        return training.fit(make, examples(), RECIPE, [0]).params()[0]["blocks.1.branch.weight1.weight"]

    torch.testing.assert_close(fitted(False), fitted(None), rtol=1e-6, atol=1e-7)
    assert not torch.allclose(fitted(True), fitted(None), rtol=1e-6, atol=1e-7)


def test_matrices_start_as_they_are_said_to():
    net = nets.mlp(3, 64, unit=Unit(order="inside", norm="none"), generator=generator("wide"))
    for start, variance in (("he", 2 / 64), ("lecun", 1 / 64)):
        made = burdens.matrices(net, start, generator=generator(start))
        drawn = torch.stack([block.shortcut.weight for block in made.blocks])  # pyright: ignore
        assert drawn.var().item() == pytest.approx(variance, rel=0.05)
    turned = burdens.matrices(net, "orthogonal", generator=generator("orthogonal")).blocks
    first, second = (block.shortcut.weight for block in turned[:2])  # pyright: ignore
    torch.testing.assert_close(first @ first.T, torch.eye(64), rtol=0, atol=1e-5)  # pyright: ignore
    assert not torch.allclose(first, second)  # pyright: ignore
    again = burdens.matrices(net, "orthogonal", generator=generator("orthogonal")).blocks[0]
    assert torch.equal(again.shortcut.weight, first)  # pyright: ignore


def test_dropout_keeps_an_entry_with_its_chance_each_by_itself():
    layer = Dropped(0.3, 12345).train()
    x = torch.ones(200, 50)
    first, second = layer(x), layer(x)
    assert set(first.unique().tolist()) == {0.0, 1.0}
    assert stats.binomtest(int(first.sum()), x.numel(), 0.3).pvalue > 1e-3
    for a, b in ((first, second), (first[1:], first[:-1]), (first[:, 1:], first[:, :-1])):
        assert abs(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1]) < 0.04
    again = Dropped(0.3, 12345).train()
    assert torch.equal(again(x), first)
    assert not torch.equal(Dropped(0.3, 12346).train()(x), first)


def test_dropout_is_its_mean_in_evaluation():
    x = torch.tensor([[1.0, -2.0]])
    assert Dropped(0.25, 1).eval()(x).tolist() == [[0.25, -0.5]]
    assert torch.equal(Dropped(0.25, 1, mean=True).eval()(x), x)
    kept = Dropped(0.25, 1, mean=True).train()(torch.ones(20, 20))
    assert set(kept.unique().tolist()) == {0.0, 4.0}


def test_stacked_seeds_with_dropout_train_as_they_do_alone():
    def make(g: torch.Generator) -> nets.Stack:
        return burdens.dropped(mlp(g, order="inside", norm="none"), 0.5, generator=g)

    together = training.fit(make, examples(), RECIPE, [0, 1]).params()[0]
    alone = training.fit(make, examples(), RECIPE, [1]).params()[0]
    for name, value in alone.items():
        torch.testing.assert_close(together[name][1], value[0], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(together["head.weight1.weight"][0], together["head.weight1.weight"][1])


def test_blocks_drop_other_entries():
    net = burdens.dropped(bare(), 0.5, generator=generator("dropped")).train()
    x = torch.ones(4, WIDTH)
    one, other = (block.shortcut(x) for block in net.blocks[:2])  # pyright: ignore
    assert not torch.equal(one, other)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="start='eye' is unknown; known: he, lecun, orthogonal, identity"):
        burdens.matrices(bare(), "eye", generator=generator())
    images = nets.digits_resnet(1, generator=generator())
    with pytest.raises(ValueError, match="images as states"):
        burdens.matrices(images, "he", generator=generator())
    with pytest.raises(ValueError, match="chance=0 must be above 0"):
        burdens.dropped(bare(), 0, generator=generator())
    projected = mlp(generator(), shortcut="C")
    for burden in (
        lambda: burdens.matrices(projected, "he", generator=generator()),
        lambda: burdens.dropped(projected, 0.5, generator=generator()),
    ):
        with pytest.raises(TypeError, match="block 0 has a Sequential on its shortcut already"):
            burden()
    with pytest.raises(TypeError, match="block 0 has no shortcut to burden"):
        burdens.dropped(mlp(generator(), residual=False), 0.5, generator=generator())
    assert "chance=0.5, mean=False" in repr(Dropped(0.5, 1))
    assert isinstance(bare().blocks[0].shortcut, nn.Identity)
