"""Deliberate faults, each one change of the package or of claims.yml, and what sees it: unit tests, or a replication.

A fault is a wrong number without an exception: what a slip of the hand would leave. Each is seen by a test or by the
comparison of a run with what is published, on every processor: nothing here is compared bit for bit.

    python -m tests.planted                            what the unit tests see, fault by fault
    python -m tests.planted --replicate [NAME ...]     and what `resnet-lib replicate` says of the fault's chapter
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import forks

ROOT = forks.ROOT


@dataclass(frozen=True)
class Fault:
    """A change that has to be seen.

    Attributes:
        name: What it is called, in the table too.
        file: Where, relative to the book's folder.
        old: The text that is replaced; it occurs once in the file.
        new: The wrong text.
        chapter: A chapter whose numbers it changes, for the comparison of a replication.
        tests: Tests below tests/ that fail with it; empty where a replication alone can see it.
    """

    name: str
    file: str
    old: str
    new: str
    chapter: str
    tests: tuple[str, ...] = ()


FAULTS = (
    # what a network is
    Fault(
        "carry-that-is-the-gate",
        "resnet_lib/nets/gates.py",
        "return t * (self.branch * b) + (1 - t) * s",
        "return (1 - t) * (self.branch * b) + t * s",
        "gates-and-scales",
        ("nets/test_gates.py::test_merges_are_the_formulas_by_hand",),
    ),
    Fault(
        "dropout-without-its-mean",
        "resnet_lib/nets/burdens.py",
        "return factor * self.chance * x",
        "return factor * x",
        "gates-and-scales",
        ("nets/test_burdens.py::test_dropout_is_its_mean_in_evaluation",),
    ),
    Fault(
        "branch-of-wrong-sign",
        "resnet_lib/nets/merges.py",
        "self.skip * s, b, alpha=self.branch)",
        "self.skip * s, b, alpha=-self.branch)",
        "dropping-blocks",
        ("nets/test_blocks.py::test_linear_block_without_norm_is_the_formula[scaled]",),
    ),
    Fault(
        "initial-weights-10-percent-too-large",
        "resnet_lib/nets/weights.py",
        "nonlinearity=linearity, generator=generator)",
        "nonlinearity=linearity, generator=generator).mul_(1.1)",
        "dropping-blocks",
        ("nets/test_blocks.py::test_weights_have_the_variance_of_their_scheme",),
    ),
    Fault(
        "all-layers-from-one-stream",
        "resnet_lib/nets/initialisation.py",
        "weight, runtime.stream(seed, name), place=where)",
        "weight, runtime.stream(seed), place=where)",
        "eigenvalue-clustering",
        ("nets/test_blocks.py::test_initialise_names_its_streams",),
    ),
    Fault(
        "another-activation-in-the-stem",
        "resnet_lib/nets/networks.py",
        "stem = blocks.series(_stem(unit), in_features, [first], nn.BatchNorm1d, unit.activation)",
        'stem = blocks.series(_stem(unit), in_features, [first], nn.BatchNorm1d, "tanh")',
        "dropping-blocks",
        ("nets/test_networks.py::test_an_mlp_without_norm_is_the_formula",),
    ),
    Fault(
        "shortcut-not-orthonormal",
        "resnet_lib/nets/projections.py",
        "return orthonormal(self.weight.flatten(1)).view_as(self.weight)",
        "return self.weight",
        "projection-shortcuts",
        (
            "nets/test_projections.py::test_orthonormal_layers_apply_their_effective_kernel_as_torchs_parametrised_layer_does",
        ),
    ),
    Fault(
        "sub-steps-of-full-size",
        "resnet_lib/experiments/published_networks/steps.py",
        'ways += [("divided", count, stepped(net, count, 1 / count))',
        'ways += [("divided", count, stepped(net, count, 1.0))',
        "published-networks",
        (
            "experiments/published_networks/test_steps.py::test_divided_steps_end_where_the_block_does_and_full_ones_go_on",
        ),
    ),
    Fault(
        "another-block-than-the-median",
        "resnet_lib/experiments/published_networks/lesions.py",
        "order[(len(order) - 1) // 2]",
        "order[(len(order) - 1) // 2 + 1]",
        "published-networks",
        (
            "experiments/published_networks/test_lesions.py::test_losses_are_those_of_the_median_block_that_keeps_the_shape",
        ),
    ),
    Fault(
        "hidden-units-that-are-off-count-as-on",
        "resnet_lib/experiments/published_networks/spectra.py",
        "on = (units > 0)",
        "on = (units > -1)",
        "published-networks",
        ("experiments/published_networks/test_spectra.py::test_a_spectrum_is_that_of_the_dense_jacobian",),
    ),
    Fault(
        "a-collapsed-rate-ties",
        "resnet_lib/training/tuning.py",
        "LOST = 0.5",
        "LOST = 0.0",
        "lipschitz-bounds",
        ("training/test_tuning.py::test_a_rate_at_which_a_seed_collapsed_does_not_tie_with_the_best",),
    ),
    Fault(
        "no-root-of-the-depth",
        "resnet_lib/experiments/plain_networks/stacks.py",
        'size = blocks**-power if repair == "scaled" else 1.0',
        "size = 1.0",
        "plain-networks",
        ("experiments/plain_networks/test_stacks.py::test_scaled_branches_and_shrunken_weights_by_hand",),
    ),
    Fault(
        "no-root-of-the-depth-in-lesions",
        "resnet_lib/experiments/dropping_blocks/networks.py",
        "replace(unit, alpha=setting.blocks**-0.5) if",
        "replace(unit, alpha=1.0) if",
        "dropping-blocks",
        ("experiments/dropping_blocks/test_networks.py::test_scaled_branches_are_divided_by_the_root_of_the_depth",),
    ),
    Fault(
        "whole-branches-after-stochastic-depth",
        "resnet_lib/nets/stochastic_depth.py",
        "return self.merge(s, self.chance * b)",
        "return self.merge(s, b)",
        "dropping-blocks",
        ("nets/test_stochastic_depth.py::test_the_test_rule_is_the_mean_over_depths_for_linear_branches_only",),
    ),
    # what it learns from
    Fault(
        "test-images-in-training",
        "resnet_lib/data/sources.py",
        "return Values(pixels, labels, (np.asarray(rows), ",
        "return Values(pixels, labels, (np.concatenate([rows[:403], last]), ",
        "dropping-blocks",
        ("data/test_sources.py::test_digits_are_those_of_scikit_learn_each_in_one_part",),
    ),
    Fault(
        "parts-of-other-sizes",
        "resnet_lib/data/sources.py",
        "DIGITS_SIZES = (1000, 200, 597)",
        "DIGITS_SIZES = (960, 240, 597)",
        "dropping-blocks",
        ("data/test_sources.py::test_digits_are_those_of_scikit_learn_each_in_one_part",),
    ),
    Fault(
        "two-percent-of-labels-wrong",
        "resnet_lib/data/datasets.py",
        "        parts.append(Split(x.flatten(1) if flat else x, y[rows]))\n",
        "        wrong = (torch.arange(len(rows)) % 50 == 0) & (not parts)\n"
        "        labels = torch.where(wrong, (y[rows] + 1) % classes, y[rows])\n"
        "        parts.append(Split(x.flatten(1) if flat else x, labels))\n",
        "dropping-blocks",
        ("data/test_sources.py::test_digits_are_those_of_scikit_learn_each_in_one_part",),
    ),
    Fault(
        "scaled-by-the-test-images",
        "resnet_lib/data/values.py",
        "train = self.x[self.rows[0]].astype(np.float64)",
        "train = self.x[self.rows[2]].astype(np.float64)",
        "dropping-blocks",
        ("data/test_datasets.py::test_digits_are_normalised_by_the_training_images_alone",),
    ),
    Fault(
        "crops-twice-as-far",
        "resnet_lib/data/augmentation.py",
        "return size // 8",
        "return size // 4",
        "",
        ("data/test_augmentation.py::test_the_middle_without_mirror_is_the_image_itself",),
    ),
    Fault(
        "new-channels-in-front-of-the-carried",
        "resnet_lib/data/conversion.py",
        "order = torch.cat([carried, rest[: width // 4], rest[width - width // 4 :]])",
        "order = torch.cat([rest[: width // 4], carried, rest[width - width // 4 :]])",
        "",
        ("data/test_conversion.py::test_the_converted_network_is_the_published_function",),
    ),
    Fault(
        "published-images-scaled-as-ours",
        "resnet_lib/data/pretrained.py",
        "MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)",
        "MEAN, DEVIATION = (0.491, 0.482, 0.447), (0.247, 0.243, 0.262)",
        "",
        ("data/test_pretrained.py::test_images_are_scaled_by_the_constants_that_the_networks_were_trained_with",),
    ),
    # how it learns
    Fault(
        "rate-doubled",
        "resnet_lib/training/loop.py",
        'self._optimizer.param_groups[0]["lr"] = lr',
        'self._optimizer.param_groups[0]["lr"] = 2 * lr',
        "dropping-blocks",
        ("training/test_loop.py::test_seeds_together_train_as_in_a_plain_loop[small_mlp-digits-sgd]",),
    ),
    Fault(
        "rate-falls-late",
        "resnet_lib/training/recipes.py",
        "for fraction in (0.5, 0.75))",
        "for fraction in (0.6, 0.75))",
        "",
        ("training/test_recipes.py::test_the_step_schedule_is_that_of_torch[40]",),
    ),
    Fault(
        "momentum-0",
        "resnet_lib/training/recipes.py",
        "return sgd(params, lr=self.lr, momentum=self.momentum,",
        "return sgd(params, lr=self.lr, momentum=0.0,",
        "dropping-blocks",
        ("training/test_recipes.py::test_momentum_is_what_the_recipe_says",),
    ),
    Fault(
        "weight-decay-dropped",
        "resnet_lib/training/recipes.py",
        "momentum=self.momentum, weight_decay=self.weight_decay, **kernel)",
        "momentum=self.momentum, **kernel)",
        "",
        ("training/test_loop.py::test_seeds_together_train_as_in_a_plain_loop[small_mlp-digits-decay]",),
    ),
    Fault(
        "gradient-clipped",
        "resnet_lib/training/loop.py",
        "parameter.grad = gradient",
        "parameter.grad = gradient.clamp(-0.05, 0.05)",
        "dropping-blocks",
        ("training/test_loop.py::test_seeds_together_train_as_in_a_plain_loop[small_mlp-digits-sgd]",),
    ),
    Fault(
        "gradient-over-the-number-of-seeds",
        "resnet_lib/training/stacked.py",
        "torch.autograd.grad(losses.sum(), list(self.params",
        "torch.autograd.grad(losses.mean(), list(self.params",
        "dropping-blocks",
        ("training/test_loop.py::test_seeds_together_train_as_in_a_plain_loop[small_mlp-digits-sgd]",),
    ),
    Fault(
        "never-shuffled",
        "resnet_lib/training/loop.py",
        "torch.randperm(n, generator=stream) for stream",
        "torch.arange(n) for stream",
        "dropping-blocks",
        ("training/test_loop.py::test_seeds_together_train_as_in_a_plain_loop[small_mlp-digits-sgd]",),
    ),
    Fault(
        "one-start-for-all-seeds",
        "resnet_lib/training/loop.py",
        'nets = [make_net(runtime.stream(seed, "init"))',
        'nets = [make_net(runtime.stream(0, "init"))',
        "dropping-blocks",
        ("training/test_loop.py::test_seeds_together_train_as_in_a_plain_loop[small_mlp-digits-sgd]",),
    ),
    Fault(
        "batch-statistics-at-evaluation",
        "resnet_lib/training/loop.py",
        "self._nets.template.eval()\n        measured",
        "measured",
        "dropping-blocks",
        ("training/test_loop.py::test_seeds_together_train_as_in_a_plain_loop[small_conv-images-sgd]",),
    ),
    Fault(
        "rescaled-by-the-weights-alone",
        "resnet_lib/training/optimizers.py",
        "unit * (size / norm), gradient)",
        "unit * size, gradient)",
        "plain-networks",
        ("training/test_optimizers.py::test_three_steps_are_those_of_a_loop",),
    ),
    # what is measured at it
    Fault(
        "lesion-off-by-one",
        "resnet_lib/analysis/lesion.py",
        "[block for i, block in enumerate(stack.blocks) if i not in gone]",
        "[block for i, block in enumerate(stack.blocks) if i - 1 not in gone]",
        "dropping-blocks",
        ("analysis/test_lesion.py::test_all_single_lesions_equal_rebuilt_networks_bit_for_bit",),
    ),
    Fault(
        "labels-of-the-first-batch",
        "resnet_lib/analysis/lesion_scores.py",
        "labels = y[start : start + len(batch)]",
        "labels = y[: len(batch)]",
        "dropping-blocks",
        ("analysis/test_lesion_scores.py::test_score_counts_hits_over_uneven_batches",),
    ),
    Fault(
        "statistics-half-renewed",
        "resnet_lib/analysis/statistics.py",
        "norm.training, norm.momentum = True, 1.0",
        "norm.training, norm.momentum = True, 0.5",
        "dropping-blocks",
        ("analysis/test_statistics.py::test_statistics_are_those_of_torch",),
    ),
    Fault(
        "the-change-in-place-of-what-is-beside-its-term",
        "resnet_lib/experiments/dropping_blocks/sizes.py",
        "(change - term).norm(dim=1)",
        "change.norm(dim=1)",
        "dropping-blocks",
        ("experiments/dropping_blocks/test_sizes.py::test_sizes_of_blocks_that_multiply",),
    ),
    Fault(
        "sign-in-the-change-of-a-state",
        "resnet_lib/experiments/dropping_blocks/lesions.py",
        "change = (states[-1] - last)",
        "change = (states[-1] + last)",
        "dropping-blocks",
        ("experiments/dropping_blocks/test_lesions.py::test_the_bound_holds_and_is_exact_at_the_last_block",),
    ),
    Fault(
        "sign-in-the-branch-s-jacobian",
        "resnet_lib/experiments/eigenvalue_clustering/networks.py",
        "linalg.spectral_norms(jacobians - identity)",
        "linalg.spectral_norms(jacobians + identity)",
        "eigenvalue-clustering",
        (
            "experiments/eigenvalue_clustering/test_networks.py::test_the_trained_trial_measures_the_jacobians_of_the_network[conv-residual-1.0]",
        ),
    ),
    Fault(
        "batch-statistics-from-the-test-set",
        "resnet_lib/experiments/eigenvalue_clustering/networks.py",
        "update_bn([digits.train.x], net)",
        "update_bn([digits.test.x], net)",
        "eigenvalue-clustering",
        (
            "experiments/eigenvalue_clustering/test_networks.py::test_the_trained_trial_measures_the_jacobians_of_the_network[conv-residual-1.0]",
        ),
    ),
    Fault(
        "jacobian-transposed",
        "resnet_lib/analysis/jacobian.py",
        "lambda v: found.push(v).flatten(), lambda u: found.pull(u).flatten()",
        "lambda v: found.pull(v).flatten(), lambda u: found.push(u).flatten()",
        "eigenvalue-clustering",
        ("analysis/test_jacobian.py::test_operators_agree_with_the_matrix_and_its_transpose[post]",),
    ),
    Fault(
        "norm-of-the-least-stretch",
        "resnet_lib/linalg/matrices.py",
        "_each(torch.linalg.eigvalsh, gram)[..., -1]",
        "_each(torch.linalg.eigvalsh, gram)[..., 0]",
        "lipschitz-bounds",
        ("linalg/test_matrices.py::test_singular_values_are_those_it_was_made_with",),
    ),
    Fault(
        "bound-without-the-shortcut",
        "resnet_lib/analysis/lipschitz/composition.py",
        "value, same = _times(abs(sum_.skip), shortcut) + value, False",
        "value, same = max(_times(abs(sum_.skip), shortcut), value), False",
        "lipschitz-bounds",
        ("analysis/test_composition.py::test_the_constant_of_a_block_is_one_plus_k",),
    ),
    Fault(
        "bound-of-a-repeated-module-once",
        "resnet_lib/analysis/lipschitz/layers.py",
        "list(zip(module._modules, module, strict=True))",
        "list(module.named_children())",
        "",
        ("analysis/test_layers.py::test_a_module_that_comes_twice_counts_twice",),
    ),
    Fault(
        "paths-counted-from-the-other-end",
        "resnet_lib/analysis/paths.py",
        "sums = torch.cat([past, none]) + torch.cat([none, through])",
        "sums = torch.cat([none, past]) + torch.cat([through, none])",
        "counting-paths",
        ("analysis/test_paths.py::test_sampled_paths_average_to_the_exact_sum",),
    ),
    Fault(
        "paths-one-branch-longer",
        "resnet_lib/analysis/paths.py",
        "entered = (ranks < length)",
        "entered = (ranks <= length)",
        "counting-paths",
        ("analysis/test_paths.py::test_a_path_s_gradient_is_the_product_of_the_jacobians_it_enters",),
    ),
    Fault(
        "doubling-of-the-natural-logarithm",
        "resnet_lib/experiments/basic_and_bottleneck/published.py",
        "logs = np.log2(table",
        "logs = np.log(table",
        "basic-and-bottleneck",
        ("experiments/basic_and_bottleneck/test_published.py::test_a_doubling_on_a_known_table",),
    ),
    Fault(
        "published-stride-that-is-not-moved",
        "resnet_lib/experiments/basic_and_bottleneck/networks.py",
        "first.stride, second.stride = second.stride, first.stride",
        "first.stride, second.stride = first.stride, second.stride",
        "basic-and-bottleneck",
        (
            "experiments/basic_and_bottleneck/test_networks.py::test_the_published_stride_is_that_of_the_first_convolution",
        ),
    ),
    Fault(
        "small-words-that-are-not-scaled",
        "resnet_lib/evidence/legible.py",
        "size * scale < SMALLEST - 0.01",
        "size < SMALLEST - 0.01",
        "basic-and-bottleneck",
        ("evidence/test_legible.py::test_words_that_a_page_shows_too_small_are_refused[draw-8 points1]",),
    ),
    Fault(
        "step-counted-one-too-many",
        "resnet_lib/training/regression.py",
        "(high - low)).clamp(0, 1)",
        "(high - low)).clamp(0, 1) + 1",
        "learning-the-difference",
        ("training/test_regression.py::test_steps_have_a_fraction_by_the_logarithm_of_the_loss",),
    ),
    Fault(
        "gradient-of-the-wrong-state",
        "resnet_lib/analysis/corrections.py",
        "parts = (state, added, gradients[i], gradients[i + 1])",
        "parts = (state, added, gradients[i + 1], gradients[i])",
        "learning-the-difference",
        ("analysis/test_corrections.py::test_gradients_are_those_of_the_margin_by_differences",),
    ),
    Fault(
        "turn-that-does-not-double",
        "resnet_lib/experiments/learning_the_difference/linear.py",
        "setting.scale * each.x @ turn.T",
        "each.x @ turn.T",
        "learning-the-difference",
        (
            "experiments/learning_the_difference/test_linear.py::test_the_crossing_is_where_theory_has_it[2.0-75.52248781407008]",
        ),
    ),
    Fault(
        "corner-on-the-wrong-side-of-a-unit",
        "resnet_lib/analysis/variation.py",
        "left / (left - right)",
        "right / (right - left)",
        "smoothness-and-variation",
        ("analysis/test_variation.py::test_the_corners_of_one_hidden_layer_are_where_its_units_switch",),
    ),
    Fault(
        "corner-of-stacked-networks-on-the-wrong-side",
        "resnet_lib/analysis/variation.py",
        "before / (before - after) * (right - left)",
        "after / (after - before) * (right - left)",
        "smoothness-and-variation",
        ("analysis/test_variation.py::test_stacked_networks_have_the_corners_that_each_has_by_itself",),
    ),
    Fault(
        "flat-stretches-end-a-rise",
        "resnet_lib/analysis/variation.py",
        "carried = signs.gather(-1, last)",
        "carried = signs",
        "smoothness-and-variation",
        ("analysis/test_variation.py::test_turning_points_are_counted_over_flat_stretches",),
    ),
    Fault(
        "shortcut-left-out-around-a-regressor",
        "resnet_lib/experiments/smoothness_and_variation/regressors.py",
        'return found + x if setting.kind == "around" else found',
        "return found",
        "smoothness-and-variation",
        (
            "experiments/smoothness_and_variation/test_regressors.py"
            "::test_stacked_outputs_are_those_of_the_networks[around]",
        ),
    ),
    Fault(
        "penalty-left-out-of-what-is-descended",
        "resnet_lib/experiments/smoothness_and_variation/regressors.py",
        "descended = found if penalty is None else found + penalty(params)",
        "descended = found",
        "smoothness-and-variation",
        (
            "experiments/smoothness_and_variation/test_penalised.py"
            "::test_a_penalty_lowers_the_variation_at_the_same_loss",
        ),
    ),
    Fault(
        "tent-whose-fall-is-too-slow",
        "resnet_lib/experiments/smoothness_and_variation/functions.py",
        "-1 / peak - 1 / (1 - peak)",
        "-1 / (1 - peak)",
        "smoothness-and-variation",
        (
            "experiments/smoothness_and_variation/test_functions.py"
            "::test_a_tent_block_is_the_tent_and_its_share_of_it[0.5]",
        ),
    ),
    Fault(
        "field-of-a-neighbouring-unit",
        "resnet_lib/analysis/fields.py",
        "y[:, :, y.shape[2] // 2, y.shape[3] // 2]",
        "y[:, :, y.shape[2] // 2 - 1, y.shape[3] // 2]",
        "what-a-unit-sees",
        ("analysis/test_fields.py::test_gradients_are_rows_of_the_jacobian",),
    ),
    Fault(
        "width-of-one-axis",
        "resnet_lib/analysis/fields.py",
        "variances(maps).mean(dim=1).sqrt()",
        "variances(maps)[:, 0].sqrt()",
        "what-a-unit-sees",
        ("analysis/test_fields.py::test_moments_are_those_of_scipy",),
    ),
    Fault(
        "share-of-amplitudes-for-energies",
        "resnet_lib/analysis/fields.py",
        "else gain / (1 + gain)",
        "else gain**0.5 / (1 + gain**0.5)",
        "what-a-unit-sees",
        ("analysis/test_fields.py::test_shares_of_energy",),
    ),
    Fault(
        "fields-by-layers-and-not-by-blocks",
        "resnet_lib/experiments/what_a_unit_sees/published.py",
        "np.log((table.columns.to_numpy(dtype=float) - 2) / 2)",
        "np.log(table.columns.to_numpy(dtype=float))",
        "",
        ("experiments/what_a_unit_sees/test_published.py::test_measures_of_growth_on_a_known_table",),
    ),
    # flows
    Fault(
        "coefficient-of-a-stage",
        "resnet_lib/ode/tableaus.py",
        "(44 / 45, -56 / 15, 32 / 9,",
        "(44 / 45, -55 / 15, 32 / 9,",
        "stability-of-the-step",
        ("ode/test_tableaus.py::test_the_order_conditions_give_the_stated_order_and_no_more[dormand-prince]",),
    ),
    Fault(
        "stages-at-the-end-of-the-step",
        "resnet_lib/ode/steppers.py",
        "field(t + c * h, _combine(x, h, row, stages))",
        "field(t + h, _combine(x, h, row, stages))",
        "euler-and-its-limit",
        ("ode/test_solver.py::test_fixed_steps_agree_with_torchdiffeq_to_rounding",),
    ),
    Fault(
        "walls-that-wrap-around",
        "resnet_lib/linalg/grids.py",
        "2 * self.points - 1 - places)",
        "2 * self.points - 2 - places)",
        "solvers-as-networks",
        ("linalg/test_grids.py::test_between_walls_a_kernel_sees_the_mirrored_line",),
    ),
    Fault(
        "kicks-that-push",
        "resnet_lib/ode/propagators.py",
        "p = p + kick * step * a[half:, :half] @ q",
        "p = p - kick * step * a[half:, :half] @ q",
        "solvers-as-networks",
        ("ode/test_propagators.py::test_a_splitting_is_what_the_solver_does_in_a_step[leapfrog]",),
    ),
    Fault(
        "a-flux-that-is-made",
        "resnet_lib/experiments/solvers_as_networks/conservation.py",
        "return flux[:, :-1] - flux[:, 1:]",
        "return flux[:, :-1] - 0.99 * flux[:, 1:]",
        "solvers-as-networks",
        ("experiments/solvers_as_networks/test_conservation.py::test_an_exchange_moves_between_neighbours_only",),
    ),
    Fault(
        "a-shortcut-that-is-forgotten",
        "resnet_lib/experiments/solvers_as_networks/learning.py",
        "(inverse @ (y - x)).mT + torch.eye(",
        "(inverse @ y).mT + torch.eye(",
        "solvers-as-networks",
        ("experiments/solvers_as_networks/test_learning.py::test_dense_maps_are_those_of_least_squares[3]",),
    ),
    # what is said about it
    Fault(
        "swapped-control",
        "resnet_lib/experiments/plain_networks/measures.py",
        'return _points(rise(table, "original"), rise(table, "plain"))',
        'return _points(rise(table, "plain"), rise(table, "original"))',
        "plain-networks",
        (
            "experiments/plain_networks/test_measures.py::test_the_rise_is_from_the_best_depth_to_the_deepest_seed_by_seed",
        ),
    ),
    Fault(
        "interval-as-if-of-many-values",
        "resnet_lib/evidence/intervals.py",
        "stats.norm.sf(np.sqrt(n / (n - 1)) * stats.t.isf((1 - LEVEL) / 2, n - 1))",
        "stats.norm.sf(stats.norm.isf((1 - LEVEL) / 2))",
        "dropping-blocks",
        ("evidence/test_intervals.py::test_ends_are_quantiles_of_all_resamples[mean]",),
    ),
    Fault(
        "difference-of-pairs-reversed",
        "resnet_lib/evidence/significance.py",
        "return sides[0].to_numpy(np.float64) - sides[1].to_numpy(np.float64)",
        "return sides[1].to_numpy(np.float64) - sides[0].to_numpy(np.float64)",
        "projection-shortcuts",
        ("evidence/test_significance.py::test_pairs_are_matched_by_seed_whatever_the_order_of_rows",),
    ),
    Fault(
        "bound-of-a-rule-moved-by-20-percent",
        "claims.yml",
        "largest over the 10 blocks of the residual MLP with batch normalisation on digits, percentage points, "
        "running statistics as trained, one value a seed\n      holds_if: mean < 3\n",
        "largest over the 10 blocks of the residual MLP with batch normalisation on digits, percentage points, "
        "running statistics as trained, one value a seed\n      holds_if: mean < 3.6\n",
        "",
        ("evidence/test_ledger.py::test_the_book_says_what_claims_yml_expects",),
    ),
    # what a chapter has chosen, and no formula says
    Fault(
        "networks-of-another-width",
        "resnet_lib/experiments/dropping_blocks/networks.py",
        "nets.mlp(setting.blocks, 64, unit=unit_of(setting)",
        "nets.mlp(setting.blocks, 72, unit=unit_of(setting)",
        "dropping-blocks",
        ("experiments/test_chosen.py::test_a_chapter_trains_the_networks_that_its_page_names[dropping-digits]",),
    ),
    Fault(
        "another-schedule",
        "resnet_lib/experiments/eigenvalue_clustering/networks.py",
        'lr=setting.lr, schedule="one-cycle")',
        'lr=setting.lr, schedule="cosine")',
        "eigenvalue-clustering",
        (
            "experiments/test_chosen.py::test_a_chapter_trains_the_networks_that_its_page_names[eigenvalues-trained-mlp]",
        ),
    ),
    Fault(
        "fewer-epochs",
        "resnet_lib/experiments/lipschitz_bounds/stacks.py",
        "    epochs: int = 20\n",
        "    epochs: int = 16\n",
        "lipschitz-bounds",
        ("experiments/test_chosen.py::test_a_chapter_trains_the_networks_that_its_page_names[lipschitz-networks]",),
    ),
    Fault(
        "more-branch-than-guaranteed",
        "resnet_lib/experiments/lipschitz_bounds/comparisons.py",
        "alpha=GENTLE, beta=GENTLE",
        "alpha=2 * GENTLE, beta=GENTLE",
        "lipschitz-bounds",
        ("experiments/lipschitz_bounds/test_comparisons.py::test_the_gentle_guarantee_is_one_and_loses_little_signal",),
    ),
    Fault(
        "turned-on-one-side",
        "resnet_lib/experiments/when_eigenvalues_mislead/turned.py",
        "turn.mT @ jacobians @ turn",
        "jacobians @ turn",
        "when-eigenvalues-mislead",
        ("experiments/when_eigenvalues_mislead/test_turned.py::test_the_turned_trial_leaves_what_turning_leaves",),
    ),
    # chains of numbers
    Fault(
        "side-by-side-branches-in-a-row",
        "resnet_lib/experiments/one_number_twenty_layers/chains.py",
        'read = x if kind == "beside" else state',
        "read = state",
        "one-number-twenty-layers",
        ("experiments/one_number_twenty_layers/test_chains.py::test_a_chain_is_followed_layer_by_layer",),
    ),
    Fault(
        "gradient-of-the-gain-by-a-layer-too-many",
        "resnet_lib/experiments/one_number_twenty_layers/steps.py",
        "* output)[:, None] / factors",
        "* output)[:, None] * np.ones(layers)",
        "one-number-twenty-layers",
        ("experiments/one_number_twenty_layers/test_steps.py::test_the_step_is_two_over_the_curvature[False]",),
    ),
    Fault(
        "random-slopes-of-one-sign",
        "resnet_lib/experiments/one_number_twenty_layers/defaults.py",
        "slopes = setting.mean + size * normal",
        "slopes = setting.mean + size * normal.abs()",
        "one-number-twenty-layers",
        ("experiments/one_number_twenty_layers/test_defaults.py::test_chains_are_multiplied_one_by_one",),
    ),
    Fault(
        "gradient-s-factor-upside-down",
        "resnet_lib/experiments/one_number_twenty_layers/layers.py",
        "gradient = back[0].norm(dim=1) / back[1].norm(dim=1)",
        "gradient = back[1].norm(dim=1) / back[0].norm(dim=1)",
        "one-number-twenty-layers",
        ("experiments/one_number_twenty_layers/test_layers.py::test_factors_are_those_of_the_jacobians",),
    ),
    Fault(
        "sent-direction-drawn-afresh",
        "resnet_lib/experiments/one_number_twenty_layers/layers.py",
        "sent = (sent @ layer.weight.T) * on",
        "sent = (v @ layer.weight.T) * on",
        "one-number-twenty-layers",
        ("experiments/one_number_twenty_layers/test_layers.py::test_factors_are_those_of_the_jacobians",),
    ),
    Fault(
        "inverse-of-wrong-sign",
        "resnet_lib/analysis/inverses.py",
        "x = (y - branch * value) / skip",
        "x = (y + branch * value) / skip",
        "keeping-inputs-distinct",
        ("analysis/test_inverses.py::test_a_relu_block_is_undone_within_its_bound",),
    ),
    Fault(
        "bound-one-step-too-early",
        "resnet_lib/experiments/keeping_inputs_distinct/blocks.py",
        "c**times / (1 - c) * first",
        "c ** (times + 1) / (1 - c) * first",
        "keeping-inputs-distinct",
        ("experiments/keeping_inputs_distinct/test_blocks.py::test_the_error_of_a_shrinking_branch_is_its_bound",),
    ),
    Fault(
        "readout-judged-where-it-learned",
        "resnet_lib/experiments/keeping_inputs_distinct/trained.py",
        "return readouts.explained(found(states[2]), first[2])",
        "return readouts.explained(found(states[0]), first[0])",
        "keeping-inputs-distinct",
        (
            "experiments/keeping_inputs_distinct/test_trained.py::test_a_readout_is_judged_on_images_that_it_has_not_seen",
        ),
    ),
    Fault(
        "fold-of-wrong-sign",
        "resnet_lib/experiments/keeping_inputs_distinct/folds.py",
        'weights["branch.weight2.weight"][:, :, 0] = -sent',
        'weights["branch.weight2.weight"][:, :, 0] = sent',
        "keeping-inputs-distinct",
        (
            "experiments/keeping_inputs_distinct/test_folds.py"
            "::test_a_fold_merges_two_inputs_around_its_state_and_nothing_where_its_unit_is_off",
        ),
    ),
    Fault(
        "angle-of-relu-without-its-cosine",
        "resnet_lib/experiments/keeping_inputs_distinct/collapse.py",
        "np.sin(angle) - angle * np.cos(angle)",
        "np.sin(angle) - angle",
        "keeping-inputs-distinct",
        (
            "experiments/keeping_inputs_distinct/test_collapse.py"
            "::test_the_map_of_a_relu_layer_is_that_of_quadrature[1.0]",
        ),
    ),
    Fault(
        "pair-that-shrinks-in-the-search",
        "resnet_lib/analysis/collisions.py",
        "half = reach[:, None] / 2 * turn / row_norms(turn)[:, None]",
        "half = reach[:, None] / 2 * turn",
        "keeping-inputs-distinct",
        ("analysis/test_collisions.py::test_pairs_keep_their_distance_and_ratios_are_those_of_the_pairs",),
    ),
)

CHANGED = ("resnet_lib", "tests", "claims.yml")
"""What a copy has for itself; everything else of the book is the checkout's."""
SKIPPED = shutil.ignore_patterns("*.pyc.*")  # bytecode goes along, but for what is being written


def faulty(fault: Fault, root: Path = ROOT) -> str:
    """The text of the fault's file with the fault in it.

    Raises:
        ValueError: Where the text that it replaces is not there, or there more than once.
    """
    text = (root / fault.file).read_text()
    if (count := text.count(fault.old)) != 1:
        raise ValueError(
            f"fault {fault.name!r}: {fault.file} has {fault.old!r} {count} times, and has to have it once; the code "
            "has changed: plant the fault where its line has gone, in tests/planted.py"
        )
    return text.replace(fault.old, fault.new)


def copied(target: Path, fault: Fault | None = None) -> Path:
    """A copy of the book in the folder `target`, with a fault or without, whose commands write nothing elsewhere.

    Package, tests and claims.yml are copied, for they are what faults change. All other files are linked.
    """
    target.mkdir(parents=True)
    for path in sorted(ROOT.iterdir()):
        if path.name in CHANGED:
            if path.is_dir():
                shutil.copytree(path, target / path.name, ignore=SKIPPED)
            else:
                shutil.copy2(path, target)
        elif not path.name.startswith((".", "_build")):
            (target / path.name).symlink_to(path, target_is_directory=path.is_dir())
    if fault:
        change(target / fault.file, faulty(fault))
    return target


def change(file: Path, text: str) -> None:
    """Write another text into a file of a copy, and forget its bytecode, which one of the same second would keep."""
    file.write_text(text)
    for bytecode in (file.parent / "__pycache__").glob(f"{file.stem}.*"):
        bytecode.unlink()


def command(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What a module of the copy in `root` says as a command, e.g. `command(root, "pytest", "-q")`."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=root,
        env=forks.environment(root),
        capture_output=True,
        text=True,
        check=False,
    )


@dataclass(frozen=True)
class Outcome:
    """What tests said of a copy.

    Attributes:
        status: Of pytest: 0 where all passed, 1 where one failed; None where it did not end.
        failed: The tests that failed by an assertion or an exception of their own.
        said: Everything that was printed.
    """

    status: int | None
    failed: tuple[str, ...]
    said: str

    @property
    def seen(self) -> bool:
        """Whether a test has failed, and not merely could not be run."""
        return self.status == 1 and bool(self.failed) and not re.search(r"^ERROR ", self.said, re.MULTILINE)


def tested(root: Path, tests: Sequence[str]) -> Outcome:
    """Run some tests of the copy in `root`, up to the first that fails."""
    status, said = forks.pytested(root, tests)
    return Outcome(status, tuple(re.findall(r"^FAILED tests/(\S+)", said, re.MULTILINE)), said)


def replicated(root: Path, chapter: str) -> tuple[str, ...]:
    """The errors of `resnet-lib replicate CHAPTER` in the copy in `root`; empty where the chapter replicates."""
    done = command(root, "resnet_lib.cli", "replicate", chapter)
    if not done.returncode:
        return ()
    found = re.search(r"does not replicate what is published:\n(.*)", done.stderr, re.DOTALL)
    lines = (found[1] if found else done.stderr).splitlines()
    return tuple(line.strip() for line in lines if line.strip()) if found else (lines[-1] if lines else "no message",)


@contextmanager
def planted(fault: Fault | None) -> Iterator[Path]:
    """A copy of the book with the fault in it, as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        yield copied(Path(folder) / "book", fault)


def report(faults: Sequence[Fault], *, replicate: bool) -> int:
    """Print a table of what sees each fault; how many nothing sees, or which a copy without a fault is charged with."""
    missed = 0
    if replicate:
        for chapter in dict.fromkeys(fault.chapter for fault in faults if fault.chapter):
            with planted(None) as root:
                errors = replicated(root, chapter)
            missed += bool(errors)
            print(f"{'(no fault)':40} {chapter:26} {told(errors) if errors else 'silent, as it should be'}", flush=True)
    for fault in faults:
        sees = []
        with planted(fault) as root:
            if fault.tests and (outcome := tested(root, fault.tests)).seen:
                sees.append(outcome.failed[0])
            if replicate and fault.chapter and (errors := replicated(root, fault.chapter)):
                sees.append(f"replication of {fault.chapter}: {told(errors)}")
        missed += not sees
        print(f"{fault.name:40} {'; '.join(sees) or 'SEEN BY NOTHING'}", flush=True)
    print(f"{len(faults)} faults")
    return missed


def told(errors: Sequence[str]) -> str:
    """The first of some errors, and how many there are."""
    return f"{len(errors)} errors, the first: {errors[0]}" if len(errors) > 1 else errors[0]


def main() -> None:
    """The command; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m tests.planted", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="Some of the faults; the default is all of them.")
    parser.add_argument("--replicate", action="store_true", help="Compute the fault's chapter too; takes minutes each.")
    chosen = parser.parse_args()
    known = {fault.name: fault for fault in FAULTS}
    if unknown := [name for name in chosen.names if name not in known]:
        parser.error(f"NAME={unknown[0]!r} is no fault; known: {', '.join(known)}")
    faults = [known[name] for name in chosen.names] or list(FAULTS)
    if not chosen.replicate:
        faults = [fault for fault in faults if fault.tests]
    sys.exit(report(faults, replicate=chosen.replicate) > 0)


if __name__ == "__main__":
    main()
