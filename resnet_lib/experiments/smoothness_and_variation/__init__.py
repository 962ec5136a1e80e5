"""Chapter "Smoothness and total variation": what the identity does to the ups and downs of blocks and networks."""

from resnet_lib.experiments.smoothness_and_variation.branches import BRANCHES, SHIFTED
from resnet_lib.experiments.smoothness_and_variation.branches import CHOICES as BRANCH_CHOICES
from resnet_lib.experiments.smoothness_and_variation.depth import CHOICES as DEPTH_CHOICES
from resnet_lib.experiments.smoothness_and_variation.depth import DEPTH, MORE
from resnet_lib.experiments.smoothness_and_variation.functions import BAND, PAIRS, ROUGHNESS, TENTS
from resnet_lib.experiments.smoothness_and_variation.networks import CHOICES as NETWORK_CHOICES
from resnet_lib.experiments.smoothness_and_variation.networks import NETWORKS
from resnet_lib.experiments.smoothness_and_variation.penalised import CHOICES as PENALISED_CHOICES
from resnet_lib.experiments.smoothness_and_variation.penalised import PENALISED
from resnet_lib.experiments.smoothness_and_variation.rates import DEEP_TUNING, TUNING

EXPERIMENTS = (
    BAND,
    PAIRS,
    ROUGHNESS,
    TENTS,
    NETWORKS,
    DEPTH,
    PENALISED,
    BRANCHES,
    TUNING,
    DEEP_TUNING,
    NETWORK_CHOICES.experiment,
    DEPTH_CHOICES.experiment,
    PENALISED_CHOICES.experiment,
    BRANCH_CHOICES.experiment,
    MORE.experiment,
    SHIFTED.experiment,
)
