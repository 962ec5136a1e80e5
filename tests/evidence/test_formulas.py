"""Formulas that are set while the pages are made: they say what the TeX says, and none of the book is left over."""

from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from resnet_lib.evidence import formulas, markup, statements

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("tex", "mathml"),
    [
        (r"\tfrac12", "<mfrac><mn>1</mn><mn>2</mn></mfrac>"),
        (r"\frac{a}{b}", "<mfrac><mi>a</mi><mi>b</mi></mfrac>"),
        (r"d_{\rm out}", "<msub><mi>d</mi><mi>out</mi></msub>"),
        (r"\big(x\big)", '<mo stretchy="false">(</mo><mi>x</mi><mo stretchy="false">)</mo>'),
        (r"a<b", "<mi>a</mi><mo>&lt;</mo><mi>b</mi>"),
        (r"\sqrt d", "<msqrt><mi>d</mi></msqrt>"),
    ],
)
def test_a_formula_is_mathml(tex: str, mathml: str):
    assert formulas.mathml(tex) == f'<math xmlns="http://www.w3.org/1998/Math/MathML">{mathml}</math>'


@pytest.mark.parametrize("tex", [r"\nonsense", r"\frac{a}", "x^"])
def test_what_docutils_does_not_know_is_left_to_mathjax(tex: str):
    assert formulas.static(f"a ${tex}$") == markup.prose(f"a ${tex}$")


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
