"""Every network of the chapter is tuned, by as many rates."""

from dataclasses import replace

from resnet_lib.experiments.gates_and_scales import digits, rates
from resnet_lib.experiments.gates_and_scales.networks import Network


def test_a_search_tries_its_rates():
    table = rates.tuning_trial(Network("identity", 0.02, blocks=1, width=4, epochs=1), (100, 101))
    assert table["rate"].nunique() == rates.TRIED
    assert table["seed"].tolist() == [100, 101] * rates.TRIED


def test_every_network_of_the_chapter_is_searched_for_and_has_a_title():
    searched = {replace(each, lr=0.0) for each in rates.TUNING.full.settings}
    trained = {replace(each, lr=0.0) for each in digits.DIGITS.full.settings}
    assert searched == trained
    assert rates.TITLES["highway", -4.0] == "highway, bias -4"
    assert rates.TITLES["identity", 0.0] == "identity"
