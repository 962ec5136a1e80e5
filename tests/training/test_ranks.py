"""One network trained by two processes, against the same network trained by one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from events import PATIENCE

from resnet_lib.training.ranks import Ranks
from tests.training import ranks


@pytest.fixture(scope="module")
def states(tmp_path_factory) -> dict[str, list[dict[str, torch.Tensor]]]:
    """What two processes on this machine end up with, by the kind of normalisation."""
    folder = tmp_path_factory.mktemp("ranks")
    root = Path(ranks.__file__).parents[2]
    paths = os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": paths}
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*torchrun, "-m", "tests.training.ranks", str(folder)]
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return {
        kind: [torch.load(folder / f"{kind}-{rank}.pt", weights_only=True) for rank in range(2)]
        for kind in ("none", "batch")
    }


@pytest.mark.parametrize("kind", ["none", "batch"])
def test_both_processes_have_the_same_network(states, kind):
    one, other = states[kind]
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_two_processes_train_as_one_does(states):
    expected = ranks.fit("none").state()
    assert states["none"][0].keys() == expected.keys()
    for name, value in states["none"][0].items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-5)


def test_normalisation_is_over_each_process_s_part(states):
    # So the numbers are others than those of one process, but of the same size.
    expected = ranks.fit("batch").state()
    found = states["batch"][0]
    name = "buffers/blocks.0.branch.norm1.running_var"
    assert not torch.equal(found[name], expected[name])
    torch.testing.assert_close(found[name], expected[name], rtol=0.3, atol=0.0)


def test_every_example_of_a_batch_has_one_process():
    batch = list(range(100, 150))
    parts = [batch[Ranks(rank, 4, torch.device("cpu")).share(0, 50)] for rank in range(4)]
    assert sorted(example for part in parts for example in part) == batch
    assert {len(part) for part in parts} == {12, 13}


def test_too_many_processes_for_the_smallest_batch_are_refused():
    with pytest.raises(ValueError, match=r"batch of 20 examples leaves a process of 16 with fewer than 2; use"):
        ranks.fit("batch", Ranks(0, 16, torch.device("cpu")))
