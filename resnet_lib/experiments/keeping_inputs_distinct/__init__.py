"""Chapter "Keeping distinct inputs distinct": what the shortcut keeps apart, what it cannot, and its copies."""

from resnet_lib.experiments.keeping_inputs_distinct.alphabets import ALPHABETS
from resnet_lib.experiments.keeping_inputs_distinct.blocks import DISTANCES, INVERSES, ORIGINALS
from resnet_lib.experiments.keeping_inputs_distinct.collapse import COLLAPSE
from resnet_lib.experiments.keeping_inputs_distinct.known import DRAWS
from resnet_lib.experiments.keeping_inputs_distinct.singular import SINGULAR
from resnet_lib.experiments.keeping_inputs_distinct.trained import CHOICES, DIVIDED, TRAINED

EXPERIMENTS = (
    *(SINGULAR, DISTANCES, INVERSES, ORIGINALS, COLLAPSE, ALPHABETS, TRAINED),
    *(CHOICES.experiment, DIVIDED.experiment, DRAWS),
)
