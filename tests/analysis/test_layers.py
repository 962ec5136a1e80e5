"""A bound is of the map that forward applies: for every layer of torch and of the package, with any argument."""

import copy
import inspect
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from bounded import ROUNDING, SEEDS, drawn, gaussian, reached
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune

from resnet_lib import linalg, nets, runtime
from resnet_lib.analysis import jacobian, lipschitz
from resnet_lib.analysis.lipschitz.layers import DROPOUTS, NORMS, SLOPES
from resnet_lib.nets import Block, Unit, blocks, dynamics, projections, units
from resnet_lib.nets.merges import Add, Formula

SMALL = st.integers(1, 4)


def bound_or_none(layer: nn.Module, shape: tuple[int, ...]) -> float | None:
    """The bound; None where the layer is refused."""
    try:
        return lipschitz.product_bound(layer, shape).value
    except ValueError:
        return None


def bounded(make: Callable[[], nn.Module], shape: tuple[int, ...], seed: int) -> bool:
    """Whether a layer is bounded; the bound holds then. Torch may refuse it before, or the bound."""
    try:
        layer = drawn(make(), seed)
        with torch.no_grad():
            output = layer(torch.zeros(2, *shape, dtype=torch.float64))
    except (RuntimeError, ValueError, NotImplementedError):
        return False
    state = copy.deepcopy(layer.state_dict())
    bound = bound_or_none(layer, shape)
    if bound is None or not torch.isfinite(output).all():  # a maximum of nothing but padding is minus infinity
        return False
    assert reached(layer, shape, seed) <= bound * ROUNDING
    assert all(torch.equal(a, b) for a, b in zip(state.values(), layer.state_dict().values(), strict=True))
    return True


def each(n: int, low: int, high: int) -> st.SearchStrategy:
    """A number for all directions, or one for each."""
    number = st.integers(low, high)
    return number | st.tuples(*[number] * n)


IMAGE = st.tuples(st.integers(1, 2), st.integers(2, 7), st.integers(2, 7))
SHAPES = {
    1: st.tuples(st.integers(1, 2), st.integers(1, 9)),
    2: IMAGE,
    3: st.tuples(st.integers(1, 2), *[st.integers(2, 4)] * 3),
}


def pools(n: int, **more: st.SearchStrategy) -> st.SearchStrategy[dict]:
    return st.fixed_dictionaries(
        {
            "kernel_size": each(n, 1, 4),
            "stride": st.none() | each(n, 1, 4),
            "padding": st.integers(0, 2),
            "ceil_mode": st.booleans(),
            **more,
        }
    )


VALUES = st.floats(-3, 3)
LAYERS: dict[type[nn.Module], tuple[st.SearchStrategy[dict], st.SearchStrategy]] = {
    nn.Linear: (
        st.fixed_dictionaries({"in_features": SMALL, "out_features": SMALL, "bias": st.booleans()}),
        st.tuples(SMALL) | st.tuples(SMALL, SMALL),
    ),
    nn.Conv2d: (
        st.fixed_dictionaries(
            {
                "in_channels": st.integers(1, 2),
                "out_channels": st.sampled_from([1, 2, 4]),
                "kernel_size": each(2, 1, 4),
                "stride": st.integers(1, 3) | each(2, 1, 3),
                "padding": st.sampled_from(["same", "valid"]) | each(2, 0, 4),
                "dilation": st.just(1) | each(2, 1, 2),
                "groups": st.just(1) | st.integers(1, 2),
                "padding_mode": st.sampled_from(["zeros", "circular", "zeros", "circular", "reflect", "replicate"]),
            }
        ),
        IMAGE,
    ),
    nn.LeakyReLU: (st.fixed_dictionaries({"negative_slope": VALUES}), st.just((3,))),
    nn.ELU: (st.fixed_dictionaries({"alpha": VALUES}), st.just((3,))),
    nn.CELU: (st.fixed_dictionaries({"alpha": st.floats(0.1, 3)}), st.just((3,))),
    nn.RReLU: (st.fixed_dictionaries({"lower": st.floats(-3, 0), "upper": st.floats(0, 3)}), st.just((3,))),
    nn.PReLU: (
        st.fixed_dictionaries({"num_parameters": st.integers(1, 3)}),
        st.sampled_from([(3,), (2, 2), (1, 3, 2)]),
    ),
    nn.Softplus: (
        st.fixed_dictionaries({"beta": st.floats(0.1, 5), "threshold": st.sampled_from([20.0, 30.0])}),
        st.just((3,)),
    ),
    nn.Hardtanh: (st.fixed_dictionaries({"min_val": st.floats(-3, 0), "max_val": st.floats(0.1, 3)}), st.just((3,))),
    nn.Softshrink: (st.fixed_dictionaries({"lambd": st.floats(0, 2)}), st.just((3,))),
    nn.Threshold: (VALUES.map(lambda v: {"threshold": v, "value": v}), st.just((3,))),
    nn.GELU: (st.fixed_dictionaries({"approximate": st.sampled_from(["none", "tanh"])}), st.just((3,))),
    nn.Flatten: (st.fixed_dictionaries({"start_dim": st.integers(-2, 2), "end_dim": st.integers(-2, 2)}), IMAGE),
    nn.Unflatten: (st.just({"dim": 1, "unflattened_size": (2, 2)}), st.sampled_from([(4,), (4, 2)])),
    nn.PixelShuffle: (st.just({"upscale_factor": 2}), st.sampled_from([(4, 2, 3), (8, 1, 1)])),
    nn.PixelUnshuffle: (st.just({"downscale_factor": 2}), st.sampled_from([(1, 2, 4), (2, 2, 2)])),
    nn.ChannelShuffle: (st.just({"groups": 2}), st.sampled_from([(4, 2, 2), (2, 3, 1)])),
}
for name, n in (("1d", 1), ("2d", 2), ("3d", 3)):
    over = {"divisor_override": st.none() | st.integers(1, 5)} if n > 1 else {}
    LAYERS[getattr(nn, f"MaxPool{name}")] = pools(n, dilation=each(n, 1, 3)), SHAPES[n]
    LAYERS[getattr(nn, f"AvgPool{name}")] = pools(n, count_include_pad=st.booleans(), **over), SHAPES[n]
    sizes = st.fixed_dictionaries({"output_size": each(n, 1, 5)})
    LAYERS[getattr(nn, f"AdaptiveMaxPool{name}")] = sizes, SHAPES[n]
    LAYERS[getattr(nn, f"AdaptiveAvgPool{name}")] = sizes, SHAPES[n]
    pads = st.fixed_dictionaries({"padding": st.integers(-1, 2) | st.tuples(*[st.integers(-1, 2)] * 2 * n)})
    LAYERS[getattr(nn, f"ZeroPad{name}")] = pads, SHAPES[n]
    LAYERS[getattr(nn, f"ConstantPad{name}")] = pads.map(lambda kwargs: {**kwargs, "value": 1.5}), SHAPES[n]
    channels = st.fixed_dictionaries({"num_features": st.integers(1, 2), "affine": st.booleans()})
    LAYERS[getattr(nn, f"BatchNorm{name}")] = channels, SHAPES[n] | (st.just((2,)) if n == 1 else SHAPES[n])
LAYERS[nn.SyncBatchNorm] = channels, IMAGE
LAYERS |= {kind: (st.just({}), st.just((3,))) for kind in SLOPES if kind not in LAYERS}
LAYERS |= {kind: (st.fixed_dictionaries({"p": st.floats(0, 1)}), SHAPES[1]) for kind in DROPOUTS}
LAYERS |= {kind: (st.just({}), shape) for kind, shape in ((nn.Dropout2d, IMAGE), (nn.Dropout3d, SHAPES[3]))}
CONTAINERS = {nn.Sequential}


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
@pytest.mark.parametrize("kind", LAYERS, ids=lambda kind: kind.__name__)
def test_no_bound_of_a_layer_of_torch_is_below_what_is_reached(kind):
    arguments, shapes = LAYERS[kind]
    found = []

    @settings(max_examples=100 if kind in (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, nn.MaxPool3d, nn.AvgPool3d) else 20)
    @given(arguments, shapes, SEEDS)
    def sweep(kwargs, shape, seed):
        reads = {"in_features": shape[-1], "in_channels": shape[0], "num_features": shape[0]}
        fitting = {name: reads.get(name, value) for name, value in kwargs.items()}
        found.append(bounded(lambda: kind(**fitting), shape, seed))

    sweep()
    assert sum(found) >= min(5, len(found))


def modules_of_torch() -> list[type[nn.Module]]:
    found = {value for _, value in inspect.getmembers(nn, inspect.isclass) if issubclass(value, nn.Module)}
    return sorted(found, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", [k for k in modules_of_torch() if k not in {*LAYERS, *CONTAINERS}])
def test_every_other_module_of_torch_is_refused(kind, monkeypatch):
    """Without its arguments: the class alone decides, so that one that torch adds is refused too."""
    monkeypatch.setattr(kind, "__repr__", lambda self: kind.__name__)
    layer = object.__new__(kind)
    nn.Module.__init__(layer)
    for shape in ((3,), (2, 4, 4)):
        with pytest.raises(ValueError, match=kind.__name__):
            lipschitz.product_bound(layer, shape)
    with pytest.raises(ValueError, match=r"use|holds"):
        lipschitz.normal_form(layer, 3)


def test_every_layer_that_is_bounded_is_one_of_torch():
    assert set(modules_of_torch()) >= {*SLOPES, *NORMS, *DROPOUTS, *LAYERS}


@pytest.mark.parametrize("kind", LAYERS, ids=lambda kind: kind.__name__)
def test_a_subclass_is_not_taken_for_its_base(kind):
    """It may have another forward, as masked, quantised and low-rank layers have."""
    base = {nn.Linear: nn.Linear(3, 3), nn.Conv2d: nn.Conv2d(2, 2, 1)}.get(kind)
    layer = base or object.__new__(kind)
    if base is None:
        nn.Module.__init__(layer)
    other = {"forward": lambda self, x: kind.forward(self, x) * 3, "__repr__": lambda self: "Tripled"}
    layer.__class__ = type("Tripled", (kind,), other)
    for shape in ((3,), (2, 4, 4)):
        with pytest.raises(ValueError, match="Tripled"):
            lipschitz.product_bound(layer, shape)
    with pytest.raises(ValueError, match="Tripled"):
        lipschitz.normal_form(layer, 3)


def tampered() -> dict[str, tuple[nn.Module, str]]:
    """Layers whose class is known, and which apply something else all the same."""
    patched = nn.Linear(3, 3)
    patched.forward = lambda input: 3 * nn.Linear.forward(patched, input)
    hooked, early = nn.Linear(3, 3), nn.Linear(3, 3)
    hooked.register_forward_hook(lambda m, a, y: 3 * y)  # pyright: ignore[reportOperatorIssue]
    early.register_forward_pre_hook(lambda m, a: (3 * a[0],))
    masked = nn.Linear(3, 3)
    parametrize.register_parametrization(masked, "weight", nn.Identity())
    return {
        "a forward of its own": (patched, "has a forward of its own"),
        "a hook": (hooked, r"has forward hooks, .* remove them"),
        "a hook before": (early, r"has forward hooks, .* remove them"),
        "pruned": (prune.l1_unstructured(nn.Linear(3, 3), "weight", 0.5), r"prune\.remove"),
        "weight norm": (parametrizations.weight_norm(nn.Linear(3, 3)), "_WeightNorm.*remove_parametrizations"),
        "spectral norm": (parametrizations.spectral_norm(nn.Linear(3, 3)), "_SpectralNorm.*remove_parametrizations"),
        "another parametrisation": (masked, r"parametrisation \(Identity\) .*remove_parametrizations"),
        "complex": (nn.Linear(3, 3, dtype=torch.complex64), "complex numbers"),
        "not drawn": (blocks.Linear(3, 3), r"holds NaN .* blocks\.initialise"),
        "no numbers": (nn.Linear(3, 3, device="meta"), "device meta"),
    }


@pytest.mark.parametrize("name", tampered())
def test_what_may_compute_something_else_is_refused(name):
    layer, message = tampered()[name]
    for module in (layer, nn.Sequential(nn.Identity(), layer), Block(layer, nn.Identity(), Add())):
        for call in (lambda m: lipschitz.product_bound(m, (3,)), lambda m: lipschitz.normal_form(m, 3)):
            with pytest.raises(ValueError, match=message):
                call(module)


def test_a_class_of_its_own_may_say_what_it_is():
    class Doubled(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return 2 * super().forward(input)

        def effective(self) -> Tensor:
            return 2 * self.weight

    class Sine(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([torch.sin(3 * x), x], 1)

        def lipschitz_constant(self) -> float:
            return math.sqrt(10)

    class Halves(nn.Module):
        def forward(self, s: Tensor, b: Tensor) -> Tensor:
            return (s + b) / 2

        def formula(self) -> Formula:
            return Formula(0.5, 0.5)

    net = nn.Sequential(Block(Doubled(3, 3), nn.Identity(), Halves()), Sine(), nn.Linear(6, 2)).double().eval()
    assert isinstance(net[0], Block)
    norms = [float(torch.linalg.matrix_norm(m.weight.detach(), 2)) for m in net.modules() if isinstance(m, nn.Linear)]
    expected = (0.5 + norms[0]) * math.sqrt(10) * norms[1]
    assert lipschitz.product_bound(net, (3,)).value == pytest.approx(expected)
    block = lipschitz.semidefinite(lipschitz.normal_form(net[0], 3)).value
    assert block == pytest.approx(jacobian.singular_values(net[0], torch.zeros(1, 3).double()).max().item())

    class Worse(Sine):
        def forward(self, x: Tensor) -> Tensor:
            return 5 * super().forward(x)

    class Heavier(Halves):
        def forward(self, s: Tensor, b: Tensor) -> Tensor:
            return 7 * (s + b)

    with pytest.raises(
        ValueError, match=r"'module' \(Worse\): .* method lipschitz_constant\(\) that it defines itself"
    ):
        lipschitz.product_bound(Worse(), (3,))
    for call in (lambda m: lipschitz.product_bound(m, (3,)), lambda m: lipschitz.normal_form(m, 3)):
        with pytest.raises(ValueError, match=r"merge: Heavier does not say what it makes of both paths"):
            call(Block(nn.Linear(3, 3), nn.Identity(), Heavier()))


def own() -> dict[str, tuple[nn.Module, tuple[int, ...]]]:
    """Layers and blocks that the package makes, with the shape of an example."""
    found: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
        "antisymmetric": (dynamics.Antisymmetric(4), (4,)),
        "damped": (dynamics.Antisymmetric(4, gamma=0.7), (3, 4)),
        "bounded": (dynamics.Antisymmetric(4, bound=0.1), (4,)),
        "antisymmetric block": (dynamics.antisymmetric_block(4, 0.7), (4,)),
        "hamiltonian block": (dynamics.hamiltonian_block(4, 0.7), (4,)),
        "shear": (dynamics.Shear(4, moves="q"), (4,)),
        "repeat": (dynamics.Repeat(dynamics.antisymmetric_block(3, 0.5), 3), (3,)),
        "rows": (projections.Orthonormal(4, 2, 1, kernel=1), (4, 2, 2)),
        "columns": (projections.Orthonormal(2, 4, 2, kernel=1), (2, 4, 2)),
        "patches": (projections.Patches(2, 3, 2), (2, 4, 4)),
        "principal": (projections.Principal(2, 3, 2), (2, 4, 2)),
        "zeros": (projections.ZeroPad(2, 2), (2, 5, 3)),
        "zeros before": (blocks.Linear(3, 2), (3,)),
    }
    for name, unit in units.UNITS.items():
        found[f"linear {name}"] = blocks.linear_block(replace(unit, shortcut="C" if unit.residual else None), 4), (4,)
        found[f"conv {name}"] = blocks.conv_block(unit, 4, 8, stride=2), (4, 5, 4)
    for shortcut in ("A", "B", "C", "none", "rows", "columns", "2x2", "pca", "pool"):
        size = (4, 6) if shortcut in ("2x2", "pca") else (5, 3)
        c_out = {"rows": 2, "2x2": 6, "pca": 6}.get(shortcut, 8)
        found[f"shortcut {shortcut}"] = blocks.conv_block(Unit(shortcut=shortcut), 4, c_out, stride=2), (4, *size)
    return found


@pytest.mark.parametrize("name", own())
def test_no_bound_of_a_layer_of_the_package_is_below_what_is_reached(name):
    for seed in range(4):
        module, shape = own()[name]
        module = drawn(module, seed)
        if seed % 2:
            module = module.requires_grad_(False)
            for parameter in module.parameters():
                parameter.data *= 0.05  # where weight is small and the map is not
        bound = lipschitz.product_bound(module, shape).value
        found = lipschitz.search(module, gaussian(seed, 2, *shape), rounds=1, steps=1, generator=runtime.stream(seed))
        assert max(reached(module, shape, seed), found.value, found.pair) <= bound * ROUNDING
        if seed < 2 and len(shape) == 1 and "hamiltonian" not in name and name != "shear":
            proven = lipschitz.semidefinite(lipschitz.normal_form(module, shape[0])).value
            assert max(reached(module, shape, seed), found.value, found.pair) <= proven * ROUNDING + 1e-9
            assert proven <= bound * (1 + 3e-3)


def repeated() -> dict[str, tuple[nn.Module, tuple[int, ...]]]:
    """Layers that keep the shape, so that one may come twice in a row."""
    found = {name: own()[name] for name in ("antisymmetric", "antisymmetric block", "shear", "linear post")}
    found["linear"], found["convolution"] = (nn.Linear(3, 3), (3,)), (nn.Conv2d(2, 2, 3, padding=1), (2, 4, 3))
    found["normalisation"], found["pooling"] = (nn.BatchNorm1d(3), (3,)), (nn.MaxPool2d(3, 1, padding=1), (2, 4, 4))
    return found | {"gelu": (nn.GELU(), (3,))}


@pytest.mark.parametrize("name", repeated())
def test_a_module_that_comes_twice_counts_twice(name):
    """Shared weights and one activation for all places: torch's lists of children name each module once."""
    module, shape = repeated()[name]
    layer = drawn(module, 1)
    alone = lipschitz.product_bound(layer, shape).value
    chains = {
        "in a row": (nn.Sequential(layer, layer), alone**2),
        "apart": (nn.Sequential(layer, nn.Tanh(), layer, nn.Tanh()), alone**2),
        "in two chains": (nn.Sequential(nn.Sequential(layer), nn.Sequential(layer, layer)), alone**3),
        "in a block": (Block(nn.Sequential(layer, layer), nn.Identity(), Add()), 1 + alone**2),
    }
    for chain, expected in chains.values():
        bound = lipschitz.product_bound(chain.eval(), shape)
        assert bound.value == pytest.approx(expected)
        assert reached(chain, shape, 2) <= bound.value * ROUNDING
        if len(shape) == 1 and name not in ("shear", "gelu"):
            proven = lipschitz.semidefinite(lipschitz.normal_form(chain, shape[0])).value
            assert reached(chain, shape, 2) <= proven * ROUNDING + 1e-9


@pytest.mark.parametrize("make", ["rows", "columns", "antisymmetric", "bounded"])
def test_linear_layers_of_the_package_have_the_norm_of_their_map(make):
    module, shape = own()[make]
    module = drawn(module, 3)
    exact = jacobian.singular_values(module, torch.zeros(1, *shape).double()).max().item()
    assert lipschitz.product_bound(module, shape).value == pytest.approx(exact)
    if isinstance(module, nn.Conv2d):
        convolution = linalg.Convolution.of(module, (shape[1], shape[2]))
        x = gaussian(0, 2, *shape)
        torch.testing.assert_close(convolution.apply(x), module(x))


def test_a_dilated_maximum_has_the_constant_of_its_windows():
    for size, step, dilation, expected in ((3, 2, 2, 3.0), (2, 2, 2, 2.0), (3, 2, 1, 2.0), (3, 3, 2, 1.0)):
        pool = nn.MaxPool2d(size, stride=step, dilation=dilation)
        assert lipschitz.product_bound(pool, (1, 9, 9)).value == pytest.approx(expected)
        x = torch.zeros(81, 1, 9, 9, dtype=torch.float64)
        y = torch.eye(81, dtype=torch.float64).reshape(81, 1, 9, 9)
        assert lipschitz.stretch(pool, x, y).max().item() == pytest.approx(expected)


def test_layers_that_jump_or_draw_have_no_constant():
    for layer, message in (
        (nn.Softplus(threshold=1.0), r"Softplus\): its Lipschitz constant is not known"),
        (nn.Softplus(beta=-1.0), r"Softplus"),
        (nn.CELU(-1.0), "CELU"),
        (nn.Hardshrink(), "it jumps"),
        (nn.Threshold(0.5, 0.0), "it jumps"),
        (nn.LeakyReLU(math.nan), "negative_slope=nan, which is not finite"),
        (nn.RReLU(), r"training mode.*\.eval\(\)"),
        (nn.Dropout(), r"training mode.*\.eval\(\)"),
        (nn.BatchNorm1d(3, track_running_stats=False).eval(), r"keeps no running statistics.*track_running_stats"),
        (nn.MaxPool1d(2, return_indices=True), "return_indices=False"),
        (nn.Flatten(0), "has to keep the examples apart"),
        (nn.BatchNorm1d(4).eval(), "expects 4 channels"),
        (nn.Conv2d(3, 2, 3), "expects 3 channels"),
    ):
        with pytest.raises(ValueError, match=message):
            lipschitz.product_bound(layer, (3, 3) if isinstance(layer, nn.MaxPool1d) else (3,))
    for shape in ((), (0,), (3, -1)):
        with pytest.raises(ValueError, match=r"shape=.* is that of one example, e\.g\. \(64,\)"):
            lipschitz.product_bound(nn.ReLU(), shape)
    with pytest.raises(ValueError, match=r"x has shape \(3, 4\); this network expects \(batch, 64\)"):
        lipschitz.product_bound(nets.mlp(1, 4, generator=runtime.stream(0)).eval(), (4,))


@given(SEEDS, st.integers(1, 4), st.integers(1, 4))
def test_pooling_has_the_constant_that_is_said(seed, size, step):
    pool = nn.MaxPool2d(size, stride=step)
    x, y = gaussian(seed, 50, 1, 8, 8), gaussian(seed + 1, 50, 1, 8, 8)
    bound = lipschitz.product_bound(pool, (1, 8, 8)).value
    assert lipschitz.stretch(pool, x, x + 0.1 * y).max() <= bound * ROUNDING
    mean = lipschitz.product_bound(nn.AdaptiveAvgPool2d(2), (1, 8, 8)).value
    ones = torch.ones(1, 1, 8, 8).double()
    assert lipschitz.stretch(nn.AdaptiveAvgPool2d(2), ones, 0 * ones).item() == pytest.approx(mean)


@pytest.mark.parametrize("activation", [nn.GELU(), nn.SiLU(), nn.Sigmoid(), nn.Tanh(), nn.ELU(), nn.Softplus()])
def test_slopes_of_activations_are_not_exceeded_and_nearly_met(activation):
    x = torch.linspace(-6, 6, 200001, dtype=torch.float64).requires_grad_()
    (slope,) = torch.autograd.grad(activation(x).sum(), x)
    bound = lipschitz.product_bound(activation, (1,)).value
    assert slope.abs().max() <= bound
    assert slope.abs().max() >= 0.997 * bound
