"""Compiled training against training that is not, in a process of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from events import PATIENCE

from resnet_lib import data, nets, training
from resnet_lib.training import Policy, Recipe
from tests.training import compiled

needs_compiler = pytest.mark.skipif(
    shutil.which("g++") is None or " " in torch.__file__,
    reason="compiling for a CPU needs g++, and PyTorch in a folder without a space, for it does not quote its own path",
)


@pytest.fixture(scope="module")
def states(tmp_path_factory) -> dict[str, dict[str, torch.Tensor]]:
    folder = tmp_path_factory.mktemp("compiled")
    root = Path(compiled.__file__).parents[2]
    paths = os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH"))))
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": paths,
        "TORCHINDUCTOR_CACHE_DIR": str(folder / "c"),
    }
    command = [sys.executable, "-m", "tests.training.compiled", str(folder)]
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return torch.load(folder / "states.pt", weights_only=True)


@needs_compiler
def test_compiling_changes_rounding_alone(states):
    eager, found = states["eager"], states["compiled"]
    assert eager.keys() == found.keys()
    for name, value in eager.items():
        torch.testing.assert_close(
            found[name], value, rtol=1e-3, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}"
        )
    start = [name for name in eager if name.startswith("kept/0/params/")]
    assert all(torch.equal(eager[name], found[name]) for name in start)
    assert max((eager[name.replace("kept/0/", "")] - eager[name]).abs().max() for name in start) > 0.01


@needs_compiler
def test_a_compiled_run_that_was_stopped_goes_on_to_the_same_bits(states):
    whole, restored = states["compiled"], states["restored"]
    assert whole.keys() == restored.keys()
    assert all(torch.equal(whole[name], restored[name]) for name in whole)


@needs_compiler
def test_a_seed_compiled_alone_trains_as_in_a_group(states):
    """And nothing is compiled again: one graph for each of the two sizes of a batch."""
    for name, value in states["alone"].items():
        if name.startswith(("params/", "buffers/")):
            assert torch.equal(value[0], states["compiled"][name][1])
    assert states["graphs"]["before"] == states["graphs"]["after"] == 2


def test_compiling_needs_a_compiler_and_networks_in_turn(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ValueError, match=r"compiled=True needs a C\+\+ compiler.*install it or use compiled=False"):
        training.fit(
            lambda generator: nets.digits_resnet(1, 4, generator=generator),
            data.load("digits").subset(60),
            Recipe(epochs=1, batch=50),
            [0],
            policy=training.COMPILED,
        )
    with pytest.raises(ValueError, match="compiled=True needs stacked=False"):
        Policy(compiled=True)
