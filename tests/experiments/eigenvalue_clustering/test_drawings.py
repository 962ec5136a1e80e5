"""The chapter's figures, drawn from tables whose values are known."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.patches import Circle

from resnet_lib.evidence import charts, style
from resnet_lib.experiments.eigenvalue_clustering import drawings, networks
from tests.experiments.artists import bars, drawn, labels, line, lines, scattered, title
from tests.experiments.eigenvalue_clustering.made_tables import product_table, trained_table


def points(axis: Axes) -> list[list[float]]:
    """Where the scattered points of a panel lie, marker after marker."""
    return np.concatenate(scattered(axis)).round(9).tolist()


@pytest.fixture
def draws() -> pd.DataFrame:
    """Two eigenvalues of each branch; those of another draw, a wide branch and a branch of size zero are not shown."""
    rows = [
        ("gaussian", 128, 0.5, 0, 1.25, 0.5),
        ("gaussian", 128, 0.5, 0, 0.75, -0.5),
        ("gaussian", 128, 0.5, 1, 9, 9),
        ("gaussian", 512, 0.5, 0, 9, 9),
        ("gaussian", 128, 1.0, 0, 2, 0),
        ("he", 128, 1.0, 0, 1, 0),
        ("he", 128, 1.0, 0, 2, 0.25),
        ("he", 128, 0.0, 0, 9, 9),
    ]
    return drawings.one_draw(
        pd.DataFrame(rows, columns=["ensemble", "dimension", "scale", "seed", "real", "imag"]).astype({"scale": float})
    )


def test_every_branch_has_a_panel_with_its_eigenvalues_and_the_predicted_disc(draws):
    panels = drawn(drawings.discs, draws).axes
    assert [title(axis) for axis in panels] == ["Gaussian, $s=0.5$", "Gaussian, $s=1$", "He, $W_2DW_1$"]
    assert panels[0].get_ylabel() == "imaginary part"
    assert {axis.get_xlabel() for axis in panels} == {"real part"}
    assert [points(axis) for axis in panels] == [[[1.25, 0.5], [0.75, -0.5]], [[2, 0]], [[1, 0], [2, 0.25]]]
    discs = [[patch for patch in axis.patches if isinstance(patch, Circle)] for axis in panels]
    # The unit circle, what counts as near the identity, and the prediction: for He's branches larger by sqrt(2).
    assert [[disc.center for disc in each] for each in discs] == [[(0, 0), (1, 0), (1, 0)]] * 3
    np.testing.assert_allclose([[disc.radius for disc in each][2] for each in discs], [0.5, 1, 2**0.5])
    np.testing.assert_allclose([[disc.radius for disc in each][:2] for each in discs], [[1, 0.25]] * 3)


def test_the_chart_of_the_disc_has_a_slider_and_a_choice(draws):
    with style.style():
        spec = charts.specification("eig-disc", drawings.scaled_disc(draws))
    inputs = charts.inputs(spec)
    assert inputs["size"]["max"] == 1.2
    assert inputs["branch"]["labels"] == ["Gaussian, one layer", "He, two layers"]


def test_the_map_shows_the_spread_of_each_size_and_depth_up_to_its_cap():
    made = product_table(lambda s, depth: s * depth / 20)
    plain = made[made["branch"] == "independent"].assign(skip=0.0, log10_max=0.5)
    contracting = made.assign(branch="contracting")
    table = drawings.spread_by_size_and_depth(pd.concat([made, plain, contracting]))
    *maps, bar = drawn(drawings.phases, table).axes
    assert [title(axis) for axis in maps] == ["residual, independent", "residual, shared", "plain"]
    assert {axis.get_xlabel() for axis in maps} == {"depth $L$"}
    assert maps[0].get_ylabel() == "branch size $s$"
    assert bar.get_ylabel() == "decades from an isometry"
    meshes = [next(each for each in axis.collections if isinstance(each, QuadMesh)) for axis in maps]
    residual, _, without = (np.asarray(mesh.get_array()).reshape(13, 5) for mesh in meshes)
    np.testing.assert_allclose(residual[0], np.array([10, 30, 100, 300, 1000]) / 1000 / 20)
    np.testing.assert_allclose(residual[-1], [0.5, 1.5, 5, drawings.SPREAD_CAP, drawings.SPREAD_CAP])
    np.testing.assert_allclose(without, 0.5)
    guides = [[y for _, y in lines(axis)] for axis in maps]  # where a factor of 10 is expected
    depths = np.array([10, 30, 100, 300, 1000])
    np.testing.assert_allclose(guides[0], [depths**-0.5])
    np.testing.assert_allclose(guides[1], [1.3 / depths])
    assert guides[2] == []


def test_gains_are_histograms_beside_the_normal_law():
    laws = {"independent": -2.0, "gaussian": 1.0}
    rows = [(law, 1000, 0.1, seed, value) for law, value in laws.items() for seed in (0, 1)]
    rows += [("independent", 100, 0.1, 0, 5.0), ("independent", 1000, 0.01, 0, 5.0)]  # other products
    table = pd.DataFrame(rows, columns=["law", "depth", "scale", "seed", "log10_residual"])
    (axis,) = drawn(drawings.gains, drawings.thousand_layers(table)).axes
    assert axis.get_xlabel() == r"$\log_{10}$ gain after 1,000 blocks"
    assert axis.get_ylabel() == "density"
    assert sorted(labels(axis)) == ["no shared eigenvectors", "normal law of the text", "shared eigenvectors"]
    for ((low, high, density),), value in zip(bars(axis), laws.values(), strict=True):
        assert low - 1e-9 <= value <= high + 1e-9
        assert density * (high - low) == pytest.approx(1)
    x, y = line(axis, "normal law of the text")
    width = x[1] - x[0]
    mean = width * (x @ y)
    assert width * y.sum() == pytest.approx(1, abs=1e-3)
    assert mean == pytest.approx(-5 * np.log10(np.e), abs=1e-2)  # 1,000 * 0.1^2 / 2 nats
    assert width * ((x - mean) ** 2 @ y) == pytest.approx(10 * np.log10(np.e) ** 2, abs=0.02)


def test_spectra_have_a_row_a_moment_and_a_column_a_network():
    rows = [
        (variant, epoch, block, 1 + block / 10, epoch / 100)
        for variant in ("residual", "plain")
        for epoch in (0, 20)
        for block in (0, 4, 9)
    ]
    table = pd.DataFrame(rows, columns=["variant", "epoch", "block", "real", "imag"]).assign(seed=0)
    panels = np.array(drawn(drawings.trained_spectra, drawings.spectra(table)).axes).reshape(2, 2)
    assert [title(axis) for axis in panels[0]] == ["residual, unscaled", "plain, He"]
    assert [axis.get_ylabel() for axis in panels[:, 0]] == ["before training", "after 20 epochs"]
    assert points(panels[0, 0]) == [[1, 0], [1.4, 0], [1.9, 0]]
    assert points(panels[1, 1]) == [[1, 0.2], [1.4, 0.2], [1.9, 0.2]]


def test_fractions_are_drawn_through_training():
    table = networks.near_identity(trained_table())
    near, exact, norm = drawn(drawings.trained_mlp, table[table["kind"] == "mlp"]).axes
    assert [axis.get_ylabel() for axis in (near, exact, norm)] == [
        "fraction within 0.5 of 1",
        "fraction exactly 1",
        "spectral norm of the branch",
    ]
    assert {axis.get_xlabel() for axis in (near, exact, norm)} == {"epoch"}
    assert labels(near) == ["residual, unscaled", r"residual, $1/\sqrt{L}$", "plain, He"]
    x, y = line(near, "residual, unscaled")
    assert x.tolist() == [0, 20]
    np.testing.assert_allclose(y, [0.4, 0.6])  # the network of rate zero is left out
    np.testing.assert_allclose(line(norm, "residual, unscaled")[1], [2.5, 5.5])  # means over the seeds
    assert "plain, He" not in labels(norm)
    (axis,) = drawn(drawings.trained_conv, table[table["kind"] == "conv"]).axes
    assert title(axis) == "4 blocks"
    shares = {label: line(axis, label)[1].tolist() for label in labels(axis)}
    assert shares == {"residual, batch norm": [0.4], "residual, zero-gamma": [1.0], "plain, batch norm": [0.0]}
