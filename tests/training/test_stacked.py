"""Networks of several seeds as one: whatever the machine does together or in turn, it changes rounding alone."""

import dataclasses
import os

import pandas as pd
import pytest
import torch
from small import RECIPE, mlp_behind, small_conv
from torch import nn

from resnet_lib import runtime, training
from resnet_lib.training import Policy, stacked
from resnet_lib.training.stacked import Networks

POLICIES = [Policy(stacked=False), Policy(stacked=False, channels_last=True), training.ONE_BY_ONE]


@pytest.mark.parametrize("policy", POLICIES, ids=["in turn", "channels last", "one by one"])
@pytest.mark.parametrize("augment", ["none", "crop-flip"])
def test_how_the_machine_works_changes_rounding_alone(images, policy, augment):
    recipe = dataclasses.replace(RECIPE, augment=augment)
    stacked = training.fit(small_conv, images, recipe, [0, 4])
    other = training.fit(small_conv, images, recipe, [0, 4], policy=policy)
    pd.testing.assert_frame_equal(stacked.history, other.history, rtol=1e-3)
    for part, expected in zip(other.params(), stacked.params(), strict=True):
        for name, value in part.items():
            torch.testing.assert_close(value, expected[name], rtol=1e-3, atol=1e-4)
    alone = training.fit(small_conv, images, recipe, [4], policy=policy)
    pd.testing.assert_frame_equal(
        alone.history, other.history.query("seed == 4").reset_index(drop=True), check_exact=True
    )


def test_channels_last_is_the_layout_of_the_convolutions(images):
    run = training.Run(small_conv, images, RECIPE, [0, 1], policy=Policy(stacked=False, channels_last=True))
    weight = run._nets.params["blocks.0.branch.weight1.weight"]
    for _ in range(2):
        assert weight[1].is_contiguous(memory_format=torch.channels_last)
        run.advance()
    with pytest.raises(ValueError, match="channels_last=True needs stacked=False"):
        Policy(channels_last=True)


class Peeks(nn.Module):
    """Looks at a number, which nothing that is vectorised can."""

    def forward(self, x):
        return x if x.sum().item() < 1e9 else -x


@pytest.mark.parametrize("first", [Peeks, lambda: nn.BatchNorm1d(64, momentum=None)])
def test_what_cannot_be_stacked_names_the_policy_that_works(digits, first):
    with pytest.raises(ValueError, match=r"policy=STACKED takes all seeds .*use policy=training\.ONE_BY_ONE"):
        training.fit(mlp_behind(first), digits, RECIPE, [0, 1])
    fitted = training.fit(mlp_behind(first), digits, RECIPE, [0, 1], policy=training.ONE_BY_ONE)
    assert not any(fitted.diverged)


@pytest.mark.parametrize(
    "folder",
    [
        "/home/anna maria/torch",
        "/opt/it's/torch",
        'C:/a"b',
        pytest.param("C:\\torch", marks=pytest.mark.skipif(os.name == "nt", reason="its paths are such")),
    ],
)
def test_paths_that_the_compiler_would_not_get_whole_are_refused(folder):
    with pytest.raises(ValueError, match=r"compiled=True cannot compile with PyTorch in .*compiled=False"):
        stacked._require_plain({"Python": "/usr/include", "PyTorch": folder})
    stacked._require_plain({"PyTorch": "/home/anna/ümlaut/torch-[1]#$*"})


def test_compiled_training_below_a_space_says_so_before_the_first_step(monkeypatch, images):
    monkeypatch.setattr(torch, "__path__", ["/home/anna maria/torch"])
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/g++")
    with pytest.raises(
        ValueError, match=r"cannot compile with PyTorch in '/home/anna maria/torch', a path with a space"
    ):
        training.fit(small_conv, images, RECIPE, [0], policy=training.COMPILED)


@torch.no_grad()
def test_the_stack_gives_what_each_network_gives(images):
    nets_ = [small_conv(runtime.stream(seed, "init")).eval() for seed in (0, 4)]
    x = images.test.x[:3]
    for policy in (training.STACKED, *POLICIES):
        together = Networks(nets_, policy)
        together.template.eval()
        found = together.logits(x, shared=True)
        for one, net in zip(found, nets_, strict=True):
            torch.testing.assert_close(one, net(x), rtol=1e-4, atol=1e-5)
        own = together.logits(torch.stack([x, -x]))
        torch.testing.assert_close(own[1], nets_[1](-x), rtol=1e-4, atol=1e-5)
        params, buffers = together.copy()
        assert torch.equal(params["head.4.weight"][1], nets_[1].get_parameter("head.4.weight"))
        params["head.4.weight"].zero_()
        assert together.copy()[0]["head.4.weight"].any()
        assert set(buffers) == {name for name, _ in nets_[0].named_buffers()}


@pytest.mark.parametrize("field", ["channels_last", "compiled"])
def test_what_needs_one_network_at_a_time_is_not_stacked(field: str):
    with pytest.raises(ValueError, match=f"{field}=True needs stacked=False"):
        Policy(**{field: True})
    assert getattr(Policy(stacked=False, **{field: True}), field)
