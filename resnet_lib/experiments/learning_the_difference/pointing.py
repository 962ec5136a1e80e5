"""Whether a block's branch points where the margin grows, and how far that of another image does."""

from torch import Tensor

from resnet_lib.analysis.corrections import Correction


def mean_cosines(found: Correction, first: Tensor, second: Tensor) -> dict[str, float]:
    """Mean cosines over images of what a block adds and the margin's gradient.

    Args:
        found: What a block adds, image by image.
        first: For each image another one, whose branch takes the place of its own.
        second: For each image a third one.

    Returns:
        `own` at the state that the block reads, `behind` at the one that it returns; `other` and `another` with the
        branch of `first` and of `second`, and `other_behind` with that of `first`, behind.
    """
    cosines = {
        "own": found.cosines(),
        "other": found.cosines(first),
        "another": found.cosines(second),
        "behind": found.cosines(behind=True),
        "other_behind": found.cosines(first, behind=True),
    }
    return {name: float(each.double().mean()) for name, each in cosines.items()}
