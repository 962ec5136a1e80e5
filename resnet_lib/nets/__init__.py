"""This room makes networks: of the one abstraction `y = merge(shortcut(x), branch(x))`, its recipes, and their stacks.

It also says how weights are drawn and how shortcuts change the width. It knows no data, no training and no file.
"""

from resnet_lib.nets.blocks import Block
from resnet_lib.nets.networks import Stack, cifar_resnet, conv_net, digits_resnet, imagenet_resnet, mlp
from resnet_lib.nets.units import Unit

__all__ = ["Block", "Stack", "Unit", "cifar_resnet", "conv_net", "digits_resnet", "imagenet_resnet", "mlp"]
