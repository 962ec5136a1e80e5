import hashlib
import pickle
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pytest
import threadpoolctl
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from resnet_lib import runtime

STEPS = st.lists(st.one_of(st.integers(), st.text(max_size=5)), max_size=3).map(tuple)


def test_a_key_is_the_start_of_a_hash_of_the_name():
    digest = hashlib.sha256(b'[7, "lesion", 3]').hexdigest()
    assert runtime.key(7, "lesion", 3) == int(digest[:16], 16) // 2
    assert runtime.key(np.int64(7), "lesion", torch.tensor(3)) == runtime.key(7, "lesion", 3)
    assert runtime.key(0) == 7520536977032167579  # a change of this number changes every experiment


@given(st.tuples(st.integers(), STEPS), st.tuples(st.integers(), STEPS))
def test_equal_names_have_equal_keys_and_others_do_not(a, b):
    first, second = runtime.key(a[0], *a[1]), runtime.key(b[0], *b[1])
    assert 0 <= first < 2**63
    assert (first == second) == (a == b)


@pytest.mark.parametrize(("a", "b"), [((0, "ab"), (0, "a", "b")), ((0, 1), (0, "1")), ((0, "a", 1), (0, 1, "a"))])
def test_names_that_look_alike_differ(a, b):
    assert runtime.key(*a) != runtime.key(*b)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("make", [runtime.key, runtime.stream, runtime.rng])
def test_a_name_is_made_of_integers_and_strings(make):
    with pytest.raises(TypeError, match=r"seed holds None of type NoneType; it takes an integer$"):
        make(None, "a")
    with pytest.raises(TypeError, match=r"path holds 0\.1 of type float; it takes integers and strings$"):
        make(0, "a", 0.1)


def test_a_stream_gives_the_numbers_of_numpys_mersenne_twister():
    ours = torch.rand(2000, generator=runtime.stream(3, "a")) * 2**24  # a float32 takes 24 of a number's 32 bits
    theirs = np.random.MT19937(np.random.SeedSequence(runtime.key(3, "a"))).random_raw(2000) % 2**24
    np.testing.assert_array_equal(ours.numpy(), theirs)
    assert runtime.stream(3, "a").initial_seed() == runtime.key(3, "a")


def test_normal_draws_of_a_fresh_stream_are_normal_and_repeat():
    draws = torch.randn(10_000, generator=runtime.stream(0, "normal"))
    assert stats.kstest(draws.numpy(), "norm").pvalue > 0.01
    assert torch.equal(draws, torch.randn(10_000, generator=runtime.stream(0, "normal")))
    # A draw of its own leaves a second normal number behind; a fresh stream has none.
    assert torch.randn((), generator=runtime.stream(1)) == torch.randn((), generator=runtime.stream(1))


def test_streams_do_not_meet_in_the_32_bits_of_a_torch_seed(monkeypatch):
    for number in (5, 5 + 2**32):
        monkeypatch.setattr(runtime, "key", lambda *_, number=number: number)
        first = torch.rand(4, generator=runtime.stream(0))
        if number == 5:
            other, plain = first, torch.rand(4, generator=torch.Generator().manual_seed(5))
        else:
            assert torch.equal(plain, torch.rand(4, generator=torch.Generator().manual_seed(number)))
            assert not torch.equal(first, other)


def test_the_global_generators_stay_as_they_are():
    before = torch.get_rng_state(), pickle.dumps(np.random.get_state())  # noqa: NPY002
    torch.randn(3, generator=runtime.stream(0, "x"))
    runtime.rng(0, "x").normal(size=3)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == pickle.dumps(np.random.get_state())  # noqa: NPY002


def test_numpys_streams_are_those_of_the_key():
    np.testing.assert_array_equal(
        runtime.rng(1, "a").normal(size=5), np.random.default_rng(runtime.key(1, "a")).normal(size=5)
    )


def test_the_cpu_is_a_device_and_an_unknown_one_is_refused():
    assert runtime.device("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match=r"device='gpu' is not available; this machine has .*cpu; 'auto' takes '"):
        runtime.device("gpu")


@pytest.mark.parametrize(
    ("gpus", "mps", "auto", "listed"),
    [(2, True, "cuda", "cuda, cuda:0, cuda:1, mps, cpu"), (0, True, "mps", "mps, cpu"), (0, False, "cpu", "cpu")],
)
def test_the_best_device_is_chosen(monkeypatch, gpus, mps, auto, listed):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert runtime.device() == runtime.device("auto") == torch.device(auto)
    with pytest.raises(ValueError, match=f"device='cuda:2' is not available; this machine has {listed}; 'auto' takes"):
        runtime.device("cuda:2")
    if gpus:
        assert runtime.device("cuda:1") == torch.device("cuda", 1)


def test_numerics_sets_threads_and_denormals_and_restores_both():
    def blas() -> set[int]:
        pools = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
        return {pool["num_threads"] for pool in pools if pool.get("threading_layer") != "disabled"}

    torch.set_num_threads(3)
    try:
        before, denormal = torch.__config__.parallel_info(), torch.tensor(2.0**-126)
        with runtime.numerics(threads=2):
            assert torch.get_num_threads() == 2
            assert blas() == {2}
            assert denormal / 2 == 0
            with suppress(RuntimeError), runtime.numerics(flush_denormal=False):
                assert torch.get_num_threads() == 1
                assert blas() == {1}
                assert denormal / 2 > 0
                raise RuntimeError
            assert torch.get_num_threads() == 2
            assert denormal / 2 == 0
        assert torch.__config__.parallel_info() == before  # torch's threads, OpenMP's and MKL's
        assert denormal / 2 > 0
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("threads", [0, -1])
def test_numerics_needs_a_thread(threads):
    with (
        pytest.raises(ValueError, match=f"threads={threads} must be at least 1; use 1 where"),
        runtime.numerics(threads=threads),
    ):
        pass


def test_importing_the_package_opens_no_socket_and_sets_no_state():
    code = """
import socket
import numpy, torch

def state():
    numbers = numpy.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    return numbers, torch.get_num_threads(), torch.get_default_dtype(), torch.tensor(2.0**-126) / 2

def refuse(*args, **kwargs):
    raise SystemExit("a socket was opened")

before, socket.socket = state(), refuse
from resnet_lib import linalg, runtime
from resnet_lib.analysis import jacobian
assert state() == before
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
