"""This room holds datasets as tensors with checksums, made here or fetched from where they are published.

What is handed on here is imported when it is first used: to list or to fetch datasets takes no torch.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resnet_lib.data.datasets import Dataset, Split, load

__all__ = ["Dataset", "Split", "load"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from resnet_lib.data import datasets

    return getattr(datasets, name)
