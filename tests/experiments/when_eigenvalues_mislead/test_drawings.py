"""The chapter's figures, drawn from tables whose values are known."""

from resnet_lib.experiments.when_eigenvalues_mislead import drawings, stacks


def test_the_chart_holds_what_its_inputs_choose():
    setting = stacks.Turning(0.2, stacks.ANGLES, 400)
    rows = drawings.turning_rows(stacks.turning_trial(setting, (0,)).assign(gamma=0.2))
    assert set(rows["angle"]) == {float(a) for a in (*range(31), *range(35, 91, 5))}
    chart = drawings.turning_chart(rows).to_dict()
    assert {param["name"] for param in chart["params"] if "bind" in param} == {"turn", "each"}
