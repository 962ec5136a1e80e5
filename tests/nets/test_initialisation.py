"""How the layers of a module start: from the given stream alone, or not at all, whatever layers torch makes."""

import copy
import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from resnet_lib import runtime
from resnet_lib.analysis import flow, lipschitz
from resnet_lib.nets import blocks, dynamics, initialisation, stochastic_depth, units

GIVEN: dict[str, Any] = {
    # What torch's layers ask for, by the names of their arguments.
    **{f"{side}_{what}": 4 for side in ("in", "out") for what in ("channels", "features")},
    **{f"in{i}_features": 4 for i in (1, 2)},
    **dict.fromkeys(("num_features", "num_channels", "normalized_shape", "hidden_size", "input_size"), 4),
    **dict.fromkeys(("embed_dim", "d_model", "num_embeddings", "embedding_dim", "n_classes", "num_classes"), 4),
    **dict.fromkeys(("kernel_size", "num_groups", "nhead", "num_heads", "num_layers", "upscale_factor"), 2),
    **dict.fromkeys(("output_size", "padding", "downscale_factor", "dim", "threshold", "value", "groups", "size"), 2),
    "cutoffs": [2],
    "bias": True,
    "module": nn.Bilinear(2, 2, 2),
    "norm_type": 2.0,
    "unflattened_size": (2, 2),
    "encoder_layer": nn.TransformerEncoderLayer(4, 2, 4),
    "decoder_layer": nn.TransformerDecoderLayer(4, 2, 4),
    "mode": "RNN_TANH",
    "num_chunks": 4,
}
BARE = (nn.Module, nn.Container, nn.RNNBase, nn.RNNCellBase)
"""What torch makes layers from."""


def kinds() -> list[type[nn.Module]]:
    found = {value for _, value in inspect.getmembers(nn, inspect.isclass) if issubclass(value, nn.Module)}
    return sorted(found - set(BARE), key=lambda kind: kind.__name__)


def made(kind: type[nn.Module]) -> nn.Module:
    """A layer as torch makes it."""
    asked = inspect.signature(kind.__init__).parameters.values()
    needed = [p.name for p in asked if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD][1:]
    if issubclass(kind, nn.RNNBase):
        needed = ["input_size", "hidden_size"]
    elif "Fractional" in kind.__name__:
        needed.append("output_size")
    return kind(**{name: GIVEN[name] for name in needed})


def generator() -> torch.Generator:
    return runtime.stream(0, "test-weights")


def alike(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs if not nn.parameter.is_lazy(a))


def started(make: Callable[[], nn.Module]) -> str:
    """What `initialise` makes of modules that torch has drawn otherwise: `alike`, or the words of its refusal."""

    def at(seed: int) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return make()

    one, other, given, g = at(1), at(2), at(1), generator()
    try:
        initialisation.initialise(one, g)
    except (TypeError, ValueError) as error:
        assert alike(one, given)
        assert torch.equal(g.get_state(), generator().get_state())
        return str(error)
    initialisation.initialise(other, generator())
    assert alike(one, other)
    return "alike"


@pytest.mark.filterwarnings("ignore:.*deprecated:FutureWarning", "ignore:enable_nested_tensor:UserWarning")
@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_no_layer_of_torch_keeps_what_its_global_generator_drew(kind):
    alone, inside = (started(make) for make in (lambda: made(kind), lambda: nn.Sequential(nn.Tanh(), made(kind))))
    values = list(made(kind).parameters())
    known = issubclass(kind, (*initialisation.DRAWN, *initialisation.BUILT))
    lazy = any(map(nn.parameter.is_lazy, values))
    if (known or not values) and not lazy:
        assert (alone, inside) == ("alike", "alike")
    elif alone != "alike":
        assert ("has no shape yet" if known else "would keep what torch has drawn") in alone
        assert "'1" in inside


class Adapted(nn.Linear):
    """A layer made from a known one, with a parameter more."""

    def __init__(self):
        super().__init__(4, 4)
        self.up = nn.Parameter(torch.randn(4))


class Token(nn.Module):
    def __init__(self):
        super().__init__()
        self.token, self.inner = nn.Parameter(torch.randn(4)), nn.Linear(4, 4)


class Scaling(nn.Module):
    """A constraint that learns a factor."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.randn(()))

    def forward(self, weight):
        return self.factor * weight


class Doubled(nn.Module):
    def forward(self, value):
        return 2 * value

    def right_inverse(self, value):
        return value / 2


def constrained(layer: nn.Module, name: str, constraint: nn.Module) -> nn.Module:
    parametrize.register_parametrization(layer, name, constraint, unsafe=True)
    return layer


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "a parameter more": (Adapted, r"Adapted\) has the parameter 'up'"),
    "a parameter of a container": (Token, r"Token\) has the parameter 'token'"),
    "spectral norm": (
        lambda: parametrizations.spectral_norm(nn.Linear(4, 4)),
        "_SpectralNorm.* holds vectors .*lipschitz",
    ),
    "older spectral norm": (lambda: nn.utils.spectral_norm(nn.Linear(4, 4)), "has the parameter 'weight_orig'"),
    "older weight norm": (lambda: nn.utils.weight_norm(nn.Linear(4, 4)), "has the parameter 'weight_"),
    "a constraint that learns": (
        lambda: constrained(nn.Linear(4, 4), "weight", Scaling()),
        r"'0.parametrizations.weight.0' \(Scaling\) has the parameter 'factor'",
    ),
    "a constrained layer that is not known": (
        lambda: constrained(nn.Conv1d(4, 4, 1, bias=False), "weight", nn.Identity()),
        r"Conv1d\) has the parameter 'weight'",
    ),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize("name", REFUSED)
def test_parameters_that_would_stay_as_torch_drew_them_are_refused(name):
    make, text = REFUSED[name]
    with pytest.raises(TypeError, match=text):
        initialisation.initialise(nn.Sequential(make()), generator())


KNOWN: dict[str, Callable[[], nn.Module]] = {
    "antisymmetric": lambda: dynamics.antisymmetric_block(4, 0.5),
    "hamiltonian": lambda: dynamics.hamiltonian_block(4, 0.5),
    "neural ode": lambda: flow.NeuralODE(nn.Sequential(nn.Linear(4, 4), nn.Tanh())),
    "repeated": lambda: dynamics.Repeat(dynamics.antisymmetric_block(4, 0.5), 2),
    "weight norm": lambda: parametrizations.weight_norm(nn.Linear(4, 4)),
    "a constrained bias": lambda: constrained(nn.Linear(4, 4), "bias", Doubled()),
    "constrained": lambda: lipschitz.constrain(nn.Sequential(nn.Linear(4, 4)), 0.5),
    "spectrally normalised": lambda: lipschitz.constrain(
        nn.Sequential(nn.Linear(4, 4)), 0.5, kind=lipschitz.SpectrallyNormalised
    ),
    **{name: lambda unit=unit: blocks.linear_block(unit, 4) for name, unit in units.UNITS.items()},
    **{f"conv {name}": lambda unit=unit: blocks.conv_block(unit, 4, 8) for name, unit in units.UNITS.items()},
}


@pytest.mark.parametrize("name", KNOWN)
def test_whatever_the_package_makes_starts_from_the_stream_alone(name):
    assert started(KNOWN[name]) == "alike"


def test_a_stochastic_depth_network_may_be_drawn_again():
    from resnet_lib import nets

    net = nets.mlp(2, 4, unit="pre", in_features=4, generator=generator())
    wrapped = stochastic_depth.wrap(net, [0.5, 0.5], generator=generator())
    assert initialisation.initialise(wrapped, generator()) is wrapped


def test_a_constrained_bias_becomes_zero():
    layer = constrained(nn.Linear(4, 4), "bias", Doubled())
    initialisation.initialise(layer, generator())
    assert not layer.bias.any()  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]


def test_a_width_that_a_scheme_refuses_leaves_the_module_as_it_was():
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 3), nn.Linear(3, 4))
    before = copy.deepcopy(net)
    with pytest.raises(ValueError, match="use an even width"):
        initialisation.initialise(net, generator(), "looks-linear")
    assert alike(net, before)
