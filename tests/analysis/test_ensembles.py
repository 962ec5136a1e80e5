"""Marks of ensembles against cases that can be counted, scikit-learn's and numpy's own."""

import numpy as np
import pytest
import torch

from resnet_lib import runtime
from resnet_lib.analysis import ensembles


def generator(*path):
    return runtime.stream(0, "test-ensembles", *path)


def random_members(members=4, n=200, classes=3):
    logits = torch.randn(members, n, classes, generator=generator("members"), dtype=torch.float64)
    return logits.softmax(-1), torch.randint(classes, (n,), generator=generator("y"))


def labelled(labels, classes=3):
    """Members that are sure of these labels."""
    return torch.nn.functional.one_hot(torch.tensor(labels), classes).double()


def test_identical_copies_gain_nothing_and_agree():
    p, y = random_members(1)
    found = ensembles.signatures(p.expand(5, -1, -1), y)
    assert found.gain == 0
    assert found.error_correlation == pytest.approx(1)
    assert found.disagreement == 0
    assert found.ece == pytest.approx(found.member_ece)
    assert found.members == 5


def test_independent_members_outvote_their_errors():
    # Three members, each wrong on a third of its own: the average is right everywhere.
    y = torch.zeros(9, dtype=torch.long)
    wrong = np.zeros((3, 9), dtype=int)
    for i in range(3):
        wrong[i, 3 * i : 3 * i + 3] = 1
    found = ensembles.signatures(labelled(wrong), y)
    assert (found.member_accuracy, found.accuracy) == (pytest.approx(2 / 3), 1)
    assert found.gain == pytest.approx(1 / 3)
    assert found.error_correlation == pytest.approx(-0.5)
    assert found.disagreement == pytest.approx(2 / 3)


def test_error_correlation_is_numpy_s():
    p, y = random_members()
    errors = (p.argmax(-1) != y).numpy()
    matrix = np.corrcoef(errors)
    assert ensembles.error_correlation(p, y) == pytest.approx(matrix[np.triu_indices(4, 1)].mean())


def test_members_without_errors_are_correlated_only_with_their_like():
    y = torch.tensor([0, 1, 2, 0])
    right, one_wrong = [0, 1, 2, 0], [0, 1, 2, 1]
    assert ensembles.error_correlation(labelled([right, right]), y) == 1
    assert ensembles.error_correlation(labelled([right, one_wrong]), y) == 0


def test_calibration_error_by_hand():
    # Confidence 0.9 on four examples of which three are right, 0.6 on one that is right.
    p = torch.tensor([[0.9, 0.1]] * 4 + [[0.4, 0.6]], dtype=torch.float64)
    y = torch.tensor([0, 0, 0, 1, 1])
    assert ensembles.calibration_error(p, y) == pytest.approx((4 * 0.15 + 0.4) / 5)
    assert ensembles.calibration_error(p, y, bins=1) == pytest.approx(abs((4 * 0.9 + 0.6) / 5 - 0.8))
    perfect = torch.tensor([[1.0, 0.0]] * 3)
    assert ensembles.calibration_error(perfect, torch.zeros(3).long()) == 0


def test_a_calibrated_sampler_has_a_small_calibration_error():
    p = torch.rand(60_000, 2, generator=generator("calibrated"), dtype=torch.float64).softmax(-1)
    y = torch.multinomial(p, 1, generator=generator("draws"))[:, 0]
    assert ensembles.calibration_error(p, y) < 0.02
    assert ensembles.calibration_error((p * 5).softmax(-1), y) > 0.05


def test_averages_of_one_are_members_and_of_all_the_average():
    p, y = random_members()
    one, everything = ensembles.averages(p, y, (1, 4), draws=400, generator=generator("averages"))
    found = ensembles.signatures(p, y)
    assert one == pytest.approx(found.member_accuracy, abs=0.01)
    assert everything == pytest.approx(found.accuracy)


def test_bad_members_are_refused():
    p, y = random_members()
    with pytest.raises(ValueError, match=r"shape \(1, 200, 3\); expected \(members, examples, classes\)"):
        ensembles.signatures(p[:1], y)
    with pytest.raises(ValueError, match=r"and 199 examples, as many as labels"):
        ensembles.signatures(p, y[1:])
    with pytest.raises(ValueError, match=r"no distribution; use logits.softmax"):
        ensembles.signatures(p * 2, y)
    with pytest.raises(ValueError, match=r"sizes holds 5; with 4 members it is 1 to 4"):
        ensembles.averages(p, y, (5,), draws=1, generator=generator("bad"))


MARKS = [
    ensembles.signatures,
    ensembles.error_correlation,
    lambda p, y: ensembles.disagreement(p),
    lambda p, y: ensembles.accuracy(p[1], y),
    lambda p, y: ensembles.calibration_error(p[1], y),
    lambda p, y: ensembles.averages(p, y, (2,), draws=1, generator=generator("nan")),
]


@pytest.mark.parametrize("mark", MARKS)
def test_a_member_that_diverged_labels_nothing(mark):
    """The position of the largest of numbers that are none is 0, which would be taken for a label."""
    p, _ = random_members()
    p[:, 3] = torch.nan
    with pytest.raises(ValueError, match=r"probabilities holds NaN in \d+ rows; leave out networks that diverged"):
        mark(p, torch.zeros(200, dtype=torch.long))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("mark", MARKS)
def test_probabilities_of_few_digits_are_refused(mark, dtype):
    p, y = random_members(classes=10)
    with pytest.raises(ValueError, match=rf"probabilities has dtype {dtype}, too few digits .*; use logits.float"):
        mark(p.to(dtype), y)
