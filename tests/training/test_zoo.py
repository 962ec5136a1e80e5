"""Networks that are trained once and kept: found again, resumed after being killed, refused when damaged."""

import dataclasses
import importlib.util
import os
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest
import torch
from events import PATIENCE

from resnet_lib import data, nets, runtime, training
from resnet_lib.data import sources, store
from resnet_lib.data.official import DISTRIBUTIONS
from resnet_lib.nets import Unit
from resnet_lib.sweep import cache
from resnet_lib.training import Recipe, checkpoints, zoo
from resnet_lib.training.zoo import Network
from tests import distributions as distributed

RECIPE = Recipe(epochs=2, batch=40, lr=0.05)
CONV = Network("digits-resnet", 1, "digits", dataclasses.replace(RECIPE, augment="crop-flip"), width=4, examples=120)
MLP = Network("mlp", 2, "digits", RECIPE, unit="plain-pre", width=16, examples=120, keep=(0,))


@pytest.fixture
def count(monkeypatch) -> list[int]:
    """Steps of training that are taken."""
    steps, advance = [], training.Run.advance
    monkeypatch.setattr(training.Run, "advance", lambda run: steps.append(run.epoch) or advance(run))
    return steps


def assert_same(a: training.Fit, b: training.Fit) -> None:
    assert (a.seeds, a.diverged, a.checkpoints.keys()) == (b.seeds, b.diverged, b.checkpoints.keys())
    pd.testing.assert_frame_equal(a.history, b.history, check_exact=True)
    for epoch, parts in a.checkpoints.items():
        for part, other in zip(parts, b.checkpoints[epoch], strict=True):
            assert part.keys() == other.keys()
            assert all(torch.equal(value, other[name]) for name, value in part.items())


@pytest.mark.parametrize("network", [CONV, MLP], ids=["conv", "mlp"])
def test_a_network_is_what_fit_makes_and_is_trained_once(network, tmp_path, count):
    flat = network is MLP
    policy = training.STACKED if flat else training.ONE_BY_ONE
    make = lambda generator: network.make(generator, (64,) if flat else (1, 8, 8), 10)  # noqa: E731
    dataset = data.load("digits", flat=flat).subset(120)
    expected = training.fit(make, dataset, network.recipe, [0, 3], keep=network.keep, policy=policy)
    taken = len(count)
    found = zoo.train(network, [0, 3], folder=tmp_path)
    assert_same(found, expected)
    assert len(count) == 2 * taken if flat else 3 * taken
    before = len(count)
    again = zoo.train(network, [0, 3], folder=tmp_path)
    assert len(count) == before
    assert_same(again, expected)
    x = dataset.test.x[:5]
    assert torch.equal(again.net(3)(x), expected.net(3)(x))
    assert not list(tmp_path.glob("*.part"))


def test_convolutional_networks_are_shared_between_groups_of_seeds(tmp_path, count):
    first = zoo.train(CONV, [0, 1], folder=tmp_path)
    before = len(count)
    second = zoo.train(CONV, [1, 0], folder=tmp_path)
    assert len(count) == before
    assert second.seeds == (1, 0)
    for seed in (0, 1):
        for name, value in first.net(seed).state_dict().items():
            assert torch.equal(value, second.net(seed).state_dict()[name])
    one, other = (fit.history.sort_values(["seed", "epoch"], ignore_index=True) for fit in (first, second))
    pd.testing.assert_frame_equal(one, other, check_exact=True)


SCRIPT = """
    import os, signal
    from pathlib import Path
    from resnet_lib import files, training
    from resnet_lib.training import zoo
    from resnet_lib.training.recipes import Recipe
    from resnet_lib.training.zoo import Network

    def dying(target, name, calls):
        original, done = getattr(target, name), []
        def call(*arguments):
            done.append(name)
            if len(done) > calls:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments)
        setattr(target, name, call)

    dying({target}, {name!r}, {calls})
    zoo.train({network!r}, [2], folder=Path({folder!r}), pause=0.0)
"""


@pytest.mark.parametrize("network", [CONV, MLP], ids=["conv", "mlp"])
@pytest.mark.parametrize(
    ("target", "name", "calls", "kept"),
    [
        ("training.Run", "advance", 0, None),  # before the first step
        ("training.Run", "advance", 2, (0, 2)),  # within an epoch
        ("training.Run", "advance", 3, (1, 0)),  # between epochs
        ("files.os", "replace", 3, (1, 0)),  # while the fourth state is written
        ("files.os", "replace", 5, (1, 2)),  # while the result is written
    ],
)
def test_a_killed_process_goes_on_to_the_same_bits(network, target, name, calls, kept, tmp_path, count):
    whole = zoo.train(network, [2], folder=tmp_path / "whole")
    steps, folder = len(count), tmp_path / "killed"
    script = textwrap.dedent(SCRIPT).format(network=network, folder=str(folder), target=target, name=name, calls=calls)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    assert subprocess.run([sys.executable, "-c", script], env=environment, timeout=PATIENCE).returncode == -9
    file = zoo.path(network, (2,), folder=folder)
    assert not file.exists()
    state = checkpoints.read(file.with_suffix(".part"))
    assert (tuple(state[0]["place"].tolist()) if state else None) == kept
    assert_same(zoo.train(network, [2], folder=folder), whole)
    epoch, step = kept or (0, 0)
    assert len(count) - steps == steps - 3 * epoch - step  # only what was missing
    assert {path.suffix for path in folder.iterdir()} == {".lock", ".safetensors"} | (
        {".tmp"} if name == "replace" else set()
    )


def test_what_nobody_chose_depends_on_the_network_and_the_device(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert zoo.default_policy(MLP, "cuda") == training.STACKED
    assert zoo.default_policy(CONV, "cuda") == zoo.default_policy(CONV, "cpu") == training.ONE_BY_ONE
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    assert zoo.default_policy(CONV, "cuda") == training.COMPILED
    assert zoo.default_policy(CONV, "cpu") == training.ONE_BY_ONE


@pytest.mark.parametrize("at", ["middle", "end", "whole"])
def test_a_damaged_file_is_set_aside_and_trained_again(tmp_path, at):
    expected = zoo.train(MLP, [0], folder=tmp_path)
    file = zoo.path(MLP, (0,), folder=tmp_path)
    content = bytearray(file.read_bytes())
    if at == "end":
        content = content[:-7]
    elif at == "whole":
        content = bytearray(b"not a checkpoint")
    else:
        content[-100] ^= 1
    file.write_bytes(bytes(content))
    assert_same(zoo.train(MLP, [0], folder=tmp_path), expected)
    assert file.with_suffix(".damaged").read_bytes() == bytes(content)


def test_a_damaged_state_on_the_way_starts_anew(tmp_path):
    expected = zoo.train(MLP, [0], folder=tmp_path / "a")
    file = zoo.path(MLP, (0,), folder=tmp_path / "b").with_suffix(".part")
    file.parent.mkdir()
    file.write_bytes(b"half of a state")
    assert_same(zoo.train(MLP, [0], folder=tmp_path / "b"), expected)


def test_the_name_of_a_file_holds_all_that_decides_it(monkeypatch):
    names = {zoo.path(MLP, (0,))}
    for changes in (
        {"depth": 3},
        {"width": 8},
        {"unit": "pre"},
        {"unit": Unit(order="pre", alpha=0.5)},
        {"examples": 121},
        {"keep": ()},
        {"data": "spirals"},
        {"recipe": dataclasses.replace(RECIPE, lr=0.06)},
        {"recipe": dataclasses.replace(RECIPE, augment="crop-flip")},
    ):
        names.add(zoo.path(dataclasses.replace(MLP, **changes), (0,)))
    names |= {zoo.path(MLP, (1,)), zoo.path(MLP, (0, 1)), zoo.path(MLP, (0,), device="cuda")}
    for target, value in (
        ("datasets.checksum", lambda name: "other data"),
        ("source.digest", lambda *roots: "other code"),
        ("key.versions", lambda: {"python": "3.0", "torch": "0"}),
    ):
        module, name = target.split(".")
        with monkeypatch.context() as patch:
            patch.setattr(getattr(zoo, module), name, value)
            names.add(zoo.path(MLP, (0,)))
    names.add(zoo.path(MLP, (0,), policy=training.ONE_BY_ONE))
    assert len(names) == 17
    assert {zoo.path(MLP, (0,)), zoo.path(MLP, (0,), policy=training.STACKED)} <= names


def test_a_network_that_diverges_is_kept_as_such(tmp_path, count):
    wild = dataclasses.replace(MLP, recipe=Recipe(epochs=2, batch=40, lr=1e30), unit=Unit(norm="none"))
    for _ in range(2):
        fit = zoo.train(wild, [0], folder=tmp_path)
        assert fit.diverged == (True,)
        assert np.isnan(fit.history["train_loss"].to_numpy()[-1])
    assert len(count) == 3  # and not 6: there is nothing left to train after the first epoch


def test_images_of_cifar_s_format_are_trained_on(tmp_path, monkeypatch):
    distribution, contents = distributed.cifar()
    monkeypatch.setitem(DISTRIBUTIONS, "cifar10", distribution)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    store.fetch("cifar10", source=distributed.written(tmp_path / "copy", contents))
    sources._read.cache_clear()
    recipe = Recipe(epochs=1, batch=4, lr=0.01, augment="crop-flip")
    for unit in ("post", "plain", "pre"):
        fit = zoo.train(Network("cifar-resnet", 8, "cifar10", recipe, unit=unit, width=4), [0], folder=tmp_path)
        expected = nets.cifar_resnet(8, unit=unit, width=4, generator=runtime.stream(0, "init"))
        assert fit.net(0).state_dict().keys() == expected.state_dict().keys()
        assert fit.diverged == (False,)
    assert data.load("cifar10").shape == (3, 32, 32)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"architecture": "resnet"}, r"architecture='resnet' is unknown; known: cifar-resnet, digits-resnet, mlp"),
        ({"keep": (3,)}, r"keep=\(3,\) names epoch 3; the recipe allows 0 to 2"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(changes, text):
    with pytest.raises(ValueError, match=text):
        dataclasses.replace(MLP, **changes)


def test_a_device_that_is_not_there_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"device='cuda' is not available; this machine has .*cpu"):
        zoo.train(MLP, [0], device="cuda", folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_no_seed_and_no_folder_are_refused(tmp_path):
    for network in (MLP, CONV):
        with pytest.raises(ValueError, match="seeds is empty"):
            zoo.train(network, [], folder=tmp_path)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(cache.CacheError, match=r"cannot be written"):
        zoo.train(MLP, [0], folder=tmp_path / "file" / "below")
