"""Chapter "Basic and bottleneck: what depth costs": exact counts of blocks and networks, and stored seconds."""

from resnet_lib.experiments.basic_and_bottleneck.growth import GROWTH
from resnet_lib.experiments.basic_and_bottleneck.networks import NETWORKS
from resnet_lib.experiments.basic_and_bottleneck.single import BLOCKS
from resnet_lib.experiments.basic_and_bottleneck.times import TIMES

EXPERIMENTS = (BLOCKS, NETWORKS, GROWTH, TIMES)
