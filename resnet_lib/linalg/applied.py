"""A layer says by its class which weight it applies, or it is refused."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.utils import parametrize


def own_class(layer: nn.Module) -> type[nn.Module]:
    """The class whose `forward` a layer runs: its own, or the one that it had before its weights were parametrised.

    Raises:
        ValueError: Where the layer may compute something else: its `forward` was replaced, or it has hooks, as pruning
            and the older normalisations of weights have.
    """
    kind = parametrize.type_before_parametrizations(layer)
    if "forward" in vars(layer):
        raise ValueError(f"this {kind.__name__} has a forward of its own, so that its class says nothing of its map")
    if layer._forward_hooks or layer._forward_pre_hooks:
        raise ValueError(
            f"this {kind.__name__} has forward hooks, which may change its map or its weight; remove them "
            "(handle.remove(), or prune.remove, remove_weight_norm, remove_spectral_norm)"
        )
    return kind


def applied(layer: nn.Module) -> Tensor:
    """The weight that a linear layer or convolution applies.

    That of `nn.Linear` and `nn.Conv2d` is `weight`. Any other class says it by a method `effective()` that it defines
    itself; one that inherits the word may have another `forward`.

    Raises:
        ValueError: Where its class does not say, or `own_class` refuses it.

    Example:
        >>> layer = nn.Linear(2, 3)
        >>> applied(layer) is layer.weight
        True
    """
    kind = own_class(layer)
    if kind in (nn.Linear, nn.Conv2d):
        return layer.weight  # pyright: ignore[reportReturnType]
    if "effective" not in vars(kind):
        raise ValueError(
            f"{kind.__name__} does not say which weight it applies, which may be another than `weight`; give its class "
            "a method effective() that returns it, or use nn.Linear or nn.Conv2d"
        )
    return layer.effective()  # pyright: ignore[reportCallIssue]
