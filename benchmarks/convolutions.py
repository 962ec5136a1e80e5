"""Spectra of convolutions and norms of deep Jacobians against the usual ways: `python -m benchmarks.convolutions`.

The peer for all singular values is the code of Sedghi et al. (2019), appendix: `numpy.fft.fft2` of the kernel and
`numpy.linalg.svd` of all frequencies. Both sides run in turns with one thread and with two, and are judged by their
best time. Both are compared with the SVD of the same matrices in twice the precision, or in float64 with each other.

The semidefinite bound is compared with Clarabel through cvxpy on a network that the latter can do.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable

import cvxpy as cp
import numpy as np
import torch
from torch import Tensor

from resnet_lib import linalg, nets, runtime
from resnet_lib.analysis import jacobian, lipschitz
from resnet_lib.nets import Unit

SIZE, CHANNELS = (32, 32), 64


def kernel(dtype: torch.dtype) -> Tensor:
    """A He kernel of 64 to 64 channels."""
    drawn = torch.randn(CHANNELS, CHANNELS, 3, 3, generator=runtime.stream(0, "kernel"), dtype=torch.float64)
    return (drawn / 24).to(dtype)


def peer(weight: np.ndarray) -> np.ndarray:
    """All singular values, in the order of the frequencies."""
    return np.linalg.svd(np.fft.fft2(weight.transpose(2, 3, 0, 1), SIZE, axes=[0, 1]), compute_uv=False)


def peak(run: Callable[[], object]) -> float:
    """Most MiB that numpy held at once (tracemalloc; the workspaces of LAPACK are not seen)."""
    tracemalloc.start()
    run()
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return held / 2**20


def spectra(rounds: int) -> None:
    """All singular values of a circular layer, ours against the peer's."""
    for dtype in (torch.float32, torch.float64):
        weight = kernel(dtype)
        ways: dict[str, Callable[[], object]] = {
            "full FFT, numpy (peer)": lambda weight=weight: peer(weight.numpy()),
            "half of the frequencies": lambda weight=weight: linalg.conv_singular_values(weight, SIZE),
            "Gram, less accurate": lambda weight=weight: linalg.conv_singular_values(weight, SIZE, method="gram"),
        }
        exact = np.sort(peer(kernel(torch.float64).numpy()).ravel())[::-1]
        for threads in (1, 2):
            best = dict.fromkeys(ways, np.inf)
            with runtime.numerics(threads=threads):
                for _ in range(rounds):
                    for name, run in ways.items():
                        start = time.perf_counter()
                        run()
                        best[name] = min(best[name], time.perf_counter() - start)
            print(f"64 -> 64, 3x3, 32x32, circular, {dtype}, {threads} threads")
            for name, run in ways.items():
                values = np.sort(np.asarray(run()).ravel())[::-1]
                error = np.abs(values - exact).max() / exact[0]
                ratio = best["full FFT, numpy (peer)"] / best[name]
                print(
                    f"  {name:26} {best[name]:7.3f} s  ratio {ratio:4.1f}  error {error:.0e}  peak {peak(run):5.0f} MiB"
                )
                assert error < (1e-5 if dtype == torch.float32 else 1e-7 if "Gram" in name else 1e-12)


def norm(rounds: int) -> None:
    """The norm of the zero-padded layer by Lanczos' iteration."""
    for dtype in (torch.float32, torch.float64):
        convolution, best, found = linalg.Convolution(kernel(dtype), SIZE, "zeros"), np.inf, None
        with runtime.numerics(threads=2):
            for _ in range(rounds):
                start = time.perf_counter()
                found = linalg.conv_norm(convolution, generator=runtime.stream(0))
                best = min(best, time.perf_counter() - start)
        assert found is not None
        print(f"the same with zeros around it, {dtype}, norm: {best:.2f} s on two threads, {found.products} products")
        print(f"  {found.value:.6f} <= norm <= {found.upper:.6f}, residual {found.residual:.0e}")
        assert found.converged


def deep() -> None:
    """The end-to-end Jacobian of a ResNet-56 at an image, never formed: its norm, to the logits and the last state."""
    net = nets.cifar_resnet(56, generator=runtime.stream(0, "resnet56")).eval()
    x = torch.randn(3, 32, 32, generator=runtime.stream(0, "image"))
    body = torch.nn.Sequential(net.stem, *net.blocks)
    with runtime.numerics(threads=2):
        for name, part in (("logits", net), ("last state", body)):
            start = time.perf_counter()
            op = jacobian.operator(part, x)
            found = linalg.extreme_singular_values(
                op, 1, tol=1e-4, generator=runtime.stream(0), basis=min(20, op.shape[0])
            )
            seconds = time.perf_counter() - start
            print(
                f"ResNet-56, {name}: {op.shape[0]} x {op.shape[1]}, norm {found.values[0]:.4g} in {seconds:.1f} s, ",
                end="",
            )
            print(f"{found.products} products, residual {found.residuals[0]:.0e}")
            assert found.converged


def semidefinite() -> None:
    """The semidefinite bound against Clarabel, and of a network that the latter cannot do in minutes."""
    unit = Unit(order="inside", norm="none")
    for depth, width, compare in ((4, 8, True), (10, 32, False)):
        net = nets.mlp(depth, width, unit=unit, generator=runtime.stream(0)).double()
        form = lipschitz.normal_form(net, 64)
        with runtime.numerics(threads=2):
            start = time.perf_counter()
            ours = lipschitz.semidefinite(form, tol=1e-4)
            seconds = time.perf_counter() - start
        print(f"semidefinite bound, {len(form.a)} neurons: {ours.value:.6g} in {seconds:.2f} s, {ours.steps} steps")
        if compare:
            start = time.perf_counter()
            value = clarabel(form)
            print(f"  Clarabel through cvxpy: {value:.6g} in {time.perf_counter() - start:.2f} s")
            assert abs(value / ours.value - 1) < 1e-3


def clarabel(form: lipschitz.Normal) -> float:
    """The same program by a general solver, on the input directions that matter."""
    basis = np.linalg.svd(form.b.numpy())[2][: np.linalg.matrix_rank(form.b.numpy())].T
    a, b, c, d = form.a.numpy(), form.b.numpy() @ basis, form.c.numpy(), form.d.numpy() @ basis
    multipliers, rho = cp.Variable(len(a), nonneg=True), cp.Variable()
    weights = cp.diag(multipliers)
    inner, cross = 2 * weights - weights @ a - a.T @ weights - c.T @ c, -weights @ b - c.T @ d
    matrix = cp.bmat([[rho * np.eye(b.shape[1]) - d.T @ d, cross.T], [cross, inner]])
    cp.Problem(cp.Minimize(rho), [(matrix + matrix.T) / 2 >> 0]).solve(solver=cp.CLARABEL)
    assert rho.value is not None
    return float(np.sqrt(rho.value.item()))


def main() -> None:
    """Print one line per way."""
    parser = argparse.ArgumentParser(description="Spectra of convolutions, norms of deep Jacobians, Lipschitz bounds.")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    spectra(arguments.rounds)
    norm(arguments.rounds)
    deep()
    semidefinite()


if __name__ == "__main__":
    main()
