"""This room trains networks by recipes, one seed or many at once, and keeps a zoo of those that are trained once.

It takes any network and any dataset, and knows no experiment.
"""

from resnet_lib.training.fits import Fit
from resnet_lib.training.loop import Run, fit
from resnet_lib.training.recipes import Recipe
from resnet_lib.training.stacked import COMPILED, ONE_BY_ONE, STACKED, Policy, Stacked

__all__ = ["COMPILED", "ONE_BY_ONE", "STACKED", "Fit", "Policy", "Recipe", "Run", "Stacked", "fit"]
