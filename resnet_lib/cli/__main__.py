"""`python -m resnet_lib.cli`, which is `resnet-lib` where that is not on the path."""

from resnet_lib.cli import main

main(prog_name="resnet-lib")
