"""The chapter's interactive figures: the two tents at any depth, and a slope with its gain and its stable step."""

import altair as alt
import numpy as np
import pandas as pd
from scipy import stats

from resnet_lib.evidence.charts import Chart
from resnet_lib.evidence.interactive import slider, worded
from resnet_lib.evidence.style import ink

STEP = 0.05  # of the slider for the spread of the weights
PLAIN = (-(np.euler_gamma + np.log(2)) / 2, np.sqrt(np.pi**2 / 8), -1.535)  # of ln|z|: mean, deviation, skewness


def moments(size: float) -> tuple[float, float, float]:
    """Mean, standard deviation and skewness of `ln|1 + size z|` for a normal `z`, by summation over a grid."""
    z = np.linspace(-10, 10, 200_001) + 1.7e-6  # on no zero of the logarithm
    weights, logs = stats.norm.pdf(z) / stats.norm.pdf(z).sum(), np.log(np.abs(1 + size * z))
    mean = weights @ logs
    deviation = np.sqrt(weights @ (logs - mean) ** 2)
    return mean, deviation, weights @ (logs - mean) ** 3 / deviation**3


def independent(mean: str, deviation: str, skewness: str) -> str:
    """An expression for the share of chains of independent slopes that are healthy: normal, corrected by skewness."""

    def below(end: str) -> str:
        at = f"(({end} - layers * {mean}) / ({deviation} * sqrt(layers)))"
        return f"(cumulativeNormal({at}) - densityNormal({at}) * {skewness} * ({at} * {at} - 1) / (6 * sqrt(layers)))"

    return f"max(0, min(1, {below('LN10')} - {below('(-LN10)')}))"


def tents(_: pd.DataFrame) -> Chart:
    """Both tents under sliders for the depth and for the spread of the default weights."""
    layers = slider("layers", "layers L (number)", 20, (1, 200), step=1)
    size = slider("size", "standard deviation of the default weights (slope)", 0.2, (0.05, 1), step=0.05)
    edge = "pow(10, 1 / layers)"
    table = np.round([moments(STEP * i) for i in range(1, 21)], 4).T.tolist()
    residual = independent(*(f"{row}[round(size / {STEP}) - 1]" for row in table))
    plain = independent(f"(log(size) + {PLAIN[0]:.4f})", f"{PLAIN[1]:.4f}", f"({PLAIN[2]})")

    def inside(centre: int) -> str:
        """The share of a normal slope about 0 that lies in the interval, or its mirror image, that is healthy."""
        ends = [f"{sign}1 * {edge} - {1 - centre}" for sign in "+-"] + [
            f"{sign}1 / {edge} - {1 - centre}" for sign in "+-"
        ]
        outer, mirrored, inner, inner_mirrored = (f"cumulativeNormal({end}, 0, size)" for end in ends)
        return f"({outer} - {inner} + {inner_mirrored} - {mirrored})"

    told = alt.param(
        name="told",
        expr=f"'Slopes from ' + format(1 / {edge}, '.4f') + ' to ' + format({edge}, '.4f') + ' are healthy in a plain "
        f"chain, from ' + format(1 / {edge} - 1, '.4f') + ' to ' + format({edge} - 1, '.4f') + ' in a residual one; of "
        f"the default weights that is ' + format({inside(1)}, '.0%') + ' and ' + format({inside(0)}, '.0%') + ', where "
        f"all layers share one. Where each draws its own, they partly cancel: about ' + format({plain}, '.0%') + "
        f"' and ' + format({residual}, '.0%') + ' of the chains are healthy.'",
    )
    x = alt.X("a:Q", title="slope a of every layer", scale=alt.Scale(domain=(-2.4, 1.6)))
    decades = "log10 of the gain"
    y = alt.Y("gain:Q", title=decades, scale=alt.Scale(domain=(-20, 10)))

    def panel(shift: int, colour: str, title: str) -> alt.LayerChart | alt.FacetChart:
        slopes = alt.Chart(alt.sequence(-2.4, 1.605, 0.01, as_="a"))
        gain = slopes.transform_calculate(gain=f"layers * log(max(abs(datum.a + {shift}), 1e-9)) / LN10")
        bell = slopes.transform_calculate(gain="-20 + 8 * exp(-pow(datum.a / size, 2) / 2)", low="-20")
        band = alt.Chart(alt.sequence(-1, 0, 1, as_="low")).transform_calculate(high="1")
        return alt.layer(
            band.mark_rect(color=ink("reference"), opacity=0.3).encode(y=alt.Y("low:Q", title=decades), y2="high:Q"),
            bell.mark_area(color=ink("scaled"), opacity=0.4, clip=True).encode(x, y, y2="low:Q"),
            gain.mark_line(color=ink(colour), clip=True).encode(x, y),
        ).properties(width=300, height=240, title=title)

    panels = panel(0, "plain", "plain"), panel(1, "pre", "residual")
    return worded(
        alt.concat(*panels, columns=2).add_params(layers, size, told),
        """
        two tents, at any depth

        Set the number of layers, and how widely the default weights scatter. Grey: gains between a tenth and ten. The
        hill: the density of the default weights, which have the mean 0. More layers make both tents steeper and both
        edges narrower, by the same amount. The sentence counts chains whose layers share one slope, which is the part
        of the hill over the band, and chains whose slopes are independent, which for few layers is rounded.

        Two panels with the logarithm of the gain over the slope. The plain curve falls to minus infinity at slope 0,
        where the default weights are densest; the residual one does so at slope -1, and crosses zero at 0.
        """,
    )


def price(table: pd.DataFrame) -> Chart:
    """Gain and largest stable step over the slope, under sliders for the slope and the depth."""
    slope = slider("a", "slope a of every branch (factor)", 0, (-0.5, 1), step=0.01)
    layers = slider("layers", "layers L (number)", 20, (1, 100), step=1)
    gain, step = "layers * log(1 + {a}) / LN10", "-(2 * layers - 2) * log(1 + {a}) / LN10"
    names = ["gain", "largest stable step, against slope 0"]
    factor = "pow(1 + a, (a < 0 ? -1 : 1) * (2 * layers - 2))"
    told = alt.param(
        name="told",
        expr="layers + (layers == 1 ? ' layer' : ' layers') + ' of slope ' + format(a, '.2f') + ': the gradient is '"
        " + 'multiplied by ' + format(pow(1 + a, layers), ',.4~r') + ', and the largest stable step is ' + "
        f"format({factor}, {factor} < 1e9 ? ',.7~r' : '.2e') + (a < 0 ? ' times larger' : ' times smaller') + "
        "' than at slope 0.'",
    )
    x = alt.X("a:Q", title="slope a of every branch", scale=alt.Scale(domain=(-0.5, 1)))
    y = alt.Y("decades:Q", title="decades (powers of ten)", scale=alt.Scale(domain=(-15, 15)))
    colours = alt.Scale(domain=names, range=[ink("pre"), ink("plain")])
    legend = alt.Legend(title=None, orient="top")
    colour = alt.Color("what:N", scale=colours, legend=legend)
    dash = alt.StrokeDash("what:N", scale=alt.Scale(domain=names, range=[[1, 0], [6, 3]]), legend=legend)

    def both(chart: alt.Chart, place: str) -> alt.Chart:
        told = chart.transform_calculate(**{names[0]: gain.format(a=place), names[1]: step.format(a=place)})
        return told.transform_fold([*names], as_=["what", "decades"])

    curves = both(alt.Chart(alt.sequence(-0.5, 1.005, 0.01, as_="a")), "datum.a")
    here = alt.Chart(alt.sequence(0, 1, 1, as_="one")).transform_calculate(a="a")
    measured = table[table["layers"].isin([5, 10, 20, 40, 80])][["layers", "slope", "larger"]]
    dots = (
        alt.Chart(measured.rename(columns={"layers": "depth", "slope": "a", "larger": "decades"}))
        .transform_filter("datum.depth == layers")
        .mark_point(color=ink("plain"), size=40, clip=True)
    )
    return worded(
        alt.layer(
            here.mark_rule(color=ink("reference")).encode(x),
            curves.mark_line(clip=True).encode(x, y, color=colour, strokeDash=dash),
            dots.encode(x, y),
            both(here, "datum.a").mark_point(filled=True, size=110, clip=True, opacity=1).encode(x, y, color=colour),
        )
        .add_params(slope, layers, told)
        .properties(width=420, height=280),
        """
        a gain and its price

        Drag the slope to 0.5 at 20 layers, and read off the sentence what the gradient is multiplied by, and what the
        learning rate has to be. Curves: the formulas of the text. Open points: steps that were found by trying, at 5,
        10, 20, 40 and 80 layers.

        Two curves over the slope, which cross at slope 0. Where the gain rises, the largest stable step falls about
        twice as fast, in powers of ten; for negative slopes it is the other way round.
        """,
    )
