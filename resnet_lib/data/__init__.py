"""This room holds datasets as tensors with checksums, made here or fetched from where they are published, and networks
that others have trained and published.

What is handed on here is imported when it is first used: to list or to fetch datasets takes no torch.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resnet_lib.data.datasets import load
    from resnet_lib.data.parts import Dataset, Split
    from resnet_lib.data.pretrained import images, published
    from resnet_lib.data.sources import divided_anew

__all__ = ["Dataset", "Split", "divided_anew", "images", "load", "published"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from resnet_lib.data import datasets, parts, pretrained, sources

    home = {"load": datasets, "images": pretrained, "published": pretrained, "divided_anew": sources}
    return getattr(home.get(name, parts), name)
