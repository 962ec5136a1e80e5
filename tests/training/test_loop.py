import dataclasses
import math
import re

import numpy as np
import pandas as pd
import pytest
import torch
from small import COLUMNS, EVERY_POLICY, RECIPE, accuracy, mlp_behind, normalised_mlp, small_conv, small_mlp
from torch import nn
from torch.nn.functional import cross_entropy

from resnet_lib import data, nets, runtime, training
from resnet_lib.data import Dataset, Split, augmentation
from resnet_lib.nets import Unit, blocks, initialisation, stochastic_depth
from resnet_lib.training import Recipe, loop

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
    weights = [fitted.params(epoch)[0]["blocks.0.branch.weight1.weight"] for epoch in (0, 40)]
    assert [bool(weight.isfinite().all()) for weight in weights] == [True, False]  # what was kept before stays
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


def test_measuring_in_pieces_changes_nothing(digits, monkeypatch):
    whole = training.fit(small_mlp, digits, RECIPE, [0, 1]).history
    monkeypatch.setattr(loop, "_EVALUATED_AT_ONCE", 90)
    pd.testing.assert_frame_equal(training.fit(small_mlp, digits, RECIPE, [0, 1]).history, whole)


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


class InPlace(nn.Module):
    """Doubles its input where it lies."""

    def forward(self, x):
        return x.mul_(2)


class Twice(nn.Module):
    def forward(self, x):
        return 2 * x


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


def test_dropout_of_nothing_and_stochastic_depth_train_alone_as_in_a_group(digits):
    def wrapped(generator):
        net = nets.mlp(2, 16, unit=Unit(norm="none"), generator=generator)
        return stochastic_depth.wrap(net, [1.0, 0.5], generator=generator)

    for make in (mlp_behind(lambda: nn.Dropout(0.0)), wrapped):
        alone, group = (training.fit(make, digits, RECIPE, seeds).history for seeds in ([1], [0, 1]))
        loss = group.loc[group["seed"] == 1, "train_loss"].to_numpy()
        np.testing.assert_allclose(loss, alone["train_loss"], rtol=1e-4)


@EVERY_POLICY
def test_float64_all_along_trains(digits, policy):
    parts = [Split(part.x.double(), part.y) for part in (digits.train, digits.validation, digits.test)]
    data_ = Dataset("double", parts[0], parts[1], parts[2], 10, "")
    found = training.fit(lambda generator: small_mlp(generator).double(), data_, RECIPE, [0], policy=policy)
    expected = training.fit(small_mlp, digits, RECIPE, [0], policy=policy)
    np.testing.assert_allclose(found.history["train_loss"], expected.history["train_loss"], rtol=1e-3)


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
