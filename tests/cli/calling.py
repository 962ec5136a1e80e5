"""The command as people call it."""

from click.testing import CliRunner, Result

from resnet_lib.cli import command


def call(*arguments: str) -> Result:
    return CliRunner().invoke(command.main, arguments)
