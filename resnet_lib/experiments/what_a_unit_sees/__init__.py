"""Chapter "What a unit sees": the map of a unit's gradient over the pixels, in random, averaging and published nets."""

from resnet_lib.experiments.what_a_unit_sees.averages import AVERAGES
from resnet_lib.experiments.what_a_unit_sees.border import BORDER
from resnet_lib.experiments.what_a_unit_sees.probes import PROBES
from resnet_lib.experiments.what_a_unit_sees.published import PUBLISHED
from resnet_lib.experiments.what_a_unit_sees.untrained import MAPS, UNTRAINED

EXPERIMENTS = (AVERAGES, UNTRAINED, MAPS, PUBLISHED, PROBES, BORDER)
