"""Stochastic depth against SplitMix64 in plain integers, exact enumeration, and the network without it."""

import itertools
import math
from typing import Any

import pytest
import torch
from scipy import stats

from resnet_lib import data, nets, runtime, training
from resnet_lib.analysis import lesion
from resnet_lib.nets import Unit, stochastic_depth


def generator(*path):
    return runtime.stream(0, "test-stochastic-depth", *path)


def mlp(depth=4, unit: str | Unit = "inside"):
    return nets.mlp(depth, 6, unit=unit, in_features=64, generator=generator("mlp", depth))


def merges(net) -> list[Any]:
    return [block.merge for block in net.blocks]


def splitmix64(key, steps):
    """Steele, Lea & Flood (2014), in Python's integers."""
    mask, found = 2**64 - 1, []
    for step in range(1, steps + 1):
        z = (key + step * 0x9E3779B97F4A7C15) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        found.append(z ^ (z >> 31))
    return found


def test_draws_are_splitmix64():
    # The first outputs for the seed 1234567 are published with many implementations.
    assert splitmix64(1234567, 2) == [6457827717110365317, 3203168211198807973]
    for key, chance in ((1234567, 0.3), (2**62 - 1, 0.5), (0, 0.9)):
        expected = [(z >> 11) / 2**53 < chance for z in splitmix64(key, 500)]
        found = stochastic_depth.survives(torch.tensor(key).expand(500), torch.arange(500), chance)
        assert found.tolist() == expected


def test_draws_have_their_chance_and_blocks_are_independent():
    net = stochastic_depth.wrap(mlp(3), (0.2, 0.5, 0.5), generator=generator("keys"))
    steps = torch.arange(20_000)
    kept = [stochastic_depth.survives(merge.key, steps, merge.chance).double() for merge in merges(net)]
    for one, chance in zip(kept, (0.2, 0.5, 0.5), strict=True):
        assert stats.binomtest(int(one.sum()), 20_000, chance).pvalue > 1e-3
    for a, b in itertools.combinations(kept, 2):
        assert abs(torch.corrcoef(torch.stack([a, b]))[0, 1]) < 4 / 20_000**0.5
    assert abs(torch.corrcoef(torch.stack([kept[1][1:], kept[1][:-1]]))[0, 1]) < 4 / 20_000**0.5


def test_survival_is_the_published_rule():
    # huang2016stochastic: from nearly 1 to 0.5 at the last of 54 blocks; 40 of them survive on average.
    chances = stochastic_depth.survival(54, 0.5)
    assert chances[0] == pytest.approx(1 - 0.5 / 54)
    assert chances[-1] == 0.5
    assert sum(chances) == pytest.approx(3 * 54 / 4 - 1 / 4)  # (3 L - 1) / 4, their section on expected depth
    assert stochastic_depth.survival(3, 0.7, "uniform") == (0.7,) * 3


def test_a_step_of_training_is_a_deletion_and_steps_differ():
    plain = mlp(5)
    net = stochastic_depth.wrap(plain, (0.5,) * 5, generator=generator("deletion")).train()
    x = torch.randn(7, 64, generator=generator("x"))
    seen = set()
    for step in range(40):
        steps = torch.tensor(step)
        gone = [i for i, merge in enumerate(merges(net)) if not stochastic_depth.survives(merge.key, steps, 0.5)]
        if len(gone) < 5:
            torch.testing.assert_close(net(x), lesion.delete(plain, gone)(x), rtol=1e-6, atol=1e-6)
        else:
            net(x)
        seen.add(tuple(gone))
    assert len(seen) > 15


def test_a_block_that_is_left_out_gets_no_gradient():
    net = stochastic_depth.wrap(mlp(3), (1e-9, 1.0, 1.0), generator=generator("grad")).train()
    net(torch.randn(4, 64, generator=generator("gx"))).sum().backward()
    gradients: Any = {name: value.grad for name, value in net.named_parameters()}
    assert not gradients["blocks.0.branch.weight1.weight"].any()
    assert gradients["blocks.1.branch.weight1.weight"].any()


def test_the_test_rule_is_the_mean_over_depths_for_linear_branches_only():
    chances = (0.9, 0.6, 0.3)
    for order, exact in (("W+", True), ("WAW+", False)):
        plain = mlp(3, Unit(order=order, norm="none")).double().eval()
        rule = stochastic_depth.wrap(plain, chances, generator=generator("rule")).eval()
        x = torch.randn(5, 64, generator=generator("rx"), dtype=torch.float64)
        mean = torch.zeros(5, 10, dtype=torch.float64)
        for kept in itertools.product((False, True), repeat=3):
            weight = 1.0
            for keeps, chance in zip(kept, chances, strict=True):
                weight *= chance if keeps else 1 - chance
            mean = mean + weight * lesion.scale(plain, {i: float(keeps) for i, keeps in enumerate(kept)})(x)
        assert ((rule(x) - mean).norm() / mean.norm() < 1e-12) == exact


def test_chance_one_trains_to_the_same_network_and_less_does_not():
    digits = data.load("digits", flat=True)
    recipe = training.Recipe(epochs=1, batch=200, lr=0.05)

    def make(last):
        chances = stochastic_depth.survival(2, last)

        def net(g):
            return stochastic_depth.wrap(nets.mlp(2, 6, unit="pre", generator=g), chances, generator=g)

        return net

    bare = training.fit(lambda g: nets.mlp(2, 6, unit="pre", generator=g), digits, recipe, (0, 1)).params()[0]
    same, dropped = (training.fit(make(last), digits, recipe, (0, 1)) for last in (1.0, 0.3))
    for name, value in bare.items():
        assert torch.equal(value, same.params()[0][name])
    assert not torch.equal(bare["head.weight1.weight"], dropped.params()[0]["head.weight1.weight"])
    assert dropped.params()[1]["blocks.0.merge.step"].tolist() == [5, 5]  # 898 examples in steps of 200
    assert isinstance(dropped.net(0), nets.Stack)


def test_stacked_seeds_draw_each_its_own():
    made = [stochastic_depth.wrap(mlp(6), (0.5,) * 6, generator=generator("seed", i)).train() for i in range(3)]
    params, buffers = torch.func.stack_module_state(made)
    x = torch.randn(4, 64, generator=generator("stacked"))
    alone = torch.stack([net(x) for net in made])

    def call(p, b):
        return torch.func.functional_call(made[0], (p, b), (x,))

    torch.testing.assert_close(torch.func.vmap(call)(params, buffers), alone)
    assert buffers["blocks.0.merge.step"].tolist() == [1, 1, 1]


def test_bad_chances_are_refused():
    with pytest.raises(ValueError, match=r"decay='quadratic' is unknown; known: linear, uniform"):
        stochastic_depth.survival(3, 0.5, "quadratic")
    with pytest.raises(ValueError, match=r"last=0 must be a chance above 0"):
        stochastic_depth.survival(3, 0)
    with pytest.raises(ValueError, match=r"depth=0 must be at least 1"):
        stochastic_depth.survival(0, 0.5)
    with pytest.raises(ValueError, match=r"chances holds 2 numbers; this network has 4 blocks"):
        stochastic_depth.wrap(mlp(), (0.5, 0.5), generator=generator("bad"))
    with pytest.raises(ValueError, match=r"chances\[1\]=1.5"):
        stochastic_depth.wrap(mlp(2), (0.5, 1.5), generator=generator("bad"))
    with pytest.raises(TypeError, match=r"block 0 has no shortcut"):
        stochastic_depth.wrap(mlp(2, "plain"), (0.5, 0.5), generator=generator("bad"))


@pytest.mark.parametrize("chance", [0.0, -0.1, 1.5, math.nan])
def test_a_chance_is_above_0_and_at_most_1(chance):
    net = nets.mlp(2, 4, unit="pre", generator=runtime.stream(0, "chance"))
    with pytest.raises(ValueError, match=rf"chances\[1\]={chance} must be above 0 and at most 1"):
        stochastic_depth.wrap(net, [1.0, chance], generator=runtime.stream(0, "chance"))
    with pytest.raises(ValueError, match=rf"last={chance} must be a chance above 0, at most 1"):
        stochastic_depth.survival(2, chance)


def test_wrapping_changes_no_mode_and_takes_that_of_each_block():
    net = nets.mlp(2, 4, unit="pre", generator=runtime.stream(0, "modes")).train()
    net.blocks[0].eval()
    modes = [module.training for module in net.modules()]
    made = stochastic_depth.wrap(net, [0.5, 0.5], generator=runtime.stream(0, "modes"))
    assert [module.training for module in net.modules()] == modes
    assert [made.get_submodule(f"blocks.{i}.merge").training for i in (0, 1)] == [False, True]
