"""This room computes spectra of matrices in batches, and of linear maps too large to form; it knows no network.

Dense routines take batches and give all values. A large map is an `Operator`, a callable that multiplies; its extreme
eigenvalues and singular values come from Krylov iterations, with residuals that say how good they are. Convolutions
are maps whose structure gives more: all their singular values through the Fourier transform. What eigenvalues do not
say of a matrix that is far from normal is computed here too.
"""

from resnet_lib.linalg.convolutions import Convolution
from resnet_lib.linalg.frequencies import ConvNorm, conv_bound, conv_norm, conv_singular_values
from resnet_lib.linalg.krylov import WHICH, Extremes, Operator, Which, extreme_eigenvalues, extreme_singular_values
from resnet_lib.linalg.matrices import eigenvalues, singular_values, spectral_norms, spectral_radius
from resnet_lib.linalg.nonnormal import (
    Estimate,
    Growth,
    Support,
    departure,
    estimate_departure,
    lyapunov,
    numerical_range,
    pseudospectrum,
    range_support,
)
from resnet_lib.linalg.tangents import Tangent, tangent

__all__ = [
    "WHICH",
    "ConvNorm",
    "Convolution",
    "Estimate",
    "Extremes",
    "Growth",
    "Operator",
    "Support",
    "Tangent",
    "Which",
    "conv_bound",
    "conv_norm",
    "conv_singular_values",
    "departure",
    "eigenvalues",
    "estimate_departure",
    "extreme_eigenvalues",
    "extreme_singular_values",
    "lyapunov",
    "numerical_range",
    "pseudospectrum",
    "range_support",
    "singular_values",
    "spectral_norms",
    "spectral_radius",
    "tangent",
]
