"""Every control of a claim on trained networks would notice an effect of the size that the claim's rule asks for.

The effect is planted into the control that was measured, with all its scatter: its interval is moved to a bound of the
claim's rule. Where that bound is zero and a control of size zero is as known, the rule asks for no size, and the
interval is moved to what the claim itself measured. A control that still comes out as known could not have told the
two apart.
"""

from pathlib import Path

import numpy as np
import pytest

from resnet_lib.evidence import ledger
from resnet_lib.evidence.rules import Rule
from resnet_lib.evidence.statements import Claim

ROOT = Path(__file__).parents[2]
EVIDENCE = ledger.read(ROOT)
TRAINED = [id for id, claim in EVIDENCE.ledger.claims.items() if claim.kind in ("trained", "published")]


def unnoticed(claim: Claim, run: dict) -> list[float]:
    """The places of planted effects at which the control of a run still comes out as known."""
    rule, must = Rule.parse(claim.holds_if), Rule.parse(claim.control.must)
    low, middle, high = (run[f"control_{end}"] for end in ("low", "effect", "high"))
    if must.statistic == "every":
        middle = (low + high) / 2
    bounds = [bound for bound in (rule.low, rule.high) if np.isfinite(bound)]
    places = [run["effect"] if bound == 0 and must.low < 0 < must.high else bound for bound in bounds]
    return [
        place
        for place in places
        if must.decide(np.array([low - middle + place]), np.array([high - middle + place]))[0] == "holds"
    ]


@pytest.mark.parametrize("id", TRAINED)
def test_the_control_of_a_claim_on_trained_networks_notices_a_planted_effect(id: str):
    shown = EVIDENCE.verdicts[id].record
    for run in filter(None, (shown["quick"], shown["full"])):
        assert not unnoticed(EVIDENCE.ledger.claims[id], run)


def test_a_control_that_is_laxer_than_its_rule_is_found():
    id = "plain-degrade.plain"
    claim, run = EVIDENCE.ledger.claims[id], dict(EVIDENCE.verdicts[id].record["quick"])
    bound = Rule.parse(claim.holds_if).low
    assert not unnoticed(claim, run)
    lax = claim.model_copy(update={"control": claim.control.model_copy(update={"must": f"mean < {5 * bound}"})})
    assert unnoticed(lax, run) == [bound]
