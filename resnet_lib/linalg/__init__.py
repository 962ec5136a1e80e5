"""Spectra of matrices in batches, and of linear maps that are too large to form. Knows nothing of networks.

Dense routines take batches and give all values. A large map is an `Operator`, a callable that multiplies; its extreme
eigenvalues and singular values come from Krylov iterations, with residuals that say how good they are. Convolutions
are maps whose structure gives more: all their singular values through the Fourier transform.
"""

from resnet_lib.linalg.krylov import (
    WHICH,
    Extremes,
    Operator,
    Which,
    extreme_eigenvalues,
    extreme_singular_values,
)
from resnet_lib.linalg.matrices import eigenvalues, singular_values, spectral_norms, spectral_radius

__all__ = [
    "WHICH",
    "Extremes",
    "Operator",
    "Which",
    "eigenvalues",
    "extreme_eigenvalues",
    "extreme_singular_values",
    "singular_values",
    "spectral_norms",
    "spectral_radius",
]
