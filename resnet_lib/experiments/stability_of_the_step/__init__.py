"""Chapter "Stability of the step": how large a step may be, whether layers should contract, and what a method adds."""

from resnet_lib.experiments.stability_of_the_step.linear import LAYERS, OSCILLATOR, THRESHOLDS
from resnet_lib.experiments.stability_of_the_step.methods import COMPARISON, EXPLORER
from resnet_lib.experiments.stability_of_the_step.networks import CHOICES, CONTRACTING, FASHION, TUNING

EXPERIMENTS = (THRESHOLDS, OSCILLATOR, LAYERS, COMPARISON, EXPLORER, CONTRACTING, FASHION, TUNING, CHOICES.experiment)
