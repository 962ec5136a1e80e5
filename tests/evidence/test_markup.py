import jinja2
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from resnet_lib.evidence import markup


def test_mathematics_comes_out_as_sphinx_writes_it() -> None:
    assert markup.prose("size $s/\\sqrt d$, or less") == (
        'size <span class="math notranslate nohighlight">\\(s/\\sqrt d\\)</span>, or less'
    )


def test_a_formula_is_made_by_whoever_is_asked() -> None:
    assert markup.prose("a $x<y$", formula=lambda tex: markup.Markup("[{}]").format(tex)) == "a [x&lt;y]"


@given(st.text(alphabet="ab<>&\"' \\{}^_", max_size=20), st.text(alphabet="ab<>&\"' {}^_", min_size=1, max_size=20))
def test_a_browser_reads_back_what_was_written(plain: str, tex: str) -> None:
    plain = plain.rstrip("\\")  # a backslash in front of a dollar makes it a character
    soup = BeautifulSoup(markup.prose(f"{plain}${tex}$"), "html.parser")
    assert soup.get_text() == f"{plain}\\({tex}\\)"
    assert [span.get("class") for span in soup.find_all()] == [["math", "notranslate", "nohighlight"]]


def test_an_escaped_dollar_is_a_dollar_that_mathjax_does_not_take() -> None:
    assert markup.prose(r"costs 5\$ and 6\$") == "costs 5<span>$</span> and 6<span>$</span>"
    assert BeautifulSoup(markup.prose(r"$a$ for 5\$"), "html.parser").get_text() == r"\(a\) for 5$"


@pytest.mark.parametrize("text", ["$a", "a$", "$a$ and $", "$$", "$a$$"])
def test_a_dollar_without_partner_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"has a \$ that does not delimit mathematics; pair it"):
        markup.prose(text)


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.98234, 2, "0.98"),
        (0.9982, 2, "1.0"),
        (-0.9982, 4, "-0.9982"),
        (123.4, 2, "120"),
        (123.4, 4, "123.4"),
        (0.0, 2, "0.0"),
        (-1e-320 * 0, 2, "0.0"),
        (3.14e-15, 2, "3.1e-15"),
        (9.96e-16, 2, "1.0e-15"),
        (1234567.0, 2, "1.2e+06"),
        (0.00012345, 3, "0.000123"),
    ],
)
def test_numbers(value: float, digits: int, text: str) -> None:
    assert markup.number(value, digits) == text


@given(st.floats(-1e300, 1e300), st.integers(2, 8))
def test_a_number_is_within_half_a_unit_of_its_last_digit(value: float, digits: int) -> None:
    shown = float(markup.number(value, digits))
    assert shown == pytest.approx(value, rel=0.5 * 10.0 ** (1 - digits), abs=5e-324)


def test_ranges_and_grids() -> None:
    assert markup.ranges([0, 1, 2, 3, 7, 8, 10]) == "0–3, 7, 8, 10"
    assert markup.ranges([]) == ""
    settings = [{"scale": 0.1, "d": 8}, {"scale": 0.5, "d": 8}, {"scale": 0.1, "unit": "post"}]
    assert markup.grid(settings) == {"scale": "0.1, 0.5", "d": "8", "unit": "post"}


def test_a_template_that_misses_a_value_says_which() -> None:
    with pytest.raises(jinja2.UndefinedError, match="'dict object' has no attribute 'id'"):
        markup.render("card.html", claim={"status": "holds"}, rows=[], exact=False, interval=False, surprises=False)


def test_a_table_scrolls_by_itself_has_a_name_and_no_empty_head():
    shown = str(markup.table('Steps of "A"', pd.DataFrame({"method": ["euler"], "step": [float("nan")]})).data)
    assert 'aria-label="Steps of &#34;A&#34;"' in shown
    assert 'tabindex="0"' in shown
    assert "<th></th>" not in shown
    assert "<td>–</td>" in shown


@pytest.mark.parametrize(
    ("effect", "low", "high", "told"),
    [
        (0.1183, -0.5, 0.496, "0.12 (−0.50 to 0.50)"),
        (-12.34, -15.21, -10.06, "−12.3 (−15.2 to −10.1)"),
        (13781.0, 12000.0, 15400.0, "13800 (12000 to 15400)"),
        (33.9, 33.9, 33.9, "34"),
        (0.0312, None, None, "0.031"),
        (-1e-12, -2e-12, 1e-12, "−1.0e-12 (−2.0e-12 to 1.0e-12)"),
        (3e8, 1e8, 6e8, "3.0e+08 (1.0e+08 to 6.0e+08)"),
        (99.96, 99.92, 99.99, "99.960 (99.920 to 99.990)"),
    ],
)
def test_an_interval_has_two_digits_of_what_it_leaves_open(effect, low, high, told):
    assert markup.interval(effect, low, high) == told


def test_an_id_breaks_where_its_words_end_and_is_escaped():
    assert markup.breakable("a-b.c<") == "a-<wbr>b.<wbr>c&lt;"
