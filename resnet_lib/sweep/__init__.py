"""This room runs experiments, which are data: in parallel, kept trial by trial, resumable, stamped and stored.

It decides what a result is named by, when it is older than the code, and how its columns agree between machines.
It knows no network, no claim and no figure.
"""

from resnet_lib.sweep.agreement import EXACT, ROUNDED, SAMPLED, Columns
from resnet_lib.sweep.experiment import Experiment, Grid
from resnet_lib.sweep.provenance import Result, Stamp
from resnet_lib.sweep.results import store
from resnet_lib.sweep.runner import SweepError, Terminated, Unfinished, older, run, stored
from resnet_lib.sweep.trial import Failure

__all__ = [
    "EXACT",
    "ROUNDED",
    "SAMPLED",
    "Columns",
    "Experiment",
    "Failure",
    "Grid",
    "Result",
    "Stamp",
    "SweepError",
    "Terminated",
    "Unfinished",
    "older",
    "run",
    "store",
    "stored",
]
