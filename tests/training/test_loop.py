import dataclasses
import math
import os
import re

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from resnet_lib import data, nets, runtime, training
from resnet_lib.data import Dataset, Split, augmentation
from resnet_lib.nets import Unit, blocks, initialisation, stochastic_depth
from resnet_lib.training import Policy, Recipe, loop, stacked

RECIPE = Recipe(epochs=2, batch=60, lr=0.05)


@pytest.fixture(scope="module")
def digits():
    return data.load("digits", flat=True).subset(200)


@pytest.fixture(scope="module")
def images():
    return data.load("digits").subset(120)


def small_mlp(generator):
    return nets.mlp(2, 16, unit=Unit(norm="none"), generator=generator)


def normalised_mlp(generator):
    return nets.mlp(2, 32, unit="pre", generator=generator)


def small_conv(generator):
    return nets.digits_resnet(2, 4, unit="pre", generator=generator)


FACTOR = {
    # Factor of the highest rate at step s of n, from the formulas of the docstrings.
    "constant": lambda s, n, rise: min((s + 1) / (rise + 1), 1),
    "cosine": lambda s, n, rise: (
        (s + 1) / (rise + 1) if s < rise else (1 + math.cos(math.pi * (s - rise) / (n - rise))) / 2
    ),
}


def plain_loop(make_net, dataset, recipe, seed):
    """The loop that everyone writes: one network, its own optimiser, a batch at a time."""
    net = make_net(runtime.stream(seed, "init")).train()
    if recipe.optimizer == "adam":
        optimizer = torch.optim.AdamW(net.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    else:
        optimizer = torch.optim.SGD(
            net.parameters(), lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )
    order, rows = runtime.stream(seed, "order"), []
    n = len(dataset.train)
    steps = recipe.epochs * math.ceil(n / recipe.batch)
    for epoch in range(recipe.epochs):
        loss_sum = hits = 0.0
        for step, batch in enumerate(torch.randperm(n, generator=order).split(recipe.batch)):
            if recipe.schedule != "one-cycle":
                factor = FACTOR[recipe.schedule](epoch * steps / recipe.epochs + step, steps, recipe.warmup * steps)
                optimizer.param_groups[0]["lr"] = recipe.lr * factor
            x, y = dataset.train.x[batch], dataset.train.y[batch]
            logits = net.train()(x)
            loss = cross_entropy(logits, y)
            loss_sum += loss.item() * len(batch)
            hits += (logits.argmax(1) == y).sum().item()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        accuracies = [accuracy(net.eval(), part) for part in (dataset.validation, dataset.test)]
        rows.append((seed, epoch + 1, loss_sum / n, hits / n, *accuracies))
    return net.eval(), np.array(rows)


@torch.no_grad()
def accuracy(net, part):
    return (net(part.x).argmax(1) == part.y).double().mean().item()


COLUMNS = ["seed", "epoch", "train_loss", "train_accuracy", "validation_accuracy", "test_accuracy"]
RECIPES = {
    "sgd": dataclasses.replace(RECIPE, schedule="constant", warmup=0.0),
    "decay": dataclasses.replace(RECIPE, schedule="cosine", weight_decay=0.05, momentum=0.5),
    "adam": dataclasses.replace(RECIPE, schedule="constant", optimizer="adam", lr=0.005, weight_decay=0.1),
}


@pytest.mark.parametrize(
    ("make_net", "dataset", "name"),
    [
        (small_mlp, "digits", "sgd"),
        (small_mlp, "digits", "decay"),
        (small_mlp, "digits", "adam"),
        (small_conv, "images", "sgd"),
    ],
)
def test_seeds_together_train_as_in_a_plain_loop(make_net, dataset, name, request):
    dataset, recipe = request.getfixturevalue(dataset), RECIPES[name]
    fitted = training.fit(make_net, dataset, recipe, [3, 8])
    assert fitted.diverged == (False, False)
    for seed in (3, 8):
        net, rows = plain_loop(make_net, dataset, recipe, seed)
        found = fitted.history.query("seed == @seed")[COLUMNS].to_numpy()
        np.testing.assert_allclose(found, rows, rtol=1e-4, atol=1e-6)
        # Parameters, and the running statistics of the normalisations.
        for key, value in fitted.net(seed).state_dict().items():
            torch.testing.assert_close(value, net.state_dict()[key], rtol=1e-3, atol=1e-5)
    assert len(set(fitted.history["lr"])) == (2 if name == "decay" else 1)


@pytest.mark.parametrize(("make_net", "dataset"), [(small_mlp, "digits"), (small_conv, "images")])
def test_a_seed_trains_alone_as_in_a_group(make_net, dataset, request):
    dataset = request.getfixturevalue(dataset)
    group = training.fit(make_net, dataset, RECIPE, [0, 1, 2], keep=[0])
    alone = training.fit(make_net, dataset, RECIPE, [2], keep=[0])
    for epoch, tolerance in ((0, 0.0), (2, 1e-4)):
        for key, value in alone.net(2, epoch).state_dict().items():
            other = group.net(2, epoch).state_dict()[key]
            torch.testing.assert_close(value, other, rtol=tolerance, atol=tolerance)
    history = group.history.query("seed == 2").reset_index(drop=True)
    pd.testing.assert_frame_equal(alone.history, history, rtol=1e-3)


def test_the_same_group_repeats_bit_for_bit(images):
    first, second = (training.fit(small_conv, images, RECIPE, [0, 1]) for _ in range(2))
    pd.testing.assert_frame_equal(first.history, second.history, check_exact=True)
    for part, other in zip(first.params(), second.params(), strict=True):
        assert all(torch.equal(part[name], other[name]) for name in part)


def exploding(make_net, seed):
    """The same networks, but the head of one seed starts with infinite weights."""

    def make(generator):
        broken = torch.equal(generator.get_state(), runtime.stream(seed, "init").get_state())
        net = make_net(generator)
        if broken:
            list(net.parameters())[-2].data.fill_(math.inf)
        return net

    return make


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "lars"])
@pytest.mark.parametrize(("make_net", "dataset"), [(small_mlp, "digits"), (small_conv, "images")])
def test_a_seed_that_diverges_is_marked_and_disturbs_no_other(make_net, dataset, optimizer, request):
    dataset, recipe = request.getfixturevalue(dataset), dataclasses.replace(RECIPE, optimizer=optimizer)
    healthy = training.fit(make_net, dataset, recipe, [0, 1, 2])
    sick = training.fit(exploding(make_net, 1), dataset, recipe, [0, 1, 2])
    assert healthy.diverged == (False, False, False)
    assert sick.diverged == (False, True, False)
    assert sick.history.query("seed == 1").iloc[-1][COLUMNS[2:]].isna().all()
    expected, others = (fit.history.query("seed != 1") for fit in (healthy, sick))
    pd.testing.assert_frame_equal(expected, others, check_exact=True)
    for name, value in healthy.params()[0].items():
        assert torch.equal(value[[0, 2]], sick.params()[0][name][[0, 2]])


def test_a_learning_rate_that_is_too_high_is_no_exception(digits):
    fitted = training.fit(small_mlp, digits, dataclasses.replace(RECIPE, lr=1e30, epochs=3), [0, 1])
    assert fitted.diverged == (True, True)
    assert np.isnan(fitted.history["train_loss"].to_numpy()[[2, 5]]).all()


def test_a_training_of_which_no_number_is_left_ends_and_says_so(digits, caplog):
    """The weights are NaN after the first step, and the history is the one of a run to the end."""
    recipe = dataclasses.replace(RECIPE, lr=1e30, epochs=50)
    with caplog.at_level("INFO", logger="resnet_lib.training"):
        run = training.Run(small_mlp, digits, recipe, [3], keep=[0, 40])
        steps = 0
        while not run.done:
            run.advance()
            steps += 1
    assert steps <= 3 * math.ceil(200 / 60)
    assert re.search(
        r"no seed of \(3,\) has finite parameters after epoch \d of 50 at lr=1e\+30.*lower Recipe.lr", caplog.text
    )
    fitted = run.result()
    assert fitted.history["epoch"].tolist() == list(range(1, 51))
    assert fitted.history.query("epoch > 3").drop(columns=["seed", "epoch", "lr"]).isna().all(axis=None)
    assert fitted.history["lr"].tolist() == pytest.approx([recipe.rate(4 * epoch - 1, 200) for epoch in range(1, 51)])
    assert sorted(fitted.checkpoints) == [0, 40, 50]
    assert fitted.diverged == (True,)


def test_one_seed_that_is_left_keeps_a_training_going(digits):
    run = training.Run(exploding(small_mlp, 1), digits, dataclasses.replace(RECIPE, epochs=3), [0, 1])
    steps = 0
    while not run.done:
        run.advance()
        steps += 1
    assert steps == 3 * math.ceil(200 / 60)


def test_outputs_that_overflow_count_as_diverged(digits):
    huge = dataclasses.replace(digits, validation=Split(torch.full((2, 64), 3e38), torch.zeros(2, dtype=torch.int64)))
    fitted = training.fit(small_mlp, huge, RECIPE, [0])
    assert fitted.diverged == (True,)
    assert fitted.history["validation_accuracy"].isna().all()
    assert fitted.history["test_accuracy"].notna().all()


def test_networks_learn_digits_but_not_noise():
    dataset = data.load("digits", flat=True)
    recipe = Recipe(epochs=5, batch=50, lr=0.1)
    learned = training.fit(normalised_mlp, dataset, recipe, [0, 1]).history.query("epoch == 5")["test_accuracy"]
    assert learned.to_numpy().min() > 0.9
    shuffled = torch.randperm(1000, generator=runtime.stream(0, "shuffle"))
    noise = dataclasses.replace(dataset, train=Split(dataset.train.x, dataset.train.y[shuffled]))
    guessed = training.fit(normalised_mlp, noise, recipe, [0, 1]).history.query("epoch == 5")["test_accuracy"]
    # Chance is 0.1; 597 images give a standard error of 0.012, and the shuffled labels favour no class by much.
    assert guessed.to_numpy().max() < 0.2


def test_the_last_smaller_batch_counts_by_its_size(digits):
    # At rate 0 nothing moves: the average over the batches is that over all examples, whatever their order.
    recipe = Recipe(epochs=1, batch=77, lr=0.0)
    fitted = training.fit(small_mlp, digits, recipe, [0, 1], keep=[0])
    for seed in (0, 1):
        net = small_mlp(runtime.stream(seed, "init"))
        row = fitted.history.query("seed == @seed").to_dict("records")[0]
        with torch.no_grad():
            assert math.isclose(row["train_loss"], cross_entropy(net(digits.train.x), digits.train.y), rel_tol=1e-5)
        assert math.isclose(row["train_accuracy"], accuracy(net, digits.train), abs_tol=1e-6)
        assert math.isclose(row["test_accuracy"], accuracy(net, digits.test), abs_tol=1e-6)
        assert all(torch.equal(fitted.net(seed).state_dict()[k], v) for k, v in net.state_dict().items())


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


def test_measuring_in_pieces_changes_nothing(digits, monkeypatch):
    whole = training.fit(small_mlp, digits, RECIPE, [0, 1]).history
    monkeypatch.setattr(loop, "_EVALUATED_AT_ONCE", 90)
    pd.testing.assert_frame_equal(training.fit(small_mlp, digits, RECIPE, [0, 1]).history, whole)


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


@pytest.mark.parametrize("policy", [training.STACKED, training.ONE_BY_ONE])
def test_a_caller_who_needs_no_gradients_may_train(digits, policy):
    expected = training.fit(small_mlp, digits, RECIPE, [0], policy=policy)
    with torch.no_grad():
        found = training.fit(small_mlp, digits, RECIPE, [0], policy=policy)
    pd.testing.assert_frame_equal(found.history, expected.history, check_exact=True)


def test_training_leaves_the_global_generator_alone(digits):
    before = torch.get_rng_state()
    training.fit(small_mlp, digits, RECIPE, [0])
    assert torch.equal(torch.get_rng_state(), before)


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
        (lambda d: training.fit(small_mlp, d, RECIPE, [0]).params(1), r"epoch=1 was not kept; kept: 2; .*keep=\(1,\)"),
        (lambda d: training.fit(small_mlp, d, RECIPE, [0]).net(1), r"seed=1 was not trained; trained: 0"),
    ],
)
def test_errors_name_the_way_out(call, text, digits):
    with pytest.raises(ValueError, match=text):
        call(digits)


def test_a_penalty_is_added_to_the_loss_of_each_seed():
    recipe = training.Recipe(epochs=2, batch=50, lr=0.1)
    make = lambda generator: nets.mlp(1, 8, unit="inside", in_features=2, classes=2, generator=generator)  # noqa: E731
    spirals = data.load("spirals")
    bare = training.fit(make, spirals, recipe, (0, 1))
    weights = [name for name, value in bare.params()[0].items() if value.ndim > 2]

    def size(params: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.stack([params[name].square().flatten(1).sum(1) for name in weights]).sum(0)

    def first_only(params: dict[str, torch.Tensor]) -> torch.Tensor:
        return 0.1 * size(params) * torch.tensor([1.0, 0.0])

    shrunk = training.fit(make, spirals, recipe, (0, 1), penalty=first_only)
    assert size(shrunk.params()[0])[0] < 0.8 * size(bare.params()[0])[0]
    for name, value in bare.params()[0].items():
        torch.testing.assert_close(shrunk.params()[0][name][1], value[1])


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


def test_augmented_images_are_drawn_from_the_seed_s_own_stream(images):
    # At rate 0 nothing moves: the loss is that of the first network on the images of each step, cropped one by one.
    recipe = Recipe(epochs=2, batch=50, lr=0.0, augment="crop-flip")
    small = nets.digits_resnet
    fitted = training.fit(
        lambda generator: small(1, 4, unit=Unit(norm="none"), generator=generator), images, recipe, [7]
    )
    net = small(1, 4, unit=Unit(norm="none"), generator=runtime.stream(7, "init"))
    order, augment = (runtime.stream(7, name) for name in ("order", "augment"))
    for loss in fitted.history["train_loss"]:
        rows, choice = torch.randperm(120, generator=order), augmentation.draw(120, (1, 8, 8), augment)
        with torch.no_grad():
            seen = augmentation.crop_flip(images.train.x[rows], choice)
            assert math.isclose(loss, cross_entropy(net(seen), images.train.y[rows]), rel_tol=1e-5)
    assert fitted.history["train_loss"].nunique() == 2


def states_equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "lars"])
@pytest.mark.parametrize("policy", [training.STACKED, training.ONE_BY_ONE], ids=["stacked", "one by one"])
@pytest.mark.parametrize("after", [0, 1, 2, 3, 5])
def test_a_run_that_was_stopped_goes_on_to_the_same_bits(images, optimizer, policy, after):
    recipe = Recipe(epochs=2, batch=50, lr=0.05, augment="crop-flip", optimizer=optimizer)
    arguments = {"keep": [0, 1], "policy": policy}
    whole = training.Run(small_conv, images, recipe, [0, 4], **arguments)
    first = training.Run(small_conv, images, recipe, [0, 4], **arguments)
    for _ in range(after):
        first.advance()
    saved = {name: value.clone() for name, value in first.state().items()}
    second = training.Run(small_conv, images, recipe, [0, 4], **arguments)
    second.advance()
    second.restore(saved)
    assert states_equal(second.state(), saved)
    for run in (whole, second):
        while not run.done:
            run.advance()
    assert states_equal(whole.state(), second.state())
    assert not states_equal(whole.state(), saved)
    pd.testing.assert_frame_equal(whole.result().history, second.result().history, check_exact=True)


def test_a_run_says_whether_it_is_done(images):
    run = training.Run(small_conv, images, dataclasses.replace(RECIPE, epochs=1), [0])
    with pytest.raises(RuntimeError, match=r"not done: 0 of 1 epochs; use advance"):
        run.result()
    run.advance()
    run.advance()
    with pytest.raises(RuntimeError, match="is done: 1 of 1 epochs"):
        run.advance()


def test_vectors_cannot_be_cropped(digits):
    with pytest.raises(ValueError, match=r"augment='crop-flip' needs images"):
        training.fit(small_mlp, digits, dataclasses.replace(RECIPE, augment="crop-flip"), [0])


# Networks and data that cannot be trained as is promised


class InPlace(nn.Module):
    """Doubles its input where it lies."""

    def forward(self, x):
        return x.mul_(2)


class Twice(nn.Module):
    def forward(self, x):
        return 2 * x


def mlp_behind(first):
    """Networks whose first layer is that one."""
    return lambda generator: initialisation.initialise(
        nn.Sequential(first(), blocks.Linear(64, 16), nn.ReLU(), blocks.Linear(16, 10)), generator
    )


EVERY_POLICY = pytest.mark.parametrize("policy", [training.STACKED, training.ONE_BY_ONE], ids=["stacked", "one by one"])


@EVERY_POLICY
def test_a_layer_that_works_in_place_leaves_the_data_and_changes_no_number(digits, policy):
    kept = [(part.x.clone(), part.y.clone()) for part in (digits.train, digits.validation, digits.test)]
    fits = [training.fit(mlp_behind(first), digits, RECIPE, [0, 1], policy=policy) for first in (InPlace, Twice)]
    pd.testing.assert_frame_equal(fits[0].history, fits[1].history, check_exact=True)
    for part, (x, y) in zip((digits.train, digits.validation, digits.test), kept, strict=True):
        assert torch.equal(part.x, x)
        assert torch.equal(part.y, y)


@pytest.mark.parametrize(
    "seeds", [torch.tensor([3, 5]), np.array([3, 5], dtype=np.uint8), (np.int64(3), torch.tensor(5))]
)
def test_seeds_and_epochs_of_every_kind_are_whole_numbers(digits, seeds):
    fitted = training.fit(small_mlp, digits, RECIPE, seeds, keep=torch.tensor([1]))
    assert fitted.seeds == (3, 5)
    assert fitted.history["seed"].tolist() == [3, 3, 5, 5]
    assert sorted(fitted.checkpoints) == [1, 2]
    weights = [fitted.net(torch.tensor(5), epoch).get_parameter("head.weight1.weight") for epoch in (np.int64(2), -1)]
    assert torch.equal(*weights)


@pytest.mark.parametrize("seeds", [torch.tensor([0, 0]), np.array([2, 2]), [torch.tensor(1), 1]])
def test_a_seed_given_twice_is_seen_whatever_its_kind(digits, seeds):
    with pytest.raises(ValueError, match="names a seed twice"):
        training.fit(small_mlp, digits, RECIPE, seeds)


@pytest.mark.parametrize("seeds", [[True, False], torch.tensor([True]), [0.0], ["0"]])
def test_what_is_no_seed(unchecked, digits, seeds):
    with pytest.raises(TypeError, match="seeds holds"):
        training.fit(small_mlp, digits, RECIPE, seeds)


@pytest.mark.parametrize("field", ["epochs", "batch"])
@pytest.mark.parametrize("value", [1.5, True, "2"])
def test_a_recipe_counts_in_whole_numbers(unchecked, field, value):
    with pytest.raises(TypeError, match=f"{field} holds {value!r}"):
        dataclasses.replace(RECIPE, **{field: value})


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


def test_dropout_of_nothing_and_stochastic_depth_train_alone_as_in_a_group(digits):
    def wrapped(generator):
        net = nets.mlp(2, 16, unit=Unit(norm="none"), generator=generator)
        return stochastic_depth.wrap(net, [1.0, 0.5], generator=generator)

    for make in (mlp_behind(lambda: nn.Dropout(0.0)), wrapped):
        alone, group = (training.fit(make, digits, RECIPE, seeds).history for seeds in ([1], [0, 1]))
        loss = group.loc[group["seed"] == 1, "train_loss"].to_numpy()
        np.testing.assert_allclose(loss, alone["train_loss"], rtol=1e-4)


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
def test_float64_all_along_trains(digits, policy):
    parts = [Split(part.x.double(), part.y) for part in (digits.train, digits.validation, digits.test)]
    data_ = Dataset("double", parts[0], parts[1], parts[2], 10, "")
    found = training.fit(lambda generator: small_mlp(generator).double(), data_, RECIPE, [0], policy=policy)
    expected = training.fit(small_mlp, digits, RECIPE, [0], policy=policy)
    np.testing.assert_allclose(found.history["train_loss"], expected.history["train_loss"], rtol=1e-3)


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


@EVERY_POLICY
def test_a_parameter_of_two_modules_is_refused(digits, policy):
    def tied(generator):
        net = nn.Sequential(blocks.Linear(64, 64), nn.ReLU(), blocks.Linear(64, 64), blocks.Linear(64, 10))
        initialisation.initialise(net, generator)
        net[2].weight = net[0].weight
        return net

    with pytest.raises(ValueError, match=r"shares the parameter '0\.weight' between two modules.*dynamics\.Repeat"):
        training.fit(tied, digits, RECIPE, [0], policy=policy)


@EVERY_POLICY
def test_a_module_that_is_used_twice_trains(digits, policy):
    def repeated(generator):
        inner = blocks.Linear(64, 64)
        return initialisation.initialise(nn.Sequential(inner, nn.Tanh(), inner, blocks.Linear(64, 10)), generator)

    fitted = training.fit(repeated, digits, RECIPE, [0], policy=policy)
    assert not fitted.diverged[0]
    net = fitted.net(0)
    with torch.no_grad():
        accuracy = (net(digits.test.x).argmax(1) == digits.test.y).double().mean()
    assert fitted.history["test_accuracy"].iloc[-1] == pytest.approx(float(accuracy), abs=1e-6)


def test_a_network_with_a_buffer_that_no_file_holds_is_taken_out_whole(digits):
    def made(generator):
        net = small_mlp(generator)
        net.register_buffer("aside", torch.full((3,), 7.0), persistent=False)
        return net

    assert training.fit(made, digits, RECIPE, [0]).net(0).get_buffer("aside").tolist() == [7, 7, 7]


@pytest.mark.parametrize(("n", "batch", "way"), [(101, 1, 3), (101, 50, 51), (7, 2, 4), (7, 3, 4), (3, 1, 3)])
def test_the_advice_of_a_batch_of_one_can_be_followed(n, batch, way):
    x = torch.randn(n, 64, generator=runtime.stream(0, "advice"))
    part = Split(x, torch.arange(n) % 10)
    data_ = Dataset("toy", part, part, part, 10, "")
    with pytest.raises(ValueError, match=rf"batch={batch} leaves a batch of one.*use e\.g\. batch={way}$"):
        training.fit(normalised_mlp, data_, Recipe(epochs=1, batch=batch), [0])
    training.fit(normalised_mlp, data_, Recipe(epochs=1, batch=way), [0])


def test_a_state_does_not_change_with_the_next_step(digits):
    run, other = (training.Run(small_mlp, digits, RECIPE, [0, 1]) for _ in range(2))
    run.advance()
    state = run.state()
    kept = {name: value.clone() for name, value in state.items()}
    run.advance()
    assert all(torch.equal(state[name], value) for name, value in kept.items())
    other.restore(state)
    other.advance()
    found, expected = other.state(), run.state()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_a_penalty_cannot_take_a_parameter_away(digits):
    def greedy(params):
        return params.popitem()[1].flatten(1).square().sum(1)

    fitted = training.fit(small_mlp, digits, RECIPE, [0], penalty=greedy)
    assert set(fitted.params()[0]) == set(dict(small_mlp(runtime.stream(0, "init")).named_parameters()))


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
