"""Counts against torch's own counter and against what the papers print."""

from dataclasses import replace

import pytest
import torch
from events import Clock
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from resnet_lib import nets, runtime
from resnet_lib.analysis import costs, flow
from resnet_lib.nets import blocks, dynamics, initialisation
from resnet_lib.nets.units import UNITS


def generator() -> torch.Generator:
    return runtime.stream(0, "test")


def cifar(depth: int, shortcut: str) -> nets.Stack:
    return nets.cifar_resnet(depth, unit=replace(UNITS["post"], shortcut=shortcut), generator=generator())


@pytest.mark.parametrize("shortcut", ["A", "B", "C", "columns", "2x2", "pool", "none"])
def test_multiply_adds_are_half_of_torchs_flops(shortcut):
    net = cifar(8, shortcut)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(torch.zeros(2, 3, 32, 32))
    counted = counter.get_flop_counts()["Global"]
    layers = sum(flops for op, flops in counted.items() if "convolution" in str(op) or "addmm" in str(op))
    assert costs.count(net, (3, 32, 32)).multiply_adds == layers / 2 / 2


@pytest.mark.parametrize(("depth", "published"), [(18, 1.8e9), (34, 3.6e9)])
def test_imagenet_counts_are_those_of_table_1(depth, published):
    with torch.device("cpu"):
        net = nets.imagenet_resnet(depth, generator=generator())
    assert costs.count(net, (3, 224, 224)).multiply_adds == pytest.approx(published, rel=0.02)


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (56, 0.85), (110, 1.7)])
def test_cifar_parameters_are_those_of_table_6(depth, millions):
    found = costs.count(cifar(depth, "A"), (3, 32, 32)).parameters
    assert round(found / 1e6, 2 if millions < 1 else 1) == millions


def test_what_each_shortcut_adds_to_resnet20():
    counted = {name: costs.count(cifar(20, name), (3, 32, 32)) for name in ("A", "B", "columns", "2x2", "pool")}
    added = {name: cost.parameters - counted["A"].parameters for name, cost in counted.items()}
    kernels = 16 * 32 + 32 * 64
    assert added == {"A": 0, "B": kernels + 2 * 96, "columns": kernels, "2x2": 4 * kernels, "pool": kernels + 2 * 96}
    extra = counted["B"].multiply_adds - counted["A"].multiply_adds
    assert extra == 16 * 32 * 16**2 + 32 * 64 * 8**2


def test_saved_activations_are_those_of_the_backward_formulas():
    # A linear layer keeps its input, a ReLU its output, which the next layer keeps as well: 6 + 5 numbers.
    net = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    assert costs.count(net, (6,)).saved == 6 + 5
    assert costs.count(nn.Sequential(), (6,)) == costs.Cost(0, 0, 0)


def test_counting_leaves_the_module_as_it_was():
    net = cifar(8, "B")
    before = {name: value.clone() for name, value in net.state_dict().items()}
    costs.count(net, (3, 32, 32))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())


class Takes(nn.Module):
    """Takes its time by a clock, another one at every call."""

    def __init__(self, clock: Clock, *seconds: float):
        super().__init__()
        self.clock, self.seconds = clock, list(seconds)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.clock.now += self.seconds.pop(0)
        return x


def test_latency_is_the_time_of_a_call_and_keeps_all_rounds_but_the_first(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(costs, "time", clock)
    modules = {"slow": Takes(clock, 64.0, 4.0, 2.0, 8.0), "fast": Takes(clock, 32.0, 1.0, 0.5, 0.25)}
    found = costs.latency(modules, torch.zeros(1, 1), rounds=3)
    assert found == {"slow": costs.Latency(2.0, (4.0, 2.0, 8.0)), "fast": costs.Latency(0.25, (1.0, 0.5, 0.25))}


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: costs.count(blocks.Linear(2, 2), (2,), batch=0), "batch=0 must be at least 1"),
        (lambda: costs.latency({}, torch.zeros(1, 1)), "5 rounds?=?.*0 modules|rounds=5 of 0 modules"),
    ],
)
def test_errors_name_the_way_out(call, text):
    with pytest.raises(ValueError, match=text):
        call()


KNOWN = [
    # A module, the shape of an example, its multiply-adds by hand
    (nn.Conv1d(3, 5, 3, padding=1), (3, 10), 5 * 10 * 3 * 3),
    (nn.Conv3d(1, 1, 3), (1, 4, 4, 4), 2**3 * 27),
    (nn.Conv2d(24, 24, 3, groups=24), (24, 8, 8), 24 * 36 * 9),
    (nn.ConvTranspose1d(4, 6, 3, groups=2), (4, 7), 4 * 7 * 3 * 3),
    (nn.ConvTranspose2d(3, 1, 2, stride=2), (3, 2, 2), 12 * 4),
    (nn.ConvTranspose3d(1, 2, 2), (1, 2, 2, 2), 8 * 2 * 8),
    (nn.Linear(4, 3), (5, 4), 5 * 12),
    (dynamics.antisymmetric_block(8, 0.1), (8,), 64),
    (dynamics.hamiltonian_block(8, 0.1), (8,), 2 * 2 * 16),
    (dynamics.Repeat(dynamics.antisymmetric_block(8, 0.1), 5), (8,), 5 * 64),
    (flow.Flow(dynamics.euler_block(blocks.Linear(8, 8), 0.1), substeps=3, method="rk4"), (8,), 12 * 64),
    (nn.Sequential(nn.BatchNorm1d(4), nn.PReLU(), nn.LayerNorm(4), nn.Dropout()), (4,), 0),
]


@pytest.mark.parametrize(("module", "shape", "expected"), KNOWN, ids=lambda value: type(value).__name__)
def test_every_kind_of_layer_is_counted(module, shape, expected):
    if any(value.isnan().any() for value in module.parameters()):
        initialisation.initialise(module, generator())
    for batch in (2, 5):
        assert costs.count(module, shape, batch=batch).multiply_adds == expected


class Adapted(nn.Linear):
    """A layer made from a known one, which computes more."""

    def __init__(self):
        super().__init__(4, 4)
        self.down, self.up = nn.Parameter(torch.ones(1, 4)), nn.Parameter(torch.ones(4, 1))

    def forward(self, input):
        return super().forward(input) + nn.functional.linear(nn.functional.linear(input, self.down), self.up)


class Tied(nn.Module):
    """Reads a layer's weight behind its back."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def forward(self, x):
        return self.inner(x) @ self.inner.weight


class Attention(nn.Module):
    def forward(self, x):
        return nn.functional.scaled_dot_product_attention(x, x, x)


class Calls(nn.Module):
    """Multiplies by a buffer, in a function of torch and not in a layer."""

    def __init__(self, call):
        super().__init__()
        self.call = call
        self.register_buffer("matrix", torch.eye(4))

    def forward(self, x):
        return self.call(x, self.matrix)


def each(call):
    """A function of one vector for each example."""
    return lambda x, a: torch.stack([call(v, a) for v in x])


OUTSIDE = {
    "mm": lambda x, a: x @ a,
    "einsum": lambda x, a: torch.einsum("ni,oi->no", x, a),
    "mv": each(lambda v, a: a @ v),
    "addmv": each(lambda v, a: torch.addmv(v, a, v)),
    "addr": each(lambda v, a: torch.addr(a, v, v)),
    "addbmm": lambda x, a: torch.addbmm(a, x[:, :, None], x[:, None])[None].repeat(len(x), 1, 1),
    "dot": each(lambda v, a: torch.dot(v, a[0])[None]),
    "vdot": each(lambda v, a: torch.vdot(v, a[0])[None]),
    "bilinear": lambda x, a: nn.functional.bilinear(x, x, a[None]),
    "conv1d": lambda x, a: nn.functional.conv1d(x[:, None], a[:1, None]),
    "conv_tbc": lambda x, a: torch.conv_tbc(x[None], a[None], a[0])[0],
    "cdist": lambda x, a: torch.cdist(x, a),
    "solve": lambda x, a: torch.linalg.solve(a, x.mT).mT,
    "triangular": lambda x, a: torch.linalg.solve_triangular(a, x.mT, upper=True).mT,
    "cholesky": lambda x, a: x + torch.linalg.cholesky(a)[0],
    "exponential": lambda x, a: x + torch.linalg.matrix_exp(a)[0],
    "svd": lambda x, a: x + torch.linalg.svdvals(a),
    "fft": lambda x, a: torch.fft.rfft(x).abs(),
    "attention": lambda x, a: nn.functional.scaled_dot_product_attention(x[:, None], x[:, None], x[:, None])[:, 0],
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_product_outside_of_the_layers_is_never_counted_as_nothing(name):
    for module in (Calls(OUTSIDE[name]), nn.Sequential(nn.Linear(4, 4), Calls(OUTSIDE[name]))):
        with pytest.raises(ValueError, match="it multiplies matrices outside of them; count its parts, or measure"):
            costs.count(module, (4,))


@pytest.mark.parametrize(
    "call",
    [
        lambda x, a: x * a[0] + x.square(),
        lambda x, a: x / torch.linalg.vector_norm(x, dim=1, keepdim=True),
        lambda x, a: x.softmax(1).lgamma() + x.cumsum(1),
        lambda x, a: nn.functional.interpolate(x[:, None], scale_factor=2)[:, 0],
    ],
)
def test_what_works_on_each_number_counts_as_nothing(call):
    assert costs.count(nn.Sequential(nn.Linear(4, 4), Calls(call)), (4,)).multiply_adds == 16


def test_what_cannot_be_watched_is_not_counted():
    module = nn.Linear(4, 4)
    with torch.inference_mode():
        with pytest.raises(ValueError, match=r"cannot be had inside of torch.inference_mode\(\); call this"):
            costs.count(module, (4,))
        with pytest.raises(ValueError, match="a backward pass cannot be had"):
            costs.latency({"linear": module}, torch.ones(2, 4), rounds=1, backward=True)
        assert costs.latency({"linear": module}, torch.ones(2, 4), rounds=1)["linear"].best > 0


class Deciding(nn.Module):
    """Takes another pass where its input is large or negative."""

    def __init__(self, decide):
        super().__init__()
        self.decide, self.inner = decide, nn.Linear(4, 4)

    def forward(self, x):
        return self.inner(self.inner(x)) if self.decide(x) else self.inner(x)


def neural_ode(method: str) -> nn.Module:
    made = flow.NeuralODE(nn.Sequential(blocks.Linear(4, 4), nn.Tanh()), method=method)
    return initialisation.initialise(nn.Sequential(made), generator())


ADAPTS = (
    r"NeuralODE takes as many steps as its error asks for, so that its cost depends on what it reads; .* costs\.latency"
)


@pytest.mark.parametrize("method", flow.FIXED)
def test_a_neural_ode_of_one_step_is_counted(method):
    """As many products as its field has calls, which torch counts as well."""
    module, calls = neural_ode(method), []
    module[0].field.register_forward_hook(lambda *_: calls.append(1))  # pyright: ignore
    module(torch.ones(1, 4))
    expected = len(calls) * 16
    assert costs.count(module, (4,)).multiply_adds == expected > 0


UNKNOWN = [
    *((neural_ode(method), (4,), ValueError, ADAPTS) for method in ("dopri5", "bosh3", "adaptive_heun", "dopri8")),
    (Deciding(lambda x: bool(x.sum() > 0)), (4,), ValueError, "Deciding takes 32 multiply-adds and then 16, so that"),
    (Deciding(lambda x: bool(x.abs().max() > 2)), (4,), ValueError, "takes 16 multiply-adds and then 32, so that"),
    (nn.TransformerEncoderLayer(8, 2, 16), (4, 8), TypeError, "MultiheadAttention is a layer of a kind"),
    (nn.LSTM(4, 4), (3, 4), TypeError, "LSTM is a layer of a kind whose multiplications are not known"),
    (nn.Embedding(3, 4), (3,), TypeError, "Embedding is a layer of a kind"),
    (Adapted(), (4,), TypeError, "Adapted is a layer of a kind .* costs.latency"),
    (Tied(), (4,), ValueError, r"Tied takes 32 multiply-adds an example, of which its linear layers .* explain 16"),
    (Attention(), (3, 4), ValueError, "Attention takes .* multiplies matrices outside of them"),
]


@pytest.mark.parametrize(("module", "shape", "error", "text"), UNKNOWN, ids=lambda value: type(value).__name__)
def test_layers_that_are_not_known_are_refused(module, shape, error, text):
    with pytest.raises(error, match=text):
        costs.count(module, shape)
    assert not any(part._forward_hooks for part in module.modules())


@pytest.mark.parametrize("backward", [False, True])
def test_latency_leaves_gradients_statistics_and_generators_as_they_were(backward):
    net = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout())
    x = torch.randn(3, 4, generator=generator())
    net(x.clone()).sum().backward()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    gradients = [value.grad.clone() for value in net.parameters() if value.grad is not None]
    kept, state = x.clone(), torch.get_rng_state()
    costs.latency({"net": net}, x, rounds=2, backward=backward)
    costs.count(net, (4,))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(x, kept)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    found = [value.grad for value in net.parameters() if value.grad is not None]
    assert len(found) == len(gradients) > 0
    assert all(torch.equal(a, b) for a, b in zip(found, gradients, strict=True))


def test_what_has_nothing_to_learn_has_no_backward_pass():
    with pytest.raises(ValueError, match=r"modules \['still'\] have no parameters that learn"):
        costs.latency({"still": nn.Tanh()}, torch.zeros(1, 1), backward=True)
