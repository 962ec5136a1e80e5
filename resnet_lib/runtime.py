"""This module says where and how numbers are made: random streams, device, threads, denormals. It knows no network.

A stream has a name, `stream(seed, "lesion", "init", depth)`, instead of a place in a sequence of draws: what one part
of an experiment draws does not depend on what another part drew before. Nothing here touches a global generator.
"""

from __future__ import annotations

import functools
import hashlib
import json
import operator
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import SupportsIndex

import numpy as np
import torch
from threadpoolctl import threadpool_limits


def key(seed: SupportsIndex, *path: str | SupportsIndex) -> int:
    """The number that a stream is seeded with: the first 63 bits of the SHA-256 of the seed and the path.

    It depends on nothing else, so it is the same on every machine and in every version. The path `("a", "b")` differs
    from `("ab",)`, and the step `1` from `"1"`.

    Args:
        seed: Any integer.
        *path: What the stream is for: names and numbers.

    Returns:
        An integer from 0 to 2**63 - 1.

    Raises:
        TypeError: Where the seed is not an integer, or a step is neither an integer nor a string.

    Example:
        >>> key(0, "init") == key(0, "init"), key(0, "a", "b") == key(0, "ab")
        (True, False)
    """
    name = json.dumps([_integer("seed", seed), *(p if isinstance(p, str) else _integer("path", p) for p in path)])
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


def _integer(argument: str, value: object) -> int:
    allowed = "an integer" if argument == "seed" else "integers and strings"
    try:
        return operator.index(value)  # pyright: ignore[reportArgumentType]
    except TypeError:
        raise TypeError(f"{argument} holds {value!r} of type {type(value).__name__}; it takes {allowed}") from None


def stream(seed: SupportsIndex, *path: str | SupportsIndex) -> torch.Generator:
    """The random stream that a seed and a path name, for torch: a generator on the CPU.

    Draw on the CPU and move the result, `torch.randn(n, generator=stream(0, "x")).to(device)`: then every device sees
    the same numbers (normal draws to the last digits, which depend on the CPU's vector instructions).

    Args:
        seed: As for `key`.
        *path: As for `key`.

    Returns:
        A Mersenne Twister whose state is numpy's `MT19937(SeedSequence(key))`.

    Example:
        >>> first, again, other = (torch.randn(3, generator=stream(0, "lesion", n)) for n in (1, 1, 2))
        >>> torch.equal(first, again), torch.equal(first, other)
        (True, False)
    """
    # `Generator.manual_seed` uses 32 bits of the seed only: of 24,000 streams (10 seeds of a 1202-layer network) two
    # would be equal with a chance of 7%. So the whole state is set, in the layout of torch's CPUGeneratorImplState:
    # seed, numbers left and one, whether seeded, position, 624 words of 64 bits; then a cached normal draw, here none.
    number = key(seed, *path)
    twister = np.random.MT19937(np.random.SeedSequence(number)).state["state"]
    generator = torch.Generator()
    state = generator.get_state()
    layout = state.numpy()
    layout[:8].view(np.uint64)[0] = number
    layout[8:16].view(np.int32)[:] = 625 - twister["pos"], 1
    layout[16:24].view(np.uint64)[0] = twister["pos"]
    layout[24 : 24 + 624 * 8].view(np.uint64)[:] = twister["key"]
    return generator.set_state(state)


def rng(seed: SupportsIndex, *path: str | SupportsIndex) -> np.random.Generator:
    """The random stream that a seed and a path name, for numpy and scipy.

    Args:
        seed: As for `key`.
        *path: As for `key`.

    Returns:
        numpy's default generator, seeded with the key.

    Example:
        >>> first, again, other = (rng(seed, "sample").random() for seed in (0, 0, 1))
        >>> first == again, first == other
        (True, False)
    """
    return np.random.default_rng(key(seed, *path))


def device(name: str = "auto") -> torch.device:
    """The device to compute on.

    Args:
        name: `auto` takes `cuda` where there is one, else `mps`, else `cpu`; otherwise `cpu`, `cuda`, `cuda:1`, `mps`.

    Returns:
        A device that exists on this machine.

    Raises:
        ValueError: Where there is no such device; the message lists those there are.

    Example:
        >>> device("cpu")
        device(type='cpu')
    """
    available = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    available = ["cuda", *available] if available else []
    if torch.backends.mps.is_available():
        available.append("mps")
    available.append("cpu")
    if name == "auto":
        return torch.device(available[0])
    if name not in available:
        raise ValueError(
            f"device={name!r} is not available; this machine has {', '.join(available)}; 'auto' takes {available[0]!r}"
        )
    return torch.device(name)


@contextmanager
def numerics(*, threads: int = 1, flush_denormal: bool = True) -> Iterator[None]:
    """Compute with a fixed number of threads, and with denormal numbers taken as zero; restore both at the end.

    A sum that is split over threads is added up in another order, so a fixed number is what makes results repeat bit
    for bit. A deep plain network shrinks its signal into denormal numbers, where a CPU is several times slower.

    Args:
        threads: For torch, and for the linear algebra behind numpy and scipy.
        flush_denormal: Whether denormal numbers count as zero, on the calling thread and those it starts.

    Yields:
        None.

    Raises:
        ValueError: Where `threads` is below 1.

    Example:
        >>> with numerics(threads=1):
        ...     torch.get_num_threads()
        1
    """
    if threads < 1:
        raise ValueError(f"threads={threads} must be at least 1; use 1 where several processes share the machine")
    before, flushed = torch.get_num_threads(), flushes_denormal()
    with threadpool_limits(limits=threads):
        torch.set_num_threads(threads)
        torch.set_flush_denormal(flush_denormal)
        try:
            yield
        finally:
            torch.set_flush_denormal(flushed)
            torch.set_num_threads(before)


def flushes_denormal() -> bool:
    """Whether denormal numbers count as zero now, on this thread; torch can set this but not tell it."""
    return (torch.full((), 2.0**-126) * 0.5).item() == 0.0


@functools.cache
def processor() -> str:
    """The kind of this machine's processor and the instructions in use: `AMD EPYC (25, 17), x86_64, AVX512`.

    Two machines of one kind give the same bits; on others the last bits of a product of matrices differ. The numbers
    are the processor's family and model, where the system tells them; the last word is what PyTorch's kernels use,
    which the variable ATEN_CPU_CAPABILITY limits.

    Example:
        >>> processor().count(", ") >= 2
        True
    """
    return f"{_model()}, {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"


def _model() -> str:
    """Name of the processor, from Linux's /proc/cpuinfo where there is one."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or "unknown processor"
    told = dict(re.findall(r"^(model name|cpu family|model)\s*:\s*(.+?)\s*$", text, re.MULTILINE))
    name = re.sub(r"\((?:R|TM)\)|\bCPU\b|@.*|\s+(?=\s)", "", told.get("model name", "")).strip()
    numbers = ", ".join(told[part] for part in ("cpu family", "model") if part in told)
    return f"{name or 'unknown processor'}{f' ({numbers})' * bool(numbers)}"
