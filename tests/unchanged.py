"""What a call may have changed, as it was before: arguments of any kind, and what is global."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from resnet_lib import data, training
from resnet_lib.analysis import paths


def generators() -> tuple:
    """The global generators, and what else is global: gradients, types, threads, how NumPy takes errors."""
    legacy: Any = np.random.get_state()  # noqa: NPY002
    drawn = bytes(torch.get_rng_state().numpy()), bytes(legacy[1]), legacy[2]
    modes = torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.get_default_dtype()
    return drawn, modes, torch.get_num_threads(), np.geterr(), torch.are_deterministic_algorithms_enabled()


def snapshot(value: Any) -> Any:
    """A copy of what can be compared: values, gradients, modes, hooks, types."""
    if isinstance(value, nn.Module):
        return [
            (name, type(part).__name__, part.training, len(part._forward_hooks), len(part._forward_pre_hooks))
            for name, part in value.named_modules()
        ], {name: snapshot(t) for name, t in (*value.named_parameters(), *value.named_buffers())}
    if isinstance(value, Tensor):
        gradient = value.grad.clone() if value.is_leaf and value.grad is not None else None
        values = value.detach().clone() if value.device.type != "meta" else tuple(value.shape)
        return "tensor", values, value.requires_grad, gradient
    if isinstance(value, pd.DataFrame):
        return value.copy(deep=True)
    if isinstance(value, np.ndarray):
        return "array", torch.from_numpy(value.copy())
    if isinstance(value, data.Dataset | data.Split | paths.Linearised | training.Fit):
        return {name: snapshot(part) for name, part in vars(value).items()}
    if isinstance(value, dict):
        return {name: snapshot(part) for name, part in value.items()}
    if isinstance(value, list | tuple | nn.ModuleList):
        return [snapshot(part) for part in value]
    return value if isinstance(value, str | int | float | bool | type(None)) else "not compared"


def same(one: Any, other: Any) -> None:
    """Fail where two snapshots differ; NaN equals NaN."""
    if isinstance(one, Tensor):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert ((one == other) | (one.isnan() & other.isnan())).all()
    elif isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for name, part in one.items():
            same(part, other[name])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            same(a, b)
    else:
        assert one == other
