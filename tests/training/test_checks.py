"""What a training refuses before its first step: in words that say the way out, and with no number drawn."""

import dataclasses

import pytest
import torch
from small import EVERY_POLICY, RECIPE, mlp_behind, normalised_mlp, small_conv, small_mlp
from torch import nn

from resnet_lib import runtime, training
from resnet_lib.data import Dataset, Split
from resnet_lib.nets import blocks, initialisation
from resnet_lib.training import Recipe


def three_classes():
    part = Split(torch.zeros(40, 64), torch.zeros(40, dtype=torch.int64))
    return Dataset("toy", part, part, part, 3, "")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda d: training.fit(small_mlp, d, RECIPE, []), r"seeds is empty; give at least one"),
        (lambda d: training.fit(small_mlp, d, RECIPE, [1, 1]), r"seeds=\(1, 1\) names a seed twice"),
        (
            lambda d: training.fit(small_mlp, d, dataclasses.replace(RECIPE, batch=201), [0]),
            r"batch=201 is larger than the 200 training examples of 'digits\[:200\]'; use batch=200 or less",
        ),
        (
            lambda d: training.fit(small_mlp, d, RECIPE, [0], keep=[3]),
            r"keep=\(3,\) names epoch 3; epochs=2 allows 0 to 2",
        ),
        (
            lambda d: training.fit(small_mlp, three_classes(), dataclasses.replace(RECIPE, batch=40), [0]),
            r"outputs of shape \(10,\) for each example; 'toy' needs \(3,\), one logit a class",
        ),
        (
            lambda d: training.fit(small_conv, d, RECIPE, [0]),
            r"x has shape \(2, 64\); this network expects \(batch, 1, 8, 8\)",
        ),
        (
            lambda d: training.fit(normalised_mlp, d, dataclasses.replace(RECIPE, batch=199), [0]),
            r"batch=199 leaves a batch of one of the 200 training examples.*batch normalisation cannot",
        ),
    ],
)
def test_errors_name_the_way_out(call, text, digits):
    with pytest.raises(ValueError, match=text):
        call(digits)


class Noisy(nn.Module):
    def forward(self, x):
        return x + torch.rand_like(x) if self.training else x


@EVERY_POLICY
@pytest.mark.parametrize(
    ("first", "text"),
    [
        (lambda: nn.Dropout(0.5), r"'0' \(Dropout\) draws random numbers while it trains.*stochastic_depth\.wrap"),
        (nn.RReLU, r"'0' \(RReLU\) draws"),
        (Noisy, r"'0' \(Noisy\) draws"),
        (lambda: nn.Sequential(nn.Tanh(), nn.AlphaDropout(0.5)), r"'0\.1' \(AlphaDropout\) draws"),
        (lambda: nn.BatchNorm1d(64, track_running_stats=False), r"'0' \(BatchNorm1d\) keeps no running statistics"),
    ],
)
def test_networks_whose_numbers_would_not_be_the_seeds_own_are_refused(digits, policy, first, text):
    state = torch.get_rng_state()
    with pytest.raises(ValueError, match=text):
        training.fit(mlp_behind(first), digits, RECIPE, [0, 1], policy=policy)
    assert torch.equal(torch.get_rng_state(), state)


@EVERY_POLICY
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_data_of_another_type_than_the_network_are_refused_in_words(policy, dtype):
    part = Split(torch.zeros(40, 64, dtype=dtype), torch.zeros(40, dtype=torch.int64))
    data_ = Dataset("toy", part, part, part, 10, "")
    with pytest.raises(
        TypeError, match=rf"parameters of torch.float32, and 'toy' holds inputs of {dtype}; .*x\.float\(\)"
    ):
        training.fit(small_mlp, data_, dataclasses.replace(RECIPE, batch=20), [0], policy=policy)


@EVERY_POLICY
def test_a_parameter_of_two_modules_is_refused(digits, policy):
    def tied(generator):
        net = nn.Sequential(blocks.Linear(64, 64), nn.ReLU(), blocks.Linear(64, 64), blocks.Linear(64, 10))
        initialisation.initialise(net, generator)
        net[2].weight = net[0].weight
        return net

    with pytest.raises(ValueError, match=r"shares the parameter '0\.weight' between two modules.*dynamics\.Repeat"):
        training.fit(tied, digits, RECIPE, [0], policy=policy)


@pytest.mark.parametrize(("n", "batch", "way"), [(101, 1, 3), (101, 50, 51), (7, 2, 4), (7, 3, 4), (3, 1, 3)])
def test_the_advice_of_a_batch_of_one_can_be_followed(n, batch, way):
    x = torch.randn(n, 64, generator=runtime.stream(0, "advice"))
    part = Split(x, torch.arange(n) % 10)
    data_ = Dataset("toy", part, part, part, 10, "")
    with pytest.raises(ValueError, match=rf"batch={batch} leaves a batch of one.*use e\.g\. batch={way}$"):
        training.fit(normalised_mlp, data_, Recipe(epochs=1, batch=batch), [0])
    training.fit(normalised_mlp, data_, Recipe(epochs=1, batch=way), [0])
