"""Maps of which an example has none of its own are refused by every verb, and what is given stays what it was."""

import copy
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from resnet_lib import linalg, nets, runtime
from resnet_lib.analysis import jacobian, lipschitz, shortcuts
from resnet_lib.linalg import newton
from resnet_lib.nets import Unit, effects, stochastic_depth, units

Map = Callable[[Tensor], Tensor]


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=runtime.stream(seed, "test"), dtype=torch.float64)


VERBS: dict[str, Callable[[Map, Tensor], object]] = {
    "dense": jacobian.dense,
    "operator": lambda f, x: jacobian.operator(f, x[0]).to_dense(),
    "eigenvalues": jacobian.eigenvalues,
    "singular_values": jacobian.singular_values,
    "departure": jacobian.departure,
    "stretch": lambda f, x: lipschitz.stretch(f, x, x.flip(0) + 1),
    "gains": lambda f, x: lipschitz.gains(f, x, start=torch.ones_like(x)).values,
    "search": lambda f, x: lipschitz.search(f, x, rounds=1, steps=2, generator=runtime.stream(0)).value,
}
"""Every verb of this package that takes a map of batches."""


class Noisy(nn.Module):
    def __init__(self, *, numpy: bool = False):
        super().__init__()
        self.numpy = numpy

    def forward(self, x: Tensor) -> Tensor:
        drawn = np.random.randn(*x.shape) if self.numpy else torch.randn(x.shape, dtype=x.dtype)  # noqa: NPY002
        return x + 0.1 * torch.as_tensor(drawn, dtype=x.dtype)


class Counting(nn.Module):
    count: Tensor

    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        self.count = self.count + 1
        return x * (1 + self.count)


class Nested(nn.Module):
    """Counts in a part that it calls twice."""

    def __init__(self):
        super().__init__()
        self.inner = Counting()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(self.inner(x))


def with_spectral_norm(*, old: bool) -> nn.Module:
    made = nn.utils.spectral_norm if old else nn.utils.parametrizations.spectral_norm
    return nn.Sequential(made(nn.Linear(4, 4)))


class Mixing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0)


def surviving() -> nn.Module:
    unit = Unit(order="inside", norm="none")
    net = nets.mlp(2, 4, unit=unit, in_features=4, classes=4, generator=runtime.stream(0))
    return stochastic_depth.wrap(net, (0.5, 0.5), generator=runtime.stream(1))


def without_statistics() -> nn.Module:
    net = nets.mlp(1, 4, in_features=4, classes=4, generator=runtime.stream(0))
    torch.func.replace_all_batch_norm_modules_(net)
    return net.eval()


BAD: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "batch norm": (lambda: nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)), r"BatchNorm1d.* training mode.*\.eval"),
    "network": (
        lambda: nets.mlp(1, 4, in_features=4, classes=4, generator=runtime.stream(0)),
        r"training mode.*\.eval",
    ),
    "no statistics": (without_statistics, r"keeps no running statistics.*track_running_stats=True"),
    "dropout": (lambda: nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)), r"Dropout.* training mode.*\.eval"),
    "random slope": (lambda: nn.RReLU(), r"RReLU.* training mode.*\.eval"),
    "noise": (Noisy, "draws random numbers"),
    "counting": (Counting, r"buffer 'count' of a Counting changes"),
    "counting twice": (Nested, r"buffer 'count' of a Counting changes"),
    "spectral norm": (lambda: with_spectral_norm(old=False), r"_SpectralNorm\) is in training mode.*\.eval"),
    "older spectral norm": (lambda: with_spectral_norm(old=True), r"buffer 'weight_u' of a Linear changes.*\.eval"),
    "numpy": (lambda: Noisy(numpy=True), "draws random numbers"),
    "stochastic depth": (surviving, r"Surviving.* training mode.*\.eval"),
}


def hidden(module: nn.Module) -> dict[str, Map]:
    """The module, and the ways to pass it that hide it."""

    def keyword(x: Tensor, *, inner: nn.Module) -> Tensor:
        return inner(x)

    return {
        "module": module,
        "bound method": module.forward,
        "lambda": lambda x: module(x),
        "partial": functools.partial(keyword, inner=module),
        "inside": nn.Sequential(nn.Identity(), module),
    }


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("kind", BAD)
def test_every_verb_refuses_maps_that_are_not_of_one_example(verb, kind):
    make, message = BAD[kind]
    for name in hidden(nn.Identity()):
        module = make().double()
        f, x = hidden(module)[name], gaussian(3, 4)
        if name == "bound method" and kind in ("random slope", "counting"):
            continue  # nothing is called that could be seen; a draw is, below
        state, kept, drawn = copy.deepcopy(module.state_dict()), x.clone(), torch.get_rng_state()
        mode = [part.training for part in module.modules()]
        with pytest.raises(ValueError, match=message):
            VERBS[verb](f, x)
        assert torch.equal(x, kept)
        assert torch.equal(torch.get_rng_state(), drawn)
        assert [part.training for part in module.modules()] == mode
        assert all(torch.equal(a, b) for a, b in zip(state.values(), module.state_dict().values(), strict=True))


@pytest.mark.parametrize("verb", ["dense", "eigenvalues", "singular_values", "departure"])
def test_examples_that_meet_without_a_module_are_noticed_too(verb):
    def normalised(x: Tensor) -> Tensor:
        return nn.functional.batch_norm(x, None, None, training=len(x) > 1) if len(x) > 1 else x

    for f in (Mixing(), lambda x: x * x.sum(), normalised):
        with pytest.raises(ValueError, match="another output of an example beside a second one"):
            VERBS[verb](f, gaussian(3, 4))


def test_a_draw_behind_a_bound_method_is_noticed():
    state = torch.get_rng_state()
    with pytest.raises(ValueError, match="draws random numbers"):
        jacobian.dense(nn.RReLU().double().forward, -gaussian(2, 3).abs())
    assert torch.equal(torch.get_rng_state(), state)


def spoiling(x: Tensor) -> Tensor:
    """Works in place on what it is given."""
    return x.mul_(2).sin_()


class Buffered:
    """Gives the same tensor each time, with other numbers."""

    def __init__(self):
        self.buffer = torch.empty(0)

    def __call__(self, x: Tensor) -> Tensor:
        y = torch.sin(2 * x)
        if not y.requires_grad and self.buffer.shape == y.shape:
            return self.buffer.copy_(y)
        self.buffer = y
        return y


MAPS: dict[str, Callable[[], Map]] = {
    "in place": lambda: spoiling,
    "module in place": lambda: nn.Sequential(nn.SiLU(inplace=True), nn.ReLU(inplace=True)),
    "buffered": Buffered,
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("kind", MAPS)
def test_maps_that_work_in_place_or_reuse_a_tensor_give_the_right_answer(verb, kind):
    x = gaussian(3, 4)
    kept = x.clone()
    clean = (lambda v: nn.functional.relu(nn.functional.silu(v))) if "module" in kind else lambda v: torch.sin(2 * v)
    expected, found = VERBS[verb](clean, kept.clone()), VERBS[verb](MAPS[kind](), x)
    assert torch.equal(x, kept)
    torch.testing.assert_close(found, expected)


def test_states_and_roots_are_not_spoilt_by_what_works_in_place():
    stack = nets.Stack(nn.Identity(), [nn.SiLU(inplace=True), nn.ELU(inplace=True)], nn.Identity(), shape=(3,))
    x = gaussian(2, 3)
    states = stack.states(x)
    expected = [x, nn.functional.silu(x), nn.functional.elu(nn.functional.silu(x))]
    torch.testing.assert_close(states, expected)
    torch.testing.assert_close(jacobian.along(stack, x)[1], jacobian.dense(nn.functional.elu, nn.functional.silu(x)))
    start = torch.tensor([1.0, 3.0], dtype=torch.float64)
    kept, buffer = start.clone(), torch.empty(2, dtype=torch.float64)

    def squares(v: Tensor) -> Tensor:
        return v.square_().sub_(2)

    def reused(v: Tensor) -> Tensor:
        return buffer.copy_(v.detach() ** 2 - 2)

    def derivative(v: Tensor) -> Tensor:
        return torch.diag(v.mul_(2))

    for function, jacobian_ in ((squares, None), (squares, derivative), (reused, derivative)):
        found = newton.newton(function, start, jacobian=jacobian_)
        assert found.converged
        torch.testing.assert_close(found.value, torch.full((2,), 2**0.5, dtype=torch.float64))
        assert torch.equal(start, kept)


def test_constant_maps_have_a_derivative_of_zero():
    for f in (lambda x: torch.ones_like(x), torch.sign, lambda x: x.detach() ** 2):
        x = gaussian(2, 3)
        assert not jacobian.dense(f, x).any()
        assert not jacobian.operator(f, x[0]).to_dense().any()
        assert not lipschitz.gains(f, x, start=torch.ones_like(x)).values.any()


def test_what_vmap_refuses_is_differentiated_row_by_row():
    def deciding(x: Tensor) -> Tensor:
        return x * (2 if float(x.sum()) > 0 else 3)

    x = torch.tensor([[1.0, 2.0], [-1.0, 0.5]])
    torch.testing.assert_close(jacobian.dense(deciding, x[:1]), 2 * torch.eye(2)[None])
    torch.testing.assert_close(jacobian.dense(deciding, x[1:]), 3 * torch.eye(2)[None])

    def broken(x: Tensor) -> Tensor:
        return x if len(x) > 1 or not x.requires_grad else x @ torch.ones(7, 7)

    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        jacobian.dense(broken, x)


@pytest.mark.usefixtures("unchecked")
def test_types_that_do_not_go_together_are_named():
    net = nets.mlp(1, 4, in_features=4, generator=runtime.stream(0)).eval()
    with pytest.raises(
        ValueError, match=r"x has dtype torch\.float64 and the parameters of f have torch\.float32; use"
    ):
        jacobian.dense(net, gaussian(2, 4))
    with pytest.raises(ValueError, match=r"x has dtype torch\.int64; expected a real type.*\.float\(\)"):
        jacobian.dense(nn.Identity(), torch.ones(2, 4).long())
    for call in (
        lambda x: lipschitz.stretch(nn.Identity(), x, x),
        lambda x: lipschitz.gains(nn.Identity(), x, start=x),
        lambda x: lipschitz.search(nn.Identity(), x, generator=runtime.stream(0)),
    ):
        with pytest.raises(ValueError, match=r"has dtype torch\.int64; expected a real type.*\.float\(\)"):
            call(torch.ones(2, 4).long())
    with pytest.raises(ValueError, match=r"f gives a tuple; it has to map a tensor to one tensor"):
        jacobian.dense(lambda x: (x, x), gaussian(2, 4))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"expected two batches"):
        lipschitz.stretch(nn.Identity(), gaussian(2, 4), gaussian(3, 4))
    with pytest.raises(ValueError, match=r"expected a direction that is not zero for each example"):
        lipschitz.gains(nn.Identity(), gaussian(2, 4), start=torch.zeros(2, 4).double())
    with pytest.raises(ValueError, match=r"starts holds NaN"):
        lipschitz.search(nn.Identity(), gaussian(2, 4) * float("nan"), generator=runtime.stream(0))
    with pytest.raises(ValueError, match=r"start has shape \(2,\) and dtype torch\.int64; expected a vector of real"):
        newton.newton(lambda v: v, torch.ones(2).long())


@pytest.mark.usefixtures("unchecked")
def test_positions_may_be_integers_of_any_kind_and_nothing_else():
    unit = Unit(order="inside", norm="none")
    net = nets.mlp(3, 4, unit=unit, in_features=4, generator=runtime.stream(0)).eval()
    x = torch.ones(2, 4)
    expected = jacobian.along(net, x, blocks=[2, 0])
    for blocks_ in (np.array([2, 0]), torch.tensor([2, 0]), (np.int64(2), np.uint8(0)), [torch.tensor(2), 0]):
        found = jacobian.along(net, x, blocks=blocks_)  # pyright: ignore[reportArgumentType]
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert torch.equal(jacobian.along(net, x, blocks=2)[0], expected[0])
    for wrong in ([True, False, True], np.array([True, False]), torch.tensor([True]), [1.0], ["0"]):
        with pytest.raises(TypeError, match=r"blocks holds .*; it takes whole numbers"):
            jacobian.along(net, x, blocks=wrong)  # pyright: ignore[reportArgumentType]
    for call in (
        lambda: jacobian.lyapunov(nn.Linear(4, 4), x[0], 1, generator=runtime.stream(0)),  # pyright: ignore
        lambda: jacobian.along_seeds(nn.Linear(4, 4), {}, {}, x),
    ):
        with pytest.raises(TypeError, match=r"stack is a Linear; expected a nets\.Stack"):
            call()
    for name, value in (("depth", True), ("width", 2.0), ("classes", "3")):
        with pytest.raises(TypeError, match=rf"{name} holds {value!r}.*; it takes whole numbers"):
            nets.mlp(**{"depth": 1, "width": 4, "generator": runtime.stream(0), name: value})
    numbers: Any = np.int64(2), np.int32(4)
    assert len(nets.mlp(*numbers, generator=runtime.stream(0)).blocks) == 2


def clipped(seed: int) -> nn.Module:
    """A convolution before a ReLU, which with the biases of some seeds clips nothing of what is near zero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(2, 2, 1), nn.ReLU(inplace=True))


def test_matrices_of_shortcuts_are_those_of_linear_maps_of_one_example():
    for layer, message in (
        (nn.BatchNorm2d(2), r"training mode.*it is no linear map"),
        (nn.BatchNorm2d(2, track_running_stats=False).eval(), "keeps no running statistics"),
        (nn.ReLU(), r"shortcut \(ReLU\) is no linear map, so that it has no matrix; use jacobian"),
        *((clipped(seed), "is no linear map") for seed in range(20)),
    ):
        with pytest.raises(ValueError, match=message):
            shortcuts.matrix(layer, (2, 3, 3))
    affine = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3)).eval()
    assert shortcuts.matrix(affine, (2, 3, 3)).shape == (27, 18)


def pca_network() -> nets.Stack:
    return nets.cifar_resnet(8, width=4, unit=Unit(shortcut="pca"), generator=runtime.stream(0)).eval()


@pytest.mark.parametrize("case", ["too few", "wrong shape", "late", "success"])
def test_principal_directions_leave_modes_and_statistics(case):
    net = pca_network()
    net.blocks[1].train()  # a part whose mode is its own
    if case == "late":  # the second projection fails when the first is set
        net.blocks[2].branch.weight1 = nn.Conv2d(1, 1, 1)  # pyright: ignore
    x = torch.randn(1 if case == "too few" else 40, 3, 8, 8, generator=runtime.stream(1))
    x = x[:, :2] if case == "wrong shape" else x
    state = {name: value.clone() for name, value in net.state_dict().items()}
    mode, drawn = [part.training for part in net.modules()], torch.get_rng_state()
    if case == "success":
        shortcuts.pca_(net, x)
    else:
        with pytest.raises((ValueError, RuntimeError)):
            shortcuts.pca_(net, x)
    assert [part.training for part in net.modules()] == mode
    assert torch.equal(torch.get_rng_state(), drawn)
    for name, value in net.state_dict().items():
        learned = case == "success" and name.endswith("shortcut.weight")
        assert torch.equal(value.nan_to_num(7.0), state[name].nan_to_num(7.0)) != learned


def test_a_constrained_projection_takes_its_directions():
    net = pca_network()
    lipschitz.constrain(net, 0.5, size=(8, 8), where=lambda name: name.endswith("shortcut"))
    shortcuts.pca_(net, torch.randn(40, 3, 8, 8, generator=runtime.stream(1)))
    free = shortcuts.pca_(pca_network(), torch.randn(40, 3, 8, 8, generator=runtime.stream(1)))
    mine, plain = (n.blocks[1].shortcut.weight.flatten() for n in (net, free))  # pyright: ignore
    assert torch.cosine_similarity(mine, plain, dim=0).item() == pytest.approx(1)
    block: Any = net.blocks[1]
    assert lipschitz.product_bound(block.shortcut, (4, 8, 8)).value <= 0.5 * (1 + 1e-6)


def test_the_watch_sees_the_modules_of_its_own_thread_alone():
    import threading

    other = nn.BatchNorm1d(3)
    found: list[BaseException] = []

    def train() -> None:
        try:
            other(torch.randn(4, 3, generator=runtime.stream(0)))
        except ValueError as error:
            found.append(error)

    def f(x: Tensor) -> Tensor:
        thread = threading.Thread(target=train)
        thread.start()
        thread.join()
        return x

    effects.watched(f, torch.ones(2, 3), "nothing")
    assert not found
    assert other.num_batches_tracked == 1


def test_a_departure_far_below_one_is_that_of_its_direction():
    assert linalg.departure(torch.tensor([[0.0, 1e-24], [0.0, 0.0]])).item() == pytest.approx(2**0.5)
    net = nets.mlp(
        60, 16, unit=Unit(order="WNA+", norm="none", residual=False, activation="sigmoid"), generator=runtime.stream(0)
    ).eval()
    trunk = nn.Sequential(*net.blocks)
    x = torch.rand(1, 16, generator=runtime.stream(1))
    single, double = jacobian.departure(trunk, x), jacobian.departure(trunk.double(), x.double())
    assert single.item() == pytest.approx(double.item(), rel=0.05)


def test_norms_of_spectra_have_no_gradient_rather_than_a_wrong_one():
    matrix = gaussian(4, 4).requires_grad_()
    for verb in (linalg.spectral_norms, linalg.singular_values, linalg.eigenvalues, linalg.spectral_radius):
        assert not verb(matrix).requires_grad
    assert torch.autograd.gradcheck(linalg.departure, (matrix,))


def test_block_names_are_what_a_scheme_knows():
    from resnet_lib.nets import weights

    assert weights.KNOWN == units.SCHEMES
    for arguments, message in (
        ({"scheme": "He"}, r"scheme='He' is unknown; known: he, lecun"),
        ({"scheme": "he", "place": "middle"}, r"place='middle' is unknown; known: only, first, inner, last"),
    ):
        weight = torch.zeros(3, 3)
        with pytest.raises(ValueError, match=message):
            weights.draw(weight=weight, generator=runtime.stream(0), **arguments)
        assert not weight.any()
