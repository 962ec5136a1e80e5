"""What the blocks of trained residual MLPs do to distances: pairs of states, pairs that are searched for, and a fold.

The blocks of all networks are handled together, by their weights, which are stacked. No training is known here.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from resnet_lib import nets
from resnet_lib.analysis import collisions

COLUMNS = ("pairs", "merged", "searched", "guarded", "planted", "moved")
NEAREST, SEARCHES, STEPS = 24, 8, 100
"""Test images at whose states a search may start; searches in a block; steps of each."""
PAIRED = 200
"""Test images of which all pairs are measured."""
PLANT = 100
"""The test image near which a fold is planted; no search starts there."""


def distances(ends: Sequence[tuple[nets.Stack, Sequence[Tensor]]], *, searched: bool = True) -> dict[str, np.ndarray]:
    """What each block of some residual networks does to distances between states of images; one value per block."""
    weights = stacked([net for net, _ in ends])
    x = torch.cat([torch.stack(list(states[:-1]))[:, :PAIRED] for _, states in ends])
    found = {"pairs": least(x, applied(weights, x)), "merged": merged(x)}
    if searched:
        tamed = contracted(weights, 0.5)
        copies = weights, tamed, folded(tamed, x[:, min(PLANT, x.shape[1] - 1)], x.mean(1))
        together = {name: torch.cat([copy[name] for copy in copies]) for name in weights}
        x = x.repeat(3, 1, 1)
        best = search(together, starts(together, x))
        ratio = best.ratio.chunk(3)
        found |= {"searched": ratio[0], "guarded": ratio[1], "planted": ratio[2], "moved": moved(best, x).chunk(3)[0]}
    return {name: values.numpy() for name, values in found.items()}


Weights = dict[str, Tensor]


def stacked(networks: Sequence[nets.Stack]) -> Weights:
    """The branches' weights and biases, stacked over the blocks of all networks, in float64."""
    names = [f"branch.weight{layer}.{kind}" for layer in (1, 2) for kind in ("weight", "bias")]
    blocks = [block for net in networks for block in net.blocks]
    return {name: torch.stack([block.get_parameter(name).detach().double() for block in blocks]) for name in names}


def branches(weights: Weights, x: Float[Tensor, "block n d"]) -> Float[Tensor, "block n d"]:
    """`W2 relu(W1 relu(x) + b1) + b2` of every block, each at states of its own."""
    one, other = ((weights[f"branch.weight{i}.weight"].mT, weights[f"branch.weight{i}.bias"][:, None]) for i in (1, 2))
    return torch.relu(torch.relu(x) @ one[0] + one[1]) @ other[0] + other[1]


def applied(weights: Weights, x: Float[Tensor, "block n d"]) -> Float[Tensor, "block n d"]:
    """The residual blocks, each at states of its own."""
    return x + branches(weights, x)


def contracted(weights: Weights, constant: float) -> Weights:
    """The same weights, each layer's scaled to the root of a Lipschitz constant."""
    return {
        name: w * (constant**0.5 / torch.linalg.matrix_norm(w, 2))[:, None, None] if name.endswith("weight") else w
        for name, w in weights.items()
    }


def folded(weights: Weights, x: Float[Tensor, "block d"], mean: Float[Tensor, "block d"]) -> Weights:
    """The same weights with one unit that makes each block flat at a state, in the direction `u` to it from the mean.

    `u` has the coordinates that the first ReLU leaves on at the state. The unit is on in the half space beyond the
    middle between mean and state, and takes away `u` and what the rest of the block makes of it: at the state the
    Jacobian of the block sends `u` to zero, and two inputs around it that differ along `u` come out the same.
    """
    weights = {name: w.clone() for name, w in weights.items()}
    weights["branch.weight2.weight"][:, :, 0] = 0
    u = (x - mean) * (x > 0)
    u = u / u.norm(dim=1, keepdim=True)
    sent = (_jacobians(weights, x[:, None])[:, 0] @ u[..., None])[..., 0]
    weights["branch.weight1.weight"][:, 0] = u
    weights["branch.weight1.bias"][:, 0] = -(u * (torch.relu(x) + torch.relu(mean)) / 2).sum(1)
    weights["branch.weight2.weight"][:, :, 0] = -sent
    return weights


def least(x: Float[Tensor, "block n d"], y: Float[Tensor, "block n d"]) -> Float[Tensor, " block"]:
    """The least `|y_i - y_j| / |x_i - x_j|` over all pairs, of each block."""
    before, after = (torch.cdist(z, z, compute_mode="donot_use_mm_for_euclid_dist") for z in (x, y))
    before.diagonal(dim1=1, dim2=2).fill_(1.0)
    after.diagonal(dim1=1, dim2=2).fill_(torch.inf)  # a state and itself are no pair
    return (after / before).flatten(1).amin(1)


def merged(x: Float[Tensor, "block n d"]) -> Float[Tensor, " block"]:
    """`least` of the projection along the direction between the two first states, which is zero but for rounding."""
    u = x[:, 0] - x[:, 1]
    u = u / u.norm(dim=1, keepdim=True)
    return least(x, x - (x @ u[..., None]) * u[:, None])


Starts = tuple[Float[Tensor, "block search d"], Float[Tensor, "block search d"], Float[Tensor, "block search"]]
"""Centres, directions and distances of the first pairs."""


def starts(weights: Weights, x: Float[Tensor, "block n d"]) -> Starts:
    """Where searches begin: at the images' states with the least singular values, in their directions."""
    x = x[:, :NEAREST]
    jacobians = _jacobians(weights, x)
    values, vectors = torch.linalg.eigh(jacobians.mT @ jacobians)  # a start, for which squares are exact enough
    chosen = values[:, :, 0].argsort(1)[:, :SEARCHES, None].expand(-1, -1, x.shape[2])
    reach = _size(x)[:, None] * 2.0 ** torch.linspace(-4, 0, SEARCHES, dtype=x.dtype)
    return x.gather(1, chosen), vectors[..., 0].gather(1, chosen), reach


def search(
    weights: Weights, begin: Starts, find: Callable[..., collisions.Collisions] = collisions.collide
) -> collisions.Collisions:
    """The best pair of each block, of all that searches from `begin` find; `find` is how they descend."""
    blocks = len(begin[0])

    def flat(z: Tensor) -> Tensor:
        return applied(weights, z.unflatten(0, (blocks, -1))).flatten(0, 1)

    found = find(flat, *(part.flatten(0, 1) for part in begin), steps=STEPS)
    best = found.ratio.reshape(blocks, -1).argmin(1) + torch.arange(blocks) * begin[2].shape[1]
    return collisions.Collisions(
        found.ratio[best], found.first[best], found.second[best], found.start[best], found.evaluations
    )


def moved(found: collisions.Collisions, x: Float[Tensor, "block n d"]) -> Float[Tensor, " block"]:
    """How far the pair of each block lies from the images' states at which searches begin, in their mean size."""
    x = x[:, :NEAREST]
    middle = (found.first + found.second) / 2
    return (x - middle[:, None]).norm(dim=2).amin(1) / _size(x)


def _size(x: Float[Tensor, "block n d"]) -> Float[Tensor, " block"]:
    return x.norm(dim=2).mean(1)


def _jacobians(weights: Weights, x: Float[Tensor, "block n d"]) -> Float[Tensor, "block n d d"]:
    """`I + W2 D1 W1 D0` of every block at each of its states."""
    w1, b1, w2 = (weights[f"branch.weight{name}"] for name in ("1.weight", "1.bias", "2.weight"))
    on = (torch.relu(x) @ w1.mT + b1[:, None] > 0).to(x)
    inner = w1[:, None] * (x > 0).to(x)[:, :, None, :]
    return torch.eye(x.shape[2], dtype=x.dtype) + w2[:, None] @ (on[..., None] * inner)
