"""Trained networks with their history: what is kept of them, taken out of the stack, and read back from records."""

import dataclasses
import math

import pandas as pd
import pytest
import torch
from small import COLUMNS, RECIPE, accuracy, small_conv, small_mlp
from torch.func import functional_call

from resnet_lib import runtime, training
from resnet_lib.training import fits


@pytest.fixture(scope="module")
def kept(images):
    return training.fit(small_conv, images, dataclasses.replace(RECIPE, epochs=3), [5, 6], keep=[0, 2])


def test_checkpoints_are_the_states_along_the_way(kept, images):
    assert sorted(kept.checkpoints) == [0, 2, 3]
    for seed in (5, 6):
        start = small_conv(runtime.stream(seed, "init")).state_dict()
        assert all(torch.equal(value, start[name]) for name, value in kept.net(seed, 0).state_dict().items())
    weights = [kept.params(epoch)[0]["stem.weight1.weight"] for epoch in (0, 2, 3)]
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[1], weights[2])
    assert kept.params() is kept.params(3)
    assert not any(value.requires_grad for part in kept.params() for value in part.values())
    # 3 epochs of 120 images in 2 batches.
    assert kept.params()[1]["blocks.0.branch.norm1.num_batches_tracked"].tolist() == [6, 6]


def test_a_seed_s_network_is_its_slice_of_the_stack(kept, images):
    for index, seed in enumerate((5, 6)):
        net = kept.net(seed, 2)
        state = tuple({name: value[index] for name, value in part.items()} for part in kept.params(2))
        expected = functional_call(kept.template, state, (images.test.x,))
        assert not net.training
        torch.testing.assert_close(net(images.test.x), expected, rtol=1e-5, atol=1e-5)
        row = kept.history.query("seed == @seed and epoch == 2").to_dict("records")[0]
        assert math.isclose(accuracy(net, images.test), row["test_accuracy"], abs_tol=1e-6)


def test_a_network_that_is_taken_out_is_a_copy(kept):
    before = kept.params()[0]["head.4.weight"].clone()
    kept.net(5).get_parameter("head.4.weight").data.zero_()
    assert torch.equal(kept.params()[0]["head.4.weight"], before)
    assert kept.net(5).get_parameter("head.4.weight").requires_grad


def test_no_epoch_is_the_initialisation(digits):
    fitted = training.fit(small_mlp, digits, dataclasses.replace(RECIPE, epochs=0), [4])
    assert list(fitted.checkpoints) == [0]
    assert fitted.history.empty
    assert list(fitted.history) == [*COLUMNS[:2], "lr", *COLUMNS[2:]]
    assert fitted.diverged == (False,)
    start = small_mlp(runtime.stream(4, "init")).state_dict()
    assert all(torch.equal(value, start[name]) for name, value in fitted.net(4).state_dict().items())


def test_history_has_one_row_for_each_seed_and_epoch(kept):
    assert kept.history[["seed", "epoch"]].to_numpy().tolist() == [[s, e] for s in (5, 6) for e in (1, 2, 3)]
    assert kept.history["lr"].is_monotonic_decreasing is False
    assert kept.history.index.equals(pd.RangeIndex(len(kept.history)))  # in the order of its rows


def test_a_network_with_a_buffer_that_no_file_holds_is_taken_out_whole(digits):
    def made(generator):
        net = small_mlp(generator)
        net.register_buffer("aside", torch.full((3,), 7.0), persistent=False)
        return net

    assert training.fit(made, digits, RECIPE, [0]).net(0).get_buffer("aside").tolist() == [7, 7, 7]


def test_a_fit_comes_back_from_its_records(kept):
    records = fits.to_records(
        [(1, 0.1, torch.rand(4, 2, generator=runtime.stream(0, "measured")))], {1: kept.params(2), 0: kept.params(0)}
    )
    assert all(name.startswith(fits.RECORDS) for name in records)
    measured, checkpoints = fits.parsed(records)
    assert [(epoch, lr) for epoch, lr, _ in measured] == [(1, 0.1)]
    assert torch.equal(measured[0][2], records["measured/1"])
    assert list(checkpoints) == [0, 1]
    for part, expected in zip(checkpoints[1], kept.params(2), strict=True):
        assert part.keys() == expected.keys()
        assert all(torch.equal(part[name], value) for name, value in expected.items())


def test_a_seed_is_lost_where_a_measurement_or_a_parameter_is_no_number(kept):
    params, buffers = kept.params()
    for spoilt, lost in ((None, (False, False)), ("measured", (True, False)), ("parameter", (False, True))):
        values, own = torch.ones(4, 2), {name: value.clone() for name, value in params.items()}
        if spoilt == "measured":
            values[2, 0] = math.nan
        if spoilt == "parameter":
            own["head.4.weight"][1, 0, 0] = math.inf
        found = fits.from_records((5, 6), fits.to_records([(3, 0.1, values)], {3: (own, buffers)}), kept.template)
        assert found.diverged == lost
        assert fits.finite(own).tolist() == [True, spoilt != "parameter"]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda fit: fit.params(1), r"epoch=1 was not kept; kept: 0, 2, 3; use fit\(\.\.\., keep=\(1,\)\)"),
        (lambda fit: fit.net(1), r"seed=1 was not trained; trained: 5, 6"),
    ],
)
def test_what_was_not_kept_is_named_with_the_way_to_have_it(call, text, kept):
    with pytest.raises(ValueError, match=text):
        call(kept)
