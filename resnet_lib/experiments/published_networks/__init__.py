"""Chapter "Networks that nobody here trained": statements of the book on ResNets that others have trained."""

from resnet_lib.experiments.published_networks.errors import ERRORS
from resnet_lib.experiments.published_networks.lesions import LESIONS
from resnet_lib.experiments.published_networks.small import SMALL
from resnet_lib.experiments.published_networks.small import TUNING as SMALL_TUNING
from resnet_lib.experiments.published_networks.spectra import SPECTRA
from resnet_lib.experiments.published_networks.steps import FLOW, STEPS

EXPERIMENTS = (ERRORS, LESIONS, STEPS, FLOW, SPECTRA, SMALL, SMALL_TUNING)
