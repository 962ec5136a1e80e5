"""What the measurements of speed count and write; not how long anything takes."""

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

from benchmarks import growth, training
from benchmarks.measure import ceilings, clock, peer, report
from resnet_lib import nets, runtime
from resnet_lib.training import ONE_BY_ONE

CPU = torch.device("cpu")


def test_the_demand_of_one_layer_is_what_paper_and_pencil_say():
    """Two matrix products with the weights: forward, and the gradient of the weights; none for that of the input."""
    n, width, classes = 6, 5, 3
    layer = nn.Linear(width, classes, bias=False)
    found = ceilings.demand(layer, torch.zeros(n, width), torch.zeros(n, dtype=torch.int64))
    assert found.operations == 2 * 2 * width * classes
    products = 4 * 2 * (n * width + width * classes + n * classes)
    assert products <= n * found.traffic <= products + 4 * 30 * n * classes  # the rest is softmax and loss


def test_views_move_nothing():
    class Seen(nn.Linear):
        def forward(self, x):
            return super().forward(x.view(4, 2, 3).transpose(0, 1).transpose(0, 1).reshape(4, 6))

    x, y = torch.zeros(4, 6), torch.zeros(4, dtype=torch.int64)
    assert ceilings.demand(Seen(6, 3), x, y).traffic == ceilings.demand(nn.Linear(6, 3), x, y).traffic


def test_a_published_network_asks_three_times_its_forward_pass():
    """41 million multiplications for ResNet-20 (he2016deep), twice that many operations; no gradient of the image."""
    net = nets.cifar_resnet(20, generator=runtime.stream(0, "init"))
    x, y = torch.zeros(2, 3, 32, 32), torch.zeros(2, dtype=torch.int64)
    found = ceilings.demand(net, x, y)
    first = 2 * 32 * 32 * 16 * 27
    macs = 16 * 32 * 32 * (27 + 6 * 144) + 32 * 256 * (144 + 5 * 288) + 64 * 64 * (288 + 5 * 576) + 640
    assert found.operations == 3 * 2 * macs - first
    assert ceilings.demand(peer.network(20), x, y).operations == found.operations


def test_both_sides_train_a_network_of_the_same_size():
    ours = nets.cifar_resnet(20, generator=runtime.stream(0, "init"))
    count = lambda net: sum(value.numel() for value in net.parameters())  # noqa: E731
    assert count(ours) == count(peer.network(20)) == 269_722


def test_sides_take_turns_and_their_first_steps_do_not_count():
    taken = []

    def side(name):
        while True:
            taken.append(name)
            yield

    times = clock.in_turns({"a": side("a"), "b": side("b")}, CPU, rounds=2, steps=3)
    assert "".join(taken) == "aabb" + 2 * "aaabbb"
    assert {name: len(values) for name, values in times.items()} == {"a": 2, "b": 2}


def test_each_side_steps_through_real_batches():
    images, labels = np.zeros((16, 32, 32, 3), np.uint8), np.zeros(16, np.int64)
    for side in (peer.steps(8, images, labels, 8, device=CPU), training.steps(8, images, labels, 8, ONE_BY_ONE, CPU)):
        for _ in range(3):
            next(side)


def test_the_exponent_is_the_slope_between_logarithms():
    sizes = np.array([1, 10, 100])
    table = pd.DataFrame({"device": "cpu", "grows": "depth", "side": "a", "size": sizes, "seconds": 3 * sizes**0.7})
    assert growth.exponents(table).item() == pytest.approx(0.7)


def test_a_report_names_the_machine(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(report, "FOLDER", tmp_path / "new")
    report.save("speed", pd.DataFrame({"seconds": [1.5]}), Figure())
    assert pd.read_csv(tmp_path / "new" / "speed.csv")["machine"].item() == report.machine()
    assert {path.suffix for path in (tmp_path / "new").iterdir()} == {".csv", ".svg", ".png"}
    assert f"torch {torch.__version__}" in capsys.readouterr().out
