"""This module keeps tensors on disk, in safetensors files that are whole or not there, and whose damage shows."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from resnet_lib.files import Damaged, write_atomically


def write(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write tensors, and what is to be said about them, so that at any moment the old file or the new one is whole.

    Raises:
        OSError: Where the folder cannot be written.
    """
    # A file keeps each tensor by itself and in the order of its indices, whatever its memory looks like.
    plain = {name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in tensors.items()}
    metadata = {"about": json.dumps(about, sort_keys=True), "sha256": _digest(plain, about)}
    write_atomically(path, save(plain, metadata))


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The tensors of a file and what is said about them, or None where there is none.

    Raises:
        Damaged: Where the file is not as it was written.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dictionary
        about = json.loads(metadata["about"])
    except FileNotFoundError:
        return None
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise Damaged(f"{path}: {type(error).__name__}: {error}") from error
    if _digest(tensors, about) != metadata.get("sha256"):
        raise Damaged(f"{path}: its values are not those that were written")
    return tensors, about


def _digest(tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> str:
    found = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in sorted(tensors):
        value = tensors[name]
        found.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        found.update(value.reshape(-1).view(torch.uint8).numpy().tobytes() if value.numel() else b"")
    return found.hexdigest()
