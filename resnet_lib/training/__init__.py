"""Training: recipes, one seed or many at once, and the zoo of networks that are trained once and kept.

Takes any network and any dataset, and knows no experiment.
"""

from resnet_lib.training.fits import Fit
from resnet_lib.training.loop import Run, fit
from resnet_lib.training.recipes import Recipe
from resnet_lib.training.stacked import COMPILED, ONE_BY_ONE, STACKED, Policy, Stacked

__all__ = ["COMPILED", "ONE_BY_ONE", "STACKED", "Fit", "Policy", "Recipe", "Run", "Stacked", "fit"]
