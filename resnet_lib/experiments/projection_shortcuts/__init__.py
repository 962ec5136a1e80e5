"""Chapter "Projection shortcuts": what a shortcut can keep where the shape changes, and what a network asks of it."""

from resnet_lib.experiments.projection_shortcuts.determinants import DETERMINANTS, ELLIPSE, LABELS, PIXELS
from resnet_lib.experiments.projection_shortcuts.matrices import DEFECTS, NORMS
from resnet_lib.experiments.projection_shortcuts.networks import CIFAR, DIGITS
from resnet_lib.experiments.projection_shortcuts.rates import CHOICES, DIVIDED, TUNING

EXPERIMENTS = (
    NORMS,
    DEFECTS,
    DETERMINANTS,
    LABELS,
    PIXELS,
    ELLIPSE,
    DIGITS,
    CIFAR,
    TUNING,
    CHOICES.experiment,
    DIVIDED.experiment,
)
