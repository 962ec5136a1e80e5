"""Verbs of the package go together: every network with every verb works, or is refused in words that say why."""

import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from resnet_lib import data, nets, training
from resnet_lib.analysis import costs, flow, jacobian, lesion, lesion_scores, lipschitz, paths
from resnet_lib.nets import stochastic_depth
from tests.networks import IN, NETWORKS, RECIPE, examples, generator
from tests.unchanged import generators, same, snapshot

VERBS: dict[str, Callable[[Callable, nets.Stack, data.Dataset], Any]] = {
    "train stacked": lambda make, net, d: training.fit(make, d, RECIPE, [0, 1]),
    "train one by one": lambda make, net, d: training.fit(make, d, RECIPE, [0, 1], policy=training.ONE_BY_ONE),
    "delete": lambda make, net, d: lesion_scores.score(list(lesion.singles(net).values()), d.test.x, d.test.y),
    "scale": lambda make, net, d: lesion_scores.outputs([lesion.scale(net, {0: 0.0}), net], d.test.x),
    "swap": lambda make, net, d: lesion_scores.outputs([lesion.swap(net, 0, 1), net], d.test.x),
    "count": lambda make, net, d: costs.count(net, (IN,)),
    "time": lambda make, net, d: costs.latency({"net": net}, d.test.x, rounds=1, backward=True),
    "expand": lambda make, net, d: paths.expand(net.blocks, net.stem(d.test.x)),
    "gradients of paths": lambda make, net, d: paths.gradients_by_length(paths.linearise(net, d.test.x, d.test.y)),
    "path": lambda make, net, d: flow.path(net, d.test.x),
    "refine": lambda make, net, d: flow.refine(net, 2)(d.test.x),
    "interpolate": lambda make, net, d: flow.interpolate(net, 2)(d.test.x),
    "roughness": lambda make, net, d: flow.roughness(net),
    "stochastic depth": lambda make, net, d: stochastic_depth.wrap(net, [0.5] * len(net.blocks), generator=generator())(
        d.test.x
    ),
    "jacobians": lambda make, net, d: jacobian.along(net, d.test.x[:2]),
    "operator": lambda make, net, d: jacobian.operator(net, d.test.x[0]).matvec(torch.ones(IN)),
}

REFUSED = {
    # (network, verb): what the refusal says. Everything else works.
    **{
        (name, verb): text
        for verb, text in {
            "expand": "paths are those of blocks.Block",
            "gradients of paths": "paths are those of blocks.Block",
            "scale": "has no branch; scale takes a blocks.Block",
            "stochastic depth": "has no shortcut: without its branch nothing is left",
        }.items()
        for name in ("hamiltonian", "repeated", "neural ode", "refined", "refined, implicit", "interpolated")
    },
    ("plain", "stochastic depth"): "has no shortcut",
    **{
        (name, verb): "stack has no block of the form x"
        for name in (
            *("plain", "order post", "gated", "projected", "without normalisation", "scaled", "zero gamma", "sigmoid"),
            *("hamiltonian", "neural ode", "refined", "refined, implicit", "interpolated"),
            *("highway", "shortcut gate", "fixed gate", "matrices", "held matrices", "dropped shortcut"),
        )
        for verb in ("refine", "interpolate")
    },
    **{("repeated", verb): "none of the 1 blocks can be deleted|block 1 does not exist" for verb in ("delete", "swap")},
    **{
        ("neural ode", verb): "none of the 1 blocks can be deleted|block 1 does not exist"
        for verb in ("delete", "swap")
    },
    ("neural ode", "count"): "as many steps as its error asks for, so that its cost depends on what it reads",
    ("neural ode", "train stacked"): "vmap does not allow; use jacobian.operator",
    ("refined, implicit", "train stacked"): "vmap does not allow; use an explicit method",
    ("refined, implicit", "count"): "takes derivatives on its way",
    ("held matrices", "count"): "it multiplies matrices outside of them; count its parts",
    ("neural ode", "roughness"): "no two neighbouring blocks have weights of equal shape",
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_works_with_every_verb_or_is_refused_in_words(name, verb):
    net, given = NETWORKS[name](generator(name)).eval(), examples()
    before = snapshot((net, given))
    state = generators()
    try:
        result = VERBS[verb](NETWORKS[name], net, given)
    except (ValueError, TypeError) as error:
        if not re.search(REFUSED.get((name, verb), "(?!)"), str(error)):
            raise
    else:
        assert (name, verb) not in REFUSED, "it works: take it from the list"
        if isinstance(result, Tensor):
            assert result.isfinite().all()
    same(before, snapshot((net, given)))
    assert state == generators()


SEARCHES: dict[str, Callable[[Callable, nets.Stack, data.Dataset], Any]] = {
    "dense": lambda make, net, d: jacobian.dense(net, d.test.x),
    "singular values": lambda make, net, d: jacobian.singular_values(net, d.test.x),
    "stretch": lambda make, net, d: lipschitz.stretch(net, d.test.x, d.test.x + 1),
    "gains": lambda make, net, d: lipschitz.gains(net, d.test.x, start=torch.ones_like(d.test.x)),
    "search": lambda make, net, d: lipschitz.search(net, d.test.x, rounds=1, steps=2, generator=generator()),
    "bound": lambda make, net, d: lipschitz.product_bound(net, (IN,)),
}
WITH_GRAPH = {"count", "time", "search"}
TORCH_SAYS_SO = {"train stacked", "train one by one", "expand", "gradients of paths"}


def numbers(value: Any) -> list[Tensor]:
    """All tensors and numbers of a result, in order."""
    if isinstance(value, Tensor):
        return [value.detach().clone()]
    if isinstance(value, list | tuple):
        return [number for part in value for number in numbers(part)]
    if is_dataclass(value):
        return [number for part in fields(value) for number in numbers(getattr(value, part.name))]
    return [torch.tensor(value)] if isinstance(value, int | float) else []


@pytest.mark.parametrize("verb", [*VERBS, *SEARCHES])
def test_a_verb_gives_the_same_in_inference_mode_or_says_that_it_cannot(verb):
    make = NETWORKS["order pre"]
    net, given = make(generator("mode")).eval(), examples()
    call = (VERBS | SEARCHES)[verb]
    with torch.inference_mode():
        if verb in WITH_GRAPH:
            with pytest.raises(ValueError, match=r"cannot be had inside of torch\.inference_mode\(\); call"):
                call(make, net, given)
            return
        if verb in TORCH_SAYS_SO:
            with pytest.raises(RuntimeError, match=r"[Ii]nference|does not require grad"):
                call(make, net, given)
            return
        found = numbers(call(make, net, given))
    with torch.no_grad():
        expected = numbers(call(make, net, given))
    assert len(found) == len(expected) > 0
    assert all(torch.allclose(a.double(), b.double(), atol=1e-6) for a, b in zip(found, expected, strict=True))
