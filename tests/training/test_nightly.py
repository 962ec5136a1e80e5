"""A network that trains for a night may be stopped at any step, and is then what it would have been."""

import pytest
import torch
from small import small_conv

from resnet_lib.training import Recipe, loop, nightly

RECIPE = Recipe(epochs=2, batch=40, lr=0.1, augment="crop-flip")
ABOUT = {"seed": 1}


def test_a_training_that_is_stopped_goes_on_to_the_same_weights(images, tmp_path, monkeypatch):
    undisturbed = nightly.train(small_conv, images, RECIPE, ABOUT, folder=tmp_path / "a")
    advance, steps = loop.Run.advance, []

    def stopping(run):
        if len(steps) == 4:
            raise KeyboardInterrupt
        steps.append((run.epoch, run.step))
        advance(run)

    monkeypatch.setattr(loop.Run, "advance", stopping)
    with pytest.raises(KeyboardInterrupt):
        nightly.train(small_conv, images, RECIPE, ABOUT, folder=tmp_path / "b", pause=0.0)
    assert steps == [(0, 0), (0, 1), (0, 2), (1, 0)]
    monkeypatch.setattr(loop.Run, "advance", lambda run: (steps.append((run.epoch, run.step)), advance(run)))
    again = nightly.train(small_conv, images, RECIPE, ABOUT, folder=tmp_path / "b")
    assert steps[4:] == [(1, 1), (1, 2)]
    for ours, theirs in zip(undisturbed.params(), again.params(), strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_what_is_kept_is_found_by_what_it_is(images, tmp_path, monkeypatch):
    first = nightly.train(small_conv, images, RECIPE, ABOUT, folder=tmp_path)
    begun = []

    def stopping(run):
        begun.append(run.seeds)
        raise KeyboardInterrupt

    monkeypatch.setattr(loop.Run, "advance", stopping)
    assert nightly.train(small_conv, images, RECIPE, ABOUT, folder=tmp_path).history.equals(first.history)
    assert not begun
    with pytest.raises(KeyboardInterrupt):
        nightly.train(small_conv, images, RECIPE, {"seed": 2}, folder=tmp_path)
    assert begun == [(2,)]


def test_only_the_first_images_are_watched(images, tmp_path):
    found = nightly.train(small_conv, images, RECIPE, ABOUT, folder=tmp_path)
    last = found.history.iloc[-1]
    wrapped = found.net(1)
    for name in ("validation", "test"):
        part = getattr(images, name)
        assert len(part) > nightly.WATCHED
        with torch.no_grad():
            right = (wrapped(part.x[: nightly.WATCHED]).argmax(1) == part.y[: nightly.WATCHED]).double().mean()
        assert last[f"{name}_accuracy"] == pytest.approx(right.item())
    assert last["epoch"] == RECIPE.epochs
