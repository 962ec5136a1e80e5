"""What computes in bfloat16 differs from float32 by the rounding of bfloat16, and keeps its weights."""

import torch

from resnet_lib import nets, runtime
from resnet_lib.training import Recipe, loop
from resnet_lib.training.precision import Bfloat16
from resnet_lib.training.stacked import Policy


def net(generator):
    return nets.digits_resnet(2, 4, unit="pre", generator=generator)


def test_logits_differ_by_the_rounding_and_come_in_float32(images):
    full = net(runtime.stream(0, "init")).eval()
    with torch.no_grad():
        exact, rounded = full(images.test.x), Bfloat16(full).eval()(images.test.x)
    assert rounded.dtype == torch.float32
    error = (rounded - exact).norm() / exact.norm()
    assert 1e-4 < error < 0.02  # eight bits, a few layers


def test_a_network_trains_as_in_float32_up_to_rounding_with_weights_in_float32(images):
    recipe, policy = Recipe(epochs=3, batch=40, lr=0.1), Policy(stacked=False, channels_last=True)
    losses = []
    for wrap in (lambda made: made, Bfloat16):
        run = loop.Run(lambda generator, wrap=wrap: wrap(net(generator)), images, recipe, [0], policy=policy)
        while not run.done:
            run.advance()
        found = run.result()
        assert {value.dtype for value in found.params()[0].values()} == {torch.float32}
        losses.append(found.history["train_loss"].to_numpy())
    exact, rounded = losses
    assert (exact != rounded).all()
    assert abs(exact / rounded - 1).max() < 0.05
