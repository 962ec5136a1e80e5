"""This room solves initial value problems: it holds one-step methods, their stability, the loop, and observed orders.

It knows vector fields as plain callables, and no network: what a network has to do with them is in `analysis.flow`.
"""

from resnet_lib.ode.solver import BlowUp, NoRoot, Solution, TooManySteps, solve
from resnet_lib.ode.steppers import Field, Jacobian, SplitField

__all__ = ["BlowUp", "Field", "Jacobian", "NoRoot", "Solution", "SplitField", "TooManySteps", "solve"]
