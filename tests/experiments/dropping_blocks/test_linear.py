"""The identities of linear branches, and how ReLU breaks them."""

from resnet_lib import runtime
from resnet_lib.experiments.dropping_blocks import linear


def test_linear_identities_hold_for_linear_branches_only():
    with runtime.numerics():
        found = [linear.trial(linear.Linear(branch, blocks=4), (0, 1)) for branch in ("linear", "relu")]
    assert (found[0][["deletion", "rule"]] < 1e-12).all(axis=None)
    assert (found[1][["deletion", "rule"]] > 1e-4).all(axis=None)
