"""This room is the command `resnet-lib`: what people type, and the errors that they read."""

from resnet_lib.cli.command import main

__all__ = ["main"]
