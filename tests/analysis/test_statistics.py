"""Running statistics that are estimated anew: against torch's own, against a forward pass, and what stays as it was."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from resnet_lib import nets, runtime
from resnet_lib.analysis import lesion, lesion_scores, statistics
from resnet_lib.nets.units import UNITS


def generator(*path):
    return runtime.stream(0, "test", *path)


def mlp(depth=5, unit="pre", width=8):
    net = nets.mlp(depth, width, in_features=6, classes=3, unit=UNITS[unit], generator=generator("net", unit))
    x = torch.randn(40, 6, generator=generator("seen"))
    for _ in range(20):
        net.train()(x)
    return net.eval()


X = 2 + 3 * torch.randn(50, 6, generator=generator("x"))
BARE = replace(UNITS["pre"], norm="none")
Y = torch.randint(3, (50,), generator=generator("y"))
OTHERS = 1 + torch.randn(30, 6, generator=generator("others"))


def norms(net):
    return [part for part in net.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]


def test_statistics_are_those_of_what_each_layer_reads():
    net, read = mlp(), {}
    for norm in norms(net):
        norm.register_forward_pre_hook(lambda module, given: read.update({module: given[0].clone()}))
    with torch.no_grad(), statistics.estimating(net):
        net(X)
    for norm in norms(net):
        torch.testing.assert_close(norm.running_mean, read[norm].mean(0))
        torch.testing.assert_close(norm.running_var, read[norm].var(0))


def test_statistics_are_those_of_torch():
    net = mlp()
    expected = copy.deepcopy(net)
    torch.optim.swa_utils.update_bn([X], expected)
    found = statistics.reestimated(net, X)
    for a, b in zip(norms(found), norms(expected), strict=True):
        torch.testing.assert_close(a.running_mean, b.running_mean)
        torch.testing.assert_close(a.running_var, b.running_var)


def test_images_have_statistics_of_their_channels():
    net = nets.cifar_resnet(8, generator=generator("images")).eval()
    x = torch.rand(6, 3, 16, 16, generator=generator("pixels"))
    found, expected = statistics.reestimated(net, x), copy.deepcopy(net)
    torch.optim.swa_utils.update_bn([x], expected)
    for a, b in zip(norms(found), norms(expected), strict=True):
        torch.testing.assert_close(a.running_var, b.running_var)


def test_nothing_else_changes():
    net = mlp()
    net.blocks[1].train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    modes = [part.training for part in net.modules()]
    found = statistics.reestimated(net, X)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert [part.training for part in net.modules()] == [part.training for part in found.modules()] == modes
    assert [norm.momentum for norm in norms(found)] == [norm.momentum for norm in norms(net)]
    assert all(torch.equal(a, b) for a, b in zip(found.parameters(), net.parameters(), strict=True))


def test_dropout_stays_off():
    net = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(6)).eval()
    mean = norms(statistics.reestimated(net, X))[0].running_mean
    assert torch.allclose(mean, X.mean(0))  # pyright: ignore[reportArgumentType]


def test_a_network_without_normalisation_stays_the_same():
    net = nets.mlp(3, 8, in_features=6, unit=BARE, generator=generator("none")).eval()
    assert torch.equal(statistics.reestimated(net, X)(OTHERS), net(OTHERS))


def test_momentum_and_mode_come_back_where_the_network_raises():
    norm = nn.BatchNorm1d(7).eval()
    with pytest.raises(RuntimeError), statistics.estimating(norm):
        norm(X)
    assert (norm.training, norm.momentum) == (False, 0.1)


@pytest.mark.parametrize("n", [0, 1])
def test_statistics_of_one_example_are_refused(n):
    net = mlp()
    with pytest.raises(ValueError, match=rf"statistics of {n} example.*at least 2"):
        statistics.reestimated(net, X[:n])
    with pytest.raises(ValueError, match=rf"statistics of {n} example.*at least 2"):
        lesion_scores.score([net], X, Y, anew=OTHERS[:n])


BLOCK = mlp(1).blocks[0]


def lesions(net):
    return [
        net,
        *lesion.singles(net).values(),
        lesion.delete(net, [1, 3]),
        lesion.reorder(net, [4, 1, 2, 3, 0]),
        lesion.scale(net, {2: 0.5}),
        lesion.splice(net, 2, [BLOCK]),
    ]


def test_many_lesions_have_the_statistics_that_each_has_by_itself():
    net = mlp()
    several = lesions(net)
    found = lesion_scores.outputs(several, X, anew=OTHERS, at_once=7).values
    alone = torch.stack([statistics.reestimated(each, OTHERS)(X) for each in several])
    torch.testing.assert_close(found, alone)
    stale = lesion_scores.outputs(several, X).values
    assert (found - stale).abs().flatten(1).amax(1).gt(0.01).all()
    hits = lesion_scores.score(several, X, Y, anew=OTHERS).hits
    assert torch.equal(hits, (alone.argmax(2) == Y).sum(1))
    states = lesion_scores.outputs(several, X, anew=OTHERS, head=False).values
    assert torch.equal(net.head(states[0]), found[0]) or norms(net.head)


def test_a_block_at_two_places_has_two_statistics_or_none():
    net = mlp()
    twice = lesion.splice(net, 2, [net.blocks[1]])
    with pytest.raises(ValueError, match=r"called twice.*lesion_scores"):
        statistics.reestimated(twice, OTHERS)
    apart = lesion.splice(net, 2, [copy.deepcopy(net.blocks[1])])
    assert torch.equal(*lesion_scores.outputs([twice, apart], X, anew=OTHERS).values)


def test_estimating_leaves_the_network_as_it_was():
    net = mlp()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    first = lesion_scores.outputs([net], X).values
    lesion_scores.score(lesions(net), X, Y, anew=OTHERS)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert torch.equal(lesion_scores.outputs([net], X).values, first)
    assert [(norm.training, norm.momentum) for norm in norms(net)] == [(False, 0.1)] * len(norms(net))


def test_without_normalisation_estimation_changes_nothing():
    net = nets.mlp(4, 8, in_features=6, unit=BARE, generator=generator("none")).eval()
    several = list(lesion.singles(net).values())
    torch.testing.assert_close(
        lesion_scores.outputs(several, X, anew=OTHERS).values, lesion_scores.outputs(several, X).values
    )
