"""This module measures what a linear map keeps of its input, for reconstruction and for a linear classifier.

Everything is a closed form on a table of examples, so it needs no training, no learning rate and no seed.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

RIDGE = 1e-3
"""Default of `probe`'s penalty, relative to the features' mean variance."""


def covariance(x: Float[Tensor, "n ..."]) -> Float[Tensor, "d d"]:
    """The covariance of the flattened examples, in float64, divided by `n`.

    Raises:
        ValueError: Where there are fewer than two examples.

    Example:
        >>> covariance(torch.tensor([[1.0, 5.0], [3.0, 5.0]])).tolist()
        [[1.0, 0.0], [0.0, 0.0]]
    """
    if len(x) < 2:
        raise ValueError(f"x has {len(x)} examples; a covariance needs at least two")
    centred = x.flatten(1).double()
    centred = centred - centred.mean(0)
    return centred.mT @ centred / len(x)


def principal(covariance: Float[Tensor, "d d"], k: int) -> Float[Tensor, "k d"]:
    """The `k` principal directions as rows, the one of highest variance first; the entry largest in size is positive.

    Raises:
        ValueError: Where `k` is not between 1 and d.

    Example:
        >>> torch.equal(principal(torch.diag(torch.tensor([1.0, 3.0])), 1), torch.tensor([[0.0, 1.0]]))
        True
    """
    d = covariance.shape[-1]
    if not 1 <= k <= d:
        raise ValueError(f"k={k} must lie between 1 and {d}, the number of coordinates")
    rows = torch.linalg.eigh(covariance).eigenvectors.mT.flip(0)[:k]
    return rows * rows.gather(1, rows.abs().argmax(1, keepdim=True)).sign()


def reconstruction(weight: Float[Tensor, "k d"], covariance: Float[Tensor, "d d"]) -> float:
    r"""Share of the variance of $x$ that the best linear map recovers from $Wx$: 1 where nothing is lost.

    $\operatorname{tr}\bigl(\Sigma W^\top(W\Sigma W^\top)^+W\Sigma\bigr)/\operatorname{tr}\Sigma$; it depends on the
    rows' span alone.

    Raises:
        ValueError: Where the shapes do not fit, or there is no variance.

    Example:
        >>> reconstruction(torch.eye(1, 2), torch.diag(torch.tensor([3.0, 1.0])))
        0.75
    """
    if weight.shape[-1] != covariance.shape[-1]:
        raise ValueError(
            f"weight has shape {tuple(weight.shape)} and covariance {tuple(covariance.shape)}; "
            "expected (k, d) and (d, d)"
        )
    total = covariance.trace()
    if not total > 0:
        raise ValueError("covariance has no variance to recover; check the examples")
    image = weight.to(covariance.dtype) @ covariance
    inverse = torch.linalg.pinv(image @ weight.to(covariance.dtype).mT, hermitian=True, rtol=1e-10)
    return float((inverse * (image @ image.mT)).sum() / total)


def probe(
    train: tuple[Float[Tensor, "n ..."], Int[Tensor, " n"]],
    test: tuple[Float[Tensor, "m ..."], Int[Tensor, " m"]],
    *,
    ridge: float = RIDGE,
) -> float:
    """Accuracy on `test` of the linear classifier that ridge regression on one-hot labels fits to `train`.

    Args:
        train: Features and labels; features are flattened and centred by their mean here.
        test: The same of other examples.
        ridge: Penalty relative to the features' mean variance.

    Raises:
        ValueError: Where `ridge` is not positive, or the features of either are not finite.

    Example:
        >>> x, y = torch.tensor([[0.0], [0.1], [1.0], [1.1]]), torch.tensor([0, 0, 1, 1])
        >>> probe((x, y), (x, y))
        1.0
    """
    if not 0 < ridge < float("inf"):
        raise ValueError(f"ridge={ridge} must be positive and finite; the default is {RIDGE}")
    x, y = train[0].flatten(1).double(), train[1]
    for name, (features, _) in (("train", train), ("test", test)):
        if not torch.isfinite(features).all():
            raise ValueError(f"{name} holds features that are NaN or infinite; leave out networks that diverged")
    mean = x.mean(0)
    centred = x - mean
    targets = torch.nn.functional.one_hot(y.long()).double()
    gram = centred.mT @ centred / len(x)
    penalty = ridge * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    weights = torch.linalg.solve(gram + penalty, centred.mT @ (targets - targets.mean(0)) / len(x))
    scores = (test[0].flatten(1).double() - mean) @ weights + targets.mean(0)
    return float((scores.argmax(1) == test[1]).double().mean())


def discriminant(x: Float[Tensor, "n d"], y: Int[Tensor, " n"], k: int) -> Float[Tensor, "k d"]:
    """The `k` directions, as unit rows, along which the classes differ most against their spread (Fisher).

    Raises:
        ValueError: Where `k` is not between 1 and the number of classes minus one.

    Example:
        >>> x, y = torch.tensor([[0.0, 1.0], [0.0, -1.0], [1.0, 1.0], [1.0, -1.0]]), torch.tensor([0, 0, 1, 1])
        >>> discriminant(x, y, 1).abs().round(decimals=6).tolist()
        [[1.0, 0.0]]
    """
    classes = torch.unique(y)
    if not 1 <= k <= len(classes) - 1:
        raise ValueError(f"k={k} must lie between 1 and {len(classes) - 1}, the number of classes minus one")
    x = x.double()
    means = torch.stack([x[y == label].mean(0) for label in classes])
    shares = torch.stack([(y == label).double().mean() for label in classes])
    within = sum(share * covariance(x[y == label]) for share, label in zip(shares, classes, strict=True))
    assert isinstance(within, Tensor)
    within = within + RIDGE * within.diagonal().mean() * torch.eye(len(within), dtype=within.dtype)
    centred = (means - shares @ means) * shares.sqrt()[:, None]
    whitener = torch.linalg.inv(torch.linalg.cholesky(within))
    directions = torch.linalg.svd(centred @ whitener.mT, full_matrices=False).Vh[:k] @ whitener
    return directions / directions.norm(dim=1, keepdim=True)
