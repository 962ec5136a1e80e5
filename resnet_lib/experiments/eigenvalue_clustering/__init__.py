"""Chapter "Eigenvalue clustering": is the spectrum of a residual block near 1, and what follows for deep products?"""

from resnet_lib.experiments.eigenvalue_clustering.matrices import DISC, SHIFT
from resnet_lib.experiments.eigenvalue_clustering.networks import (
    CONV_CHOICES,
    MLP_CHOICES,
    RESNET20,
    SPECTRA,
    TRAINED_CONV,
    TRAINED_MLP,
    TUNING,
)
from resnet_lib.experiments.eigenvalue_clustering.products import FORMULA, GAINS, PRODUCTS

EXPERIMENTS = (
    SHIFT,
    DISC,
    PRODUCTS,
    FORMULA,
    GAINS,
    RESNET20,
    SPECTRA,
    TRAINED_MLP,
    TRAINED_CONV,
    TUNING,
    MLP_CHOICES.experiment,
    CONV_CHOICES.experiment,
)
