"""Random fields have the spectra that they are named after."""

import torch

from resnet_lib.experiments.stability_of_the_step import fields


def test_random_fields_have_the_spectra_they_are_named_after():
    damped = torch.linalg.eigvals(fields.fields(fields.Threshold("euler", "damped"), (0, 1)))
    assert (damped.real <= -0.2 + 1e-9).all()
    turning = torch.linalg.eigvals(fields.fields(fields.Threshold("euler", "turning"), (0, 1)))
    assert turning.real.abs().max() < 1e-12
    swinging = torch.linalg.eigvals(fields.fields(fields.Threshold("euler", "oscillating"), (0, 1)))
    ratio = swinging.imag.abs() / -swinging.real
    assert ((ratio > 0.49) & (ratio < 3.01)).all()
