"""Chapter "One number, twenty layers": what a chain of scalar layers multiplies a gradient by, and what that costs."""

from resnet_lib.experiments.one_number_twenty_layers.chains import CHAINS, PATHS
from resnet_lib.experiments.one_number_twenty_layers.defaults import DEFAULTS
from resnet_lib.experiments.one_number_twenty_layers.layers import CHOICES, LAYERS
from resnet_lib.experiments.one_number_twenty_layers.steps import STEPS

EXPERIMENTS = (CHAINS, PATHS, STEPS, DEFAULTS, LAYERS, CHOICES.experiment)
