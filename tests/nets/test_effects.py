"""Modes in which an example has no output of its own; modules that draw or write: every verb that minds finds them."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from resnet_lib import nets, runtime
from resnet_lib.analysis import flow, lesion_scores, paths
from resnet_lib.nets import Block, Unit, effects, stochastic_depth


def generator() -> torch.Generator:
    return runtime.stream(0, "test-modes")


def net(**unit) -> nets.Stack:
    made = nets.mlp(2, 6, unit=Unit(order="pre", **unit), in_features=4, classes=3, generator=generator())
    return made.eval()


X, Y = torch.randn(5, 4, generator=generator()), torch.arange(5) % 3


def without_statistics() -> nets.Stack:
    made = net()
    torch.func.replace_all_batch_norm_modules_(made)
    return made.eval()


def in_training() -> nets.Stack:
    return net().train()


def with_dropout() -> nets.Stack:
    made = net(norm="none")
    block = made.blocks[1]
    assert isinstance(block, Block)
    block.branch = nn.Sequential(block.branch, nn.Dropout(0.5).train())
    return made


def with_stochastic_depth() -> nets.Stack:
    return stochastic_depth.wrap(net(norm="none"), [1.0, 0.5], generator=generator()).train()


class Counting(nn.Module):
    """Keeps a count of its calls, and makes something else of `x` each time."""

    count: torch.Tensor

    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.tensor(0))

    def forward(self, x):
        self.count += 1
        return x * self.count


def with_layer(layer: nn.Module) -> nets.Stack:
    made = net(norm="none")
    block = made.blocks[1]
    assert isinstance(block, Block)
    block.branch = nn.Sequential(block.branch, layer)
    return made


UNSEEN = {
    # Layers that no list knows: what they draw or count is seen when they are called.
    "counting": Counting,
    "torch": lambda: Noise(lambda: torch.rand(())),
    "numpy": lambda: Noise(lambda: float(np.random.rand())),  # noqa: NPY002
    "older spectral norm": lambda: nn.utils.spectral_norm(nn.Linear(6, 6)),
    "spectral norm": lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(6, 6)),
    "instance norm": lambda: nn.Sequential(nn.Unflatten(1, (2, 3)), nn.InstanceNorm1d(2, track_running_stats=True)),
}

HANGING = (without_statistics, in_training, with_dropout, with_stochastic_depth)
VERBS = {
    "lesion_runs.outputs": lambda made: lesion_scores.outputs([made], X),
    "lesion_runs.score": lambda made: lesion_scores.score([made], X, Y),
    "paths.linearise": lambda made: paths.linearise(made, X, Y),
    "paths.expand": lambda made: paths.expand(made.blocks, made.stem(X)),
    "flow.path": lambda made: flow.path(made, X),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("make", HANGING)
def test_every_verb_refuses_outputs_that_hang_on_the_batch_or_on_chance(make, verb):
    made = make()
    before = {name: value.clone() for name, value in made.named_buffers()}
    with pytest.raises(
        ValueError, match=r"is in training mode, .*use \.eval\(\)|no running statistics.*track_running_stats"
    ):
        VERBS[verb](made)
    if verb != "paths.expand":  # its state was computed here
        assert all(torch.equal(value, before[name]) for name, value in made.named_buffers())


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("kind", UNSEEN)
def test_every_verb_refuses_what_draws_or_counts_though_no_list_knows_it(kind, verb):
    made = with_layer(UNSEEN[kind]())
    legacy: Any = np.random.get_state()  # noqa: NPY002
    states, before = (torch.get_rng_state(), legacy[1].copy(), legacy[2]), copy.deepcopy(made.state_dict())
    with pytest.raises(ValueError, match=r"is in training mode, where outputs depend|draws random|changes when f is"):
        VERBS[verb](made)
    assert torch.equal(torch.get_rng_state(), states[0])
    legacy = np.random.get_state()  # noqa: NPY002
    assert np.array_equal(legacy[1], states[1])
    assert legacy[2] == states[2]
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())
    assert torch.is_grad_enabled()


def test_unchanged_puts_modes_buffers_and_generators_back():
    made = nn.Sequential(nn.BatchNorm1d(4), Counting(), nn.Dropout()).train()
    made[2].eval()
    before, count = copy.deepcopy(made.state_dict()), made[1].count
    state = torch.get_rng_state()
    with effects.unchanged(made, device=torch.device("cpu")) as kept:
        made.train()(X)
        assert kept.drew()
        assert {name for _, name in kept.changed()} == {"running_mean", "running_var", "num_batches_tracked", "count"}
        made.eval()
        made[1].count = torch.tensor(9)
    assert [part.training for part in made.modules()] == [True, True, True, False]
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())
    assert made[1].count is count
    assert torch.equal(torch.get_rng_state(), state)
    assert not kept.drew()


@pytest.mark.parametrize("make", HANGING[1:])
@pytest.mark.parametrize("verb", VERBS)
def test_in_evaluation_mode_they_work(make, verb):
    VERBS[verb](make().eval())


DRAWING = (
    nn.Dropout(0.5),
    nn.Dropout2d(0.5),
    nn.AlphaDropout(0.5),
    nn.FeatureAlphaDropout(0.5),
    nn.RReLU(),
    nn.MultiheadAttention(4, 2, dropout=0.5),
    nn.LSTM(4, 4, num_layers=2, dropout=0.5),
)


@pytest.mark.parametrize("layer", DRAWING, ids=lambda layer: type(layer).__name__)
def test_layers_that_draw_are_known_in_training_mode_alone(layer):
    whole = nn.Sequential(nn.Linear(4, 4), copy.deepcopy(layer))
    with pytest.raises(ValueError, match=rf"'1' \({type(layer).__name__}\) is in training mode"):
        effects.check(whole.train(), effects.DEPENDS)
    effects.check(whole.eval(), effects.DEPENDS)


class Noise(nn.Module):
    """Draws from a global generator, which is none of torch's layers."""

    def __init__(self, source):
        super().__init__()
        self.source = source

    def forward(self, x):
        return x + self.source()


def test_drawing_finds_the_layer_and_puts_the_generators_back():
    sources = {
        "torch": lambda: torch.rand(()),
        "numpy": lambda: float(np.random.rand()),  # noqa: NPY002
    }
    wholes = [nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Tanh(), Noise(source))) for source in sources.values()]
    legacy: Any = np.random.get_state()  # noqa: NPY002
    states = (torch.get_rng_state(), legacy[1].copy())
    for whole in wholes:
        assert effects.drawing(whole, X) == "'1.1' (Noise)"
    assert effects.drawing(nn.Dropout(0.5), X) == "Dropout"
    assert (
        effects.drawing(nn.Dropout(0.0), X)
        == effects.drawing(net(), X)
        == effects.drawing(with_stochastic_depth(), X)
        == ""
    )
    own = nn.Tanh()
    own.generator = generator()  # pyright: ignore[reportAttributeAccessIssue, reportArgumentType]
    assert effects.drawing(nn.Sequential(own), X) == "'0' (Tanh)"
    assert torch.equal(torch.get_rng_state(), states[0])
    legacy = np.random.get_state()  # noqa: NPY002
    assert np.array_equal(legacy[1], states[1])


def test_restoring_gives_the_right_answer_and_the_input_back():
    x = X.clone()
    for call in (nn.SiLU(inplace=True), lambda x: x.mul_(2), torch.tanh, lambda x: x[:2], lambda x: x):
        expected = call(X.clone())
        with torch.no_grad():
            assert torch.equal(effects.restoring(call, x), expected)
        assert torch.equal(x, X)
    with torch.inference_mode():
        y = X.clone()
        assert torch.equal(effects.restoring(lambda x: x.mul_(2), y), 2 * X)
        assert torch.equal(y, X)


def test_a_branch_that_writes_into_its_input_has_no_paths():
    made = net(norm="none")
    block = made.blocks[1]
    assert isinstance(block, Block)
    block.branch = nn.Sequential(nn.SiLU(inplace=True), block.branch)
    text = r"branch 1 \(Sequential\) writes into the state that it reads.*inplace=False"
    with pytest.raises(ValueError, match=text):
        paths.linearise(made, X, Y)
    with pytest.raises(ValueError, match=text):
        paths.expand(made.blocks, made.stem(X))
