"""Chapter "When eigenvalues mislead": what norms and eigenvalues of single blocks say about the product of many."""

from resnet_lib.experiments.when_eigenvalues_mislead.networks import (
    CONV_CHOICES,
    MLP_CHOICES,
    PORTRAIT,
    TRAINED_CONV,
    TRAINED_MLP,
)
from resnet_lib.experiments.when_eigenvalues_mislead.stacks import STACKS, TURNING
from resnet_lib.experiments.when_eigenvalues_mislead.turned import TURNED, TURNED_CHOICES

EXPERIMENTS = (
    *(STACKS, TURNING, TRAINED_MLP, TRAINED_CONV, PORTRAIT, MLP_CHOICES.experiment, CONV_CHOICES.experiment),
    *(TURNED, TURNED_CHOICES.experiment),
)
