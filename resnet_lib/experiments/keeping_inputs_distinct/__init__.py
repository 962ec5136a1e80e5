"""Chapter "Keeping distinct inputs distinct": what the shortcut keeps apart, what it cannot, and its copies."""

from resnet_lib.experiments.keeping_inputs_distinct.alphabets import ALPHABETS
from resnet_lib.experiments.keeping_inputs_distinct.blocks import DISTANCES, INVERSES, ORIGINALS
from resnet_lib.experiments.keeping_inputs_distinct.collapse import COLLAPSE
from resnet_lib.experiments.keeping_inputs_distinct.known import DRAWS
from resnet_lib.experiments.keeping_inputs_distinct.searched import CHOICES as SEARCHED_CHOICES
from resnet_lib.experiments.keeping_inputs_distinct.searched import SEARCHED
from resnet_lib.experiments.keeping_inputs_distinct.singular import SINGULAR
from resnet_lib.experiments.keeping_inputs_distinct.trained import CHOICES, DIVIDED, LONGER, TRAINED

EXPERIMENTS = (
    *(SINGULAR, DISTANCES, INVERSES, ORIGINALS, COLLAPSE, ALPHABETS, TRAINED),
    *(CHOICES.experiment, LONGER.experiment, DIVIDED.experiment, DRAWS),
    *(SEARCHED, SEARCHED_CHOICES.experiment),
)
