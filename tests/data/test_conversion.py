"""A published file in this package's names and order: the same function, and nothing else passes for it."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from resnet_lib.data import conversion
from resnet_lib.data.official import DataError
from tests import published

STATE = published.state()
DATA = published.saved(STATE)
WEIGHTS = published.weights(DATA)


def images(n: int = 3, *, seed: int = 1, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(n, 3, 32, 32, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_the_converted_network_is_the_published_function():
    arrays = conversion.converted(DATA, WEIGHTS, "it")
    net = conversion.network(published.DEPTH, arrays)
    assert not net.training
    x = images()
    expected = published.logits(STATE, x)
    with torch.no_grad():
        assert (net(x) - expected).abs().max() < 1e-5 * expected.abs().max()
        x = images(dtype=torch.float64)
        expected = published.logits({name: value.double() for name, value in STATE.items()}, x)
        assert (net.double()(x) - expected).abs().max() < 1e-12 * expected.abs().max()
    assert conversion.check(DATA, WEIGHTS, arrays, "it") < 1e-12


def test_the_forward_pass_that_checks_is_that_of_the_tests():
    x = images()
    torch.testing.assert_close(conversion.published_logits(STATE, x), published.logits(STATE, x), rtol=1e-4, atol=1e-5)


def test_carried_channels_come_first_and_in_their_order():
    assert conversion.carried_first(1).tolist() == [*range(8, 24), *range(8), *range(24, 32)]
    # Of the 64, the middle 32 are carried: of these the middle 16 first, as in the stage before.
    third = [*range(24, 40), *range(16, 24), *range(40, 48), *range(16), *range(48, 64)]
    assert conversion.carried_first(2).tolist() == third


def test_an_order_that_is_not_the_published_one_is_found(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(conversion, "carried_first", lambda stage: torch.arange(16 * 2**stage))
    arrays = conversion.converted(DATA, WEIGHTS, "it")
    with pytest.raises(DataError, match=r"it does not give the published network .* logits differ by .*; nothing was"):
        conversion.check(DATA, WEIGHTS, arrays, "it")


def test_no_value_is_lost_or_changed():
    arrays = conversion.converted(DATA, WEIGHTS, "it")
    assert len(arrays) == len(STATE)
    for name, value in STATE.items():  # every tensor is there again, perhaps in another order
        alike = [array for array in arrays.values() if array.size == value.numel()]
        assert any(np.array_equal(np.sort(array.ravel()), np.sort(value.numpy().ravel())) for array in alike), name


def test_counters_of_newer_versions_and_files_without_prefix_are_read():
    counted = STATE | {"bn1.num_batches_tracked": torch.tensor(7)}
    data = published.saved(counted, prefix="")
    assert (
        conversion.converted(data, published.weights(data), "it").keys()
        == conversion.converted(DATA, WEIGHTS, "it").keys()
    )


class Evil:
    """Wants to make a file when it is read."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_a_pickle_that_wants_to_run_code_is_not_run(tmp_path: Path):
    trace = tmp_path / "trace"
    for data in (pickle.dumps({"state_dict": Evil(trace)}), published.saved(STATE | {"x": Evil(trace)})):  # type: ignore[dict-item]
        with pytest.raises(DataError, match=r"^it holds more than plain weights, and was not read \(.*another copy$"):
            conversion.converted(data, WEIGHTS, "it")
    assert not trace.exists()


@pytest.mark.parametrize("data", [b"", b"<html><body>403</body></html>", DATA[: len(DATA) // 2], DATA[:100], b"PK\3\4"])
def test_what_is_no_file_of_weights_is_one_sentence(data: bytes):
    with pytest.raises(DataError, match=r"^it (is no file of weights|holds more than plain).*another copy$") as error:
        conversion.converted(data, WEIGHTS, "it")
    assert "\n" not in str(error.value)


def changed(**tensors: torch.Tensor | None) -> bytes:
    merged = STATE | {name.replace("__", "."): value for name, value in tensors.items()}
    return published.saved({name: value for name, value in merged.items() if value is not None})


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (published.saved(STATE, key="model"), "has no key 'state_dict' that holds tensors"),
        (changed(linear__bias=None), "it lacks 'linear.bias'"),
        (changed(linear__bias=None, bn1__bias=None), "it lacks 'bn1.bias' and 1 more"),
        (
            changed(layer1__0__shortcut__0__weight=torch.zeros(1)),
            "1 tensors too many, the first of them 'layer1.0.short",
        ),
        (published.saved(published.state(20)), "30 tensors too many, the first of them 'layer1.2"),
        (published.saved(published.state(8)), "it lacks 'layer1.1.conv1.weight' and 29 more"),
        (changed(linear__weight=torch.zeros(100, 64)), r"'linear.weight' of shape \(100, 64\), not \(10, 64\)"),
        (changed(linear__bias=torch.full((10,), torch.nan)), "'linear.bias' with values that are no finite numbers"),
    ],
)
def test_another_network_is_named_by_what_is_other(data: bytes, what: str):
    with pytest.raises(DataError, match=what):
        conversion.converted(data, WEIGHTS, "it")
