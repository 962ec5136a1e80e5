"""This package bounds Lipschitz constants in the Euclidean norm: above by proof, below by search, and by constraint.

An `UpperBound` or a `Semidefinite` is not exceeded by any pair of inputs; a `LowerBound` is reached by one. The truth
lies between, and nothing here mixes the two.
"""

from resnet_lib.analysis.lipschitz.ascent import Gains, LowerBound, gains, search, stretch
from resnet_lib.analysis.lipschitz.composition import UpperBound, product_bound
from resnet_lib.analysis.lipschitz.constraints import Projected, SpectrallyNormalised, constrain, release
from resnet_lib.analysis.lipschitz.lipsdp import Normal, Semidefinite, semidefinite
from resnet_lib.analysis.lipschitz.normal import normal_form

__all__ = [
    "Gains",
    "LowerBound",
    "Normal",
    "Projected",
    "Semidefinite",
    "SpectrallyNormalised",
    "UpperBound",
    "constrain",
    "gains",
    "normal_form",
    "product_bound",
    "release",
    "search",
    "semidefinite",
    "stretch",
]
