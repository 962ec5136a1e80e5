"""The table of variants, and that every chapter takes from it what a reader sees of its networks."""

import ast
import importlib
import itertools
import pkgutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from matplotlib import pyplot as plt

from resnet_lib import experiments
from resnet_lib.cli import catalogue
from resnet_lib.evidence import style
from resnet_lib.evidence.variants import VARIANTS, Variant, find, shown
from resnet_lib.experiments.counting_paths import drawings as counting
from resnet_lib.experiments.counting_paths import gradients
from resnet_lib.experiments.dropping_blocks import drawings as dropping
from resnet_lib.experiments.dropping_blocks import networks as dropped
from resnet_lib.experiments.dropping_blocks import sizes
from resnet_lib.experiments.eigenvalue_clustering import drawings as clustering
from resnet_lib.experiments.eigenvalue_clustering import networks as clustered
from resnet_lib.experiments.euler_and_its_limit import drawings as euler
from resnet_lib.experiments.keeping_inputs_distinct import drawings as distinct
from resnet_lib.experiments.keeping_inputs_distinct import trained as read
from resnet_lib.experiments.lipschitz_bounds import drawings as bounds
from resnet_lib.experiments.lipschitz_bounds import stacks as bounded
from resnet_lib.experiments.plain_networks import curves, families, stacks
from resnet_lib.experiments.plain_networks import drawings as plain
from resnet_lib.experiments.what_a_unit_sees import drawings as fields
from resnet_lib.experiments.what_a_unit_sees import untrained
from resnet_lib.experiments.when_eigenvalues_mislead import drawings as misleading
from resnet_lib.nets import Unit
from resnet_lib.nets.units import UNITS

BLOCKS = 9


def units() -> Iterator[tuple[str, str, Variant, Unit]]:
    """Every network of a chapter whose blocks have a recipe: chapter, its word, what is shown, and the recipe."""
    for word, variant in plain.SHOWN.items():
        made = families.unit(word, 2 * BLOCKS + 2)
        yield "plain families", word, variant, made if isinstance(made, Unit) else UNITS[made]
    for word, variant in curves.SHOWN.items():
        yield "plain stacks", word, variant, stacks.recipe(word, BLOCKS).unit
    for word, variant in dropping.SHOWN.items():
        recipe = "plain-identity" if word == sizes.ONE else word  # which start otherwise, and are the same
        yield "dropping", word, variant, dropped.unit_of(dropped.Network(recipe, BLOCKS, 0.1))
    for kind, shown_words in clustering.SHOWN.items():
        for word, variant in shown_words.items():
            setting = clustered.Trained(kind, word, BLOCKS, 0.1)
            yield "eigenvalues", f"{kind} {word}", variant, clustered.unit_of(setting)
    for word in counting.FLOWS:
        yield "paths", word, counting.SHOWN[word], gradients.unit_of(gradients.Flow(word, BLOCKS))
    for word, variant in bounds.SHOWN.items():
        yield "bounds", word, variant, bounded.unit_of(bounded.Trained(word, BLOCKS, 0.1))
    for word, variant in distinct.SHOWN.items():
        yield "keeping inputs distinct", word, variant, read.VARIANTS[word]
    for word, variant in fields.SHOWN.items():
        yield "fields", word, variant, untrained.unit_of(untrained.Untrained(word, BLOCKS, 9))


def test_every_variant_has_a_name_a_meaning_a_title_and_a_look_of_its_own() -> None:
    assert all(name == variant.name for name, variant in VARIANTS.items())
    for what in ("name", "meaning", "title"):
        assert len({getattr(variant, what) for variant in VARIANTS.values()}) == len(VARIANTS), what
    looks = {(variant.colour, variant.marker, variant.line) for variant in VARIANTS.values()}
    assert len(looks) == len(VARIANTS)
    assert {variant.colour for variant in VARIANTS.values()} <= set(style.COLOURS) - {"theory"}
    assert "bare" not in VARIANTS  # which says of two networks what they lack


def test_matplotlib_takes_every_look() -> None:
    figure, axis = plt.subplots()
    for variant in VARIANTS.values():
        (line,) = axis.plot([0, 1], **variant.look)
        assert (line.get_label(), line.get_color()) == (variant.title, style.COLOURS[variant.colour])
        assert (line.get_marker(), line.get_linestyle()) == (variant.marker, variant.line)
        assert variant.ink == style.ink(variant.colour)
    plt.close(figure)


def test_a_variant_that_is_not_in_the_table_is_refused() -> None:
    assert find("residual-bare") is VARIANTS["residual-bare"]
    with pytest.raises(ValueError, match=r"'residual-bar' is unknown; .*variants\.py.*closest: 'residual-bare'"):
        find("residual-bar")
    with pytest.raises(ValueError, match="variant='bare' is unknown"):
        shown({"mine": "plain", "bare": "bare"})


def test_one_name_is_one_network_and_one_network_has_one_name() -> None:
    made = defaultdict(set)
    for chapter, word, variant, unit in units():
        first = variant.name in ("plain-identity",)  # the only one whose weights no scheme draws
        scale = "1/sqrt(L)" if unit.alpha == BLOCKS**-0.5 else unit.alpha
        # Of networks without normalisation the order makes no variant, nor of those without shortcuts.
        order = unit.order if unit.residual and unit.norm == "batch" else "W+" if unit.order == "W+" else ""
        kind = (unit.residual, unit.norm, scale, unit.zero_gamma, unit.activation, unit.scheme, order, first)
        made[variant.name].add(kind)
        assert unit.residual != variant.name.startswith("plain"), (chapter, word)
    assert {name: kinds for name, kinds in made.items() if len(kinds) > 1} == {}
    # What the blocks' recipe does not tell apart: a factor of the weights, and a bound on them.
    told_apart = set(made) - {"plain-scaled", "constrained"}
    for one, other in itertools.combinations(sorted(told_apart), 2):
        assert made[one] != made[other], (one, other)


def test_the_unscaled_residual_network_has_one_colour() -> None:
    unscaled = {curves.SHOWN["bare"], curves.SHOWN["norm"], dropping.SHOWN["bare"], dropping.SHOWN["residual"]}
    unscaled |= {plain.SHOWN["pre"], euler.SHOWN["mlp", 0.0], euler.SHOWN["norm", 0.0], misleading.SHOWN[1.0]}
    unscaled |= {clustering.SHOWN["mlp"]["residual"], clustering.SHOWN["conv"]["residual"], counting.SHOWN["residual"]}
    assert {variant.name for variant in unscaled} == {"residual", "residual-bare"}
    assert {variant.colour for variant in unscaled} == {"pre"}
    scaled = {words["scaled"] for words in (curves.SHOWN, dropping.SHOWN, clustering.SHOWN["mlp"], counting.SHOWN)}
    scaled |= {bounds.SHOWN["residual"], euler.SHOWN["mlp", 0.5], misleading.SHOWN[10**-0.5], plain.SHOWN["scaled"]}
    assert scaled == {VARIANTS["scaled"]}


def words(field: str) -> set[str]:
    """What the settings of all experiments have in a field of that name."""
    settings = (s for each in catalogue.find(None) for grid in (each.quick, each.full) for s in grid.settings)
    return {value for setting in settings if isinstance(value := getattr(setting, field, None), str)}


def test_every_network_of_an_experiment_is_in_the_table() -> None:
    known = {"plain_networks": {*plain.SHOWN, *curves.SHOWN}, "dropping_blocks": set(dropping.SHOWN)}
    known |= {"counting_paths": set(counting.SHOWN), "eigenvalue_clustering": set().union(*clustering.SHOWN.values())}
    known |= {"keeping_inputs_distinct": set(distinct.SHOWN)}
    asked = set()
    for each in catalogue.find(None):
        chapter = each.trial.__module__.split(".")[2]
        for setting in {*each.quick.settings, *each.full.settings}:
            if isinstance(word := getattr(setting, "variant", None), str):
                assert word in known[chapter], (each.name, word)
                asked.add(chapter)
    assert asked == set(known)


def own_colours(source: str, networks: set[str]) -> list[str]:
    """Tables in a chapter's source that give networks colours of their own."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Dict) or not all(isinstance(key, ast.Constant) for key in node.keys):
            continue
        keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
        parts = [part for value in node.values for part in (value.elts if isinstance(value, ast.Tuple) else [value])]
        values = {part.value for part in parts if isinstance(part, ast.Constant)}
        plain_text = all(isinstance(part, ast.Constant) for part in parts)
        if keys and keys <= networks and plain_text and values & set(style.COLOURS) and not values <= set(VARIANTS):
            found.append(f"line {node.lineno}: {ast.unparse(node)}")
    return found


@dataclass(frozen=True)
class Chapter:
    """A module of a chapter, as text."""

    name: str
    source: str


def chapters() -> list[Chapter]:
    found: list[Any] = list(pkgutil.walk_packages(experiments.__path__, f"{experiments.__name__}."))
    paths = [(each.name, Path(str(importlib.import_module(each.name).__file__))) for each in found]
    return [Chapter(name, path.read_text(encoding="utf-8")) for name, path in paths]


def test_no_chapter_colours_its_networks_by_itself() -> None:
    networks = words("variant") | {"constrained", "orthogonal"}
    assert len(chapters()) > 40
    assert {c.name: found for c in chapters() if (found := own_colours(c.source, networks))} == {}
    for old in ('{"residual": "pre", "scaled": "scaled"}', '{"norm": ("pre", "-"), "bare": ("post", "-")}'):
        assert len(own_colours(f"LOOKS = {old}", networks)) == 1
    assert own_colours('METHODS = {"euler": "post", "rk4": "scaled"}', networks) == []
