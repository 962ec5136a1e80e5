"""Verbs of the package go together: every network with every verb works, or is refused in words that say why."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from resnet_lib import data, nets, training
from resnet_lib.analysis import costs, flow, jacobian, lesion, lesion_scores, paths
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
