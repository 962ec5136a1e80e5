"""Formulas that are set while the pages are made: they say what the TeX says, and none of the book is left over."""

from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from resnet_lib.evidence import formulas, markup, statements

ROOT = Path(__file__).parents[2]
THIN = '<mspace width="0.1667em"></mspace>'


@pytest.mark.parametrize(
    ("tex", "mathml"),
    [
        (r"\tfrac12", "<mfrac><mn>1</mn><mn>2</mn></mfrac>"),
        (r"\frac{a}{b}", "<mfrac><mi>a</mi><mi>b</mi></mfrac>"),
        (r"d_{\rm out}", "<msub><mi>d</mi><mi>out</mi></msub>"),
        (r"\big(x\big)", '<mo stretchy="false">(</mo><mi>x</mi><mo stretchy="false">)</mo>'),
        (r"a<b", "<mi>a</mi><mo>&lt;</mo><mi>b</mi>"),
        (r"\sqrt d", "<msqrt><mi>d</mi></msqrt>"),
        (
            r"\lVert x\rVert^2",  # of one size: a browser would lower the second bar, which it takes for a raised one
            '<mo class="mathopen" stretchy="false" lspace="0" rspace="0">‖</mo><mi>x</mi>'
            '<msup><mo stretchy="false" lspace="0" rspace="0">‖</mo><mn>2</mn></msup>',
        ),
        (
            r"\frac{\lVert x\rVert^2}2",
            '<mfrac><mrow><mo class="mathopen" stretchy="false" lspace="0" rspace="0">‖</mo><mi>x</mi>'
            '<msup><mo stretchy="false" lspace="0" rspace="0">‖</mo><mn>2</mn></msup></mrow><mn>2</mn></mfrac>',
        ),
        (
            r"\left|\frac{a}{b}\right|",
            '<mrow><mo lspace="0" rspace="0">|</mo><mfrac><mi>a</mi><mi>b</mi></mfrac><mo lspace="0" rspace="0">|</mo>'
            "</mrow>",
        ),
        (
            r"\begin{cases}1\\2\end{cases}",
            '<mrow><mo rspace="0.17em">{</mo><mtable columnalign="left" class="cases"><mtr><mtd><mn>1</mn></mtd></mtr>'
            "<mtr><mtd><mn>2</mn></mtd></mtr></mtable></mrow>",
        ),
        (
            r"2\operatorname{tr}T",
            f'<mn>2</mn>{THIN}<mi mathvariant="normal">tr</mi><mo>&ApplyFunction;</mo>{THIN}<mi>T</mi>',
        ),
        (
            r"\ln(x)",
            '<mi>ln</mi><mo>&ApplyFunction;</mo><mo stretchy="false">(</mo><mi>x</mi><mo stretchy="false">)</mo>',
        ),
        (r"\log_2 x", f"<msub><mi>log</mi><mn>2</mn></msub>{THIN}<mi>x</mi>"),
        (r"d_{\rm out}x", "<msub><mi>d</mi><mi>out</mi></msub><mi>x</mi>"),
    ],
)
def test_a_formula_is_mathml(tex: str, mathml: str):
    assert formulas.mathml(tex) == f'<math xmlns="http://www.w3.org/1998/Math/MathML">{mathml}</math>'


def test_what_sphinx_puts_around_rows_is_taken_away_where_they_are_those_of_a_matrix():
    """Sphinx takes the end of a row inside for one of its own, and docutils knows no `split`."""
    for inside in (r"A=\begin{pmatrix}1&2\\3&4\end{pmatrix} .", r"\begin{aligned}a&=b\\c&=d\end{aligned}", "x"):
        assert formulas.mathml(rf"\begin{{split}} {inside} \end{{split}}", True) == formulas.mathml(inside, True) != ""
    assert formulas.mathml(r"\begin{split}a&=b\\c&=d\end{split}") == ""


@pytest.mark.parametrize("tex", [r"\nonsense", r"\frac{a}", "x^"])
def test_what_docutils_does_not_know_is_left_to_mathjax(tex: str):
    assert formulas.static(f"a ${tex}$") == markup.prose(f"a ${tex}$")


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("of $x$.", 'of <span class="rl-together">{}.</span>'),
        ("(the $x$, so)", '(the <span class="rl-together">{},</span> so)'),
        ("($x$)", '<span class="rl-together">({})</span>'),
        ("$x$ is", "{} is"),
    ],
)
def test_a_formula_stays_on_the_line_of_the_marks_that_touch_it(text: str, html: str):
    assert formulas.static(text) == html.format(formulas.mathml("x"))
    assert formulas.typeset(markup.prose(text)) == html.format(formulas.mathml("x"))


@given(st.text(alphabet="ab<>&\"' {}^_", max_size=20))
def test_text_around_a_formula_is_escaped(plain: str):
    soup = BeautifulSoup(formulas.static(f"{plain}$x$"), "html.parser")
    assert soup.get_text() == f"{plain}x"


def test_no_formula_of_the_book_is_left_to_mathjax():
    """They would be set one by one while the ledger is read, and move what is below."""
    left = []
    for statement in statements.load(ROOT / "claims.yml").statements:
        texts = [statement.title, statement.statement, statement.when]
        texts += [
            words for claim in statement.claims for words in (claim.statement, claim.measure, claim.control.measure)
        ]
        left += [tex for text in texts for tex in markup.MATHEMATICS.findall(text) if not formulas.mathml(tex)]
    assert left == []
