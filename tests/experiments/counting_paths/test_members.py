"""The marks of an ensemble on a known table, and the networks without blocks against their lesions."""

from dataclasses import replace

import numpy as np
import pytest

from resnet_lib import data
from resnet_lib.analysis import lesion, lesion_scores
from resnet_lib.experiments.counting_paths import members
from tests.experiments.verdicts import status


def test_marks_of_an_ensemble(marks):
    np.testing.assert_allclose(members.ens_smooth(marks).values, 10)
    np.testing.assert_allclose(members.ens_smooth(marks).control, 65)
    np.testing.assert_allclose(members.ens_errors(marks).values, 0.4)
    np.testing.assert_allclose(members.ens_together(marks).values, 14 - 0.5)
    np.testing.assert_allclose(members.ens_together(marks).control, 0, atol=1e-12)
    np.testing.assert_allclose(members.ens_average(marks).values, -2)
    np.testing.assert_allclose(members.ens_average(marks).control, -0.3)
    np.testing.assert_allclose(members.ens_calibrated(marks).values, 0.01)
    np.testing.assert_allclose(members.ens_calibrated(marks).control, 0)


def test_a_genuine_ensemble_passes_and_a_damaged_network_does_not(marks):
    """Networks trained apart, taken as members of their average; and halves that are 2 points behind."""
    evidence = members.ens_average(marks)
    assert status("ens-claim.average", evidence) == "fails"
    genuine = replace(evidence, values=members.behind(marks, "apart", size=3))
    assert status("ens-claim.average", genuine) == "holds"


def test_removing_uses_every_set():
    table = members.Members("residual", 0.3)
    net = members.fit(members.Members("residual", 0.3, blocks=4), (0,)).net(0)
    test = data.load("digits", flat=True).test
    found = members.removed(net, test)  # pyright: ignore[reportArgumentType]
    singles = lesion_scores.score(list(lesion.singles(net).values()), test.x, test.y)  # pyright: ignore[reportArgumentType]
    assert len(found) == 3
    assert found[1] == pytest.approx(singles.accuracy.mean().item())
    assert table.apart == 1
