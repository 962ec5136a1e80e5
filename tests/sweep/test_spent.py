"""Time of work that was found done."""

import threading

import pytest

from resnet_lib.sweep import spent


def test_what_was_found_is_counted_by_the_innermost():
    spent.found(1.0)  # nobody counts
    with spent.counting() as outer:
        spent.found(2.0)
        with spent.counting() as inner:
            spent.found(3.0)
        spent.found(4.0)
    spent.found(5.0)
    assert (outer, inner) == ([2.0, 4.0], [3.0])


def test_an_error_ends_the_counting():
    with pytest.raises(ZeroDivisionError), spent.counting() as times:
        raise ZeroDivisionError
    spent.found(1.0)
    assert times == []


def test_another_thread_counts_for_itself():
    with spent.counting() as times:
        thread = threading.Thread(target=spent.found, args=(1.0,))
        thread.start()
        thread.join()
    assert times == []


@pytest.mark.parametrize(("device", "clock"), [("cpu", "process_time"), ("cuda", "perf_counter")])
def test_other_work_on_a_processor_makes_no_time_longer(monkeypatch: pytest.MonkeyPatch, device: str, clock: str):
    told = {"process_time": 3.0, "perf_counter": 70.0}
    for name, value in told.items():
        monkeypatch.setattr(spent.time, name, lambda value=value: value)
    with spent.counting(device):
        assert spent.now() == told[clock]
        with spent.counting():
            assert spent.now() == 3.0
        assert spent.now() == told[clock]
    assert spent.now() == 3.0
