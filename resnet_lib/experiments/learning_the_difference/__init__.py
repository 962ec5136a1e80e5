"""Chapter "Learning the difference": when a correction is easier to learn than the map, and what blocks then learn."""

from resnet_lib.experiments.learning_the_difference.classes import CLASSES
from resnet_lib.experiments.learning_the_difference.digits import CHOICES, DIGITS, LABELS, LABELS_CHOICES
from resnet_lib.experiments.learning_the_difference.digits import TUNING as LABELS_TUNING
from resnet_lib.experiments.learning_the_difference.linear import LINEAR, TWINS
from resnet_lib.experiments.learning_the_difference.published import PUBLISHED
from resnet_lib.experiments.learning_the_difference.rates import TUNING
from resnet_lib.experiments.learning_the_difference.turning import CHOICES as TURNING_CHOICES
from resnet_lib.experiments.learning_the_difference.turning import TARGETS, TARGETS_CHOICES, TURNING

EXPERIMENTS = (
    *(LINEAR, TWINS, CLASSES, TURNING, TARGETS, DIGITS, LABELS, PUBLISHED, TUNING, LABELS_TUNING),
    *(TURNING_CHOICES.experiment, TARGETS_CHOICES.experiment, CHOICES.experiment, LABELS_CHOICES.experiment),
)
