"""The verdict that a claim has on evidence, for the tests that turn it."""

from pathlib import Path

from resnet_lib.evidence import claims, statements
from resnet_lib.evidence.rules import Rule

ROOT = Path(__file__).parents[2]


def status(id: str, evidence: claims.Evidence) -> str:
    """What the claim with this id says of the evidence, by the rules of `claims.yml`."""
    claim = statements.load(ROOT / "claims.yml").claim(id)
    return claims.judge(Rule.parse(claim.holds_if), Rule.parse(claim.control.must), evidence, id).status
