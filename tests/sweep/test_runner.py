import importlib
import logging
import re
import signal
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from trials import Noise, begun, experiment, measure, on_device

from resnet_lib import data, runtime, sweep
from resnet_lib.data import datasets
from resnet_lib.sweep import Experiment, SweepError, cache, provenance, runner, source, trial, workers
from resnet_lib.sweep.cache import CacheError


@pytest.fixture(autouse=True)
def interruptible():
    """A shell that starts a job in the background has it ignore Ctrl-C; here Ctrl-C has to arrive."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def run(tmp_path: Path, trials: Experiment, **options: Any) -> pd.DataFrame:
    return sweep.run(trials, **{"workers": 1, "cache": tmp_path / "cache", "progress": False} | options).table


def files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "noise").glob("*.npz"))


def assert_identical(a: pd.DataFrame, b: pd.DataFrame) -> None:
    assert list(a.columns) == list(b.columns)
    for name in a.columns:
        x, y = a[name].to_numpy(), b[name].to_numpy()
        assert x.dtype == y.dtype, name
        assert (x.tolist() == y.tolist()) if x.dtype == object else (x.tobytes() == y.tobytes()), name


def test_the_table_is_what_a_plain_loop_gives(tmp_path):
    settings = [Noise(size=1), Noise(size=2, limit=0.5)]
    expected = []
    for setting in settings:
        for seeds in [(0, 1), (2,)]:
            with runtime.numerics():
                part = measure(setting, seeds)
            first = {"size": setting.size, "pause": 0.0, "log": "", "fate": "fine"}
            first["limit"] = np.nan if setting.limit is None else setting.limit
            expected.append(pd.DataFrame(first, index=part.index).join(part))
    pd.testing.assert_frame_equal(
        run(tmp_path, experiment(*settings, group=2)), pd.concat(expected, ignore_index=True), check_exact=True
    )


def test_workers_and_order_of_completion_do_not_change_a_bit(tmp_path, monkeypatch):
    trials = experiment(*(Noise(size=size, pause=0.1 * (size == 0)) for size in range(4)), group=2)
    alone = run(tmp_path / "1", trials)
    assert_identical(alone, run(tmp_path / "2", trials, workers=2))
    assert_identical(alone, run(tmp_path / "1", trials))
    monkeypatch.setattr(runner, "_without_file", lambda plan, cache: reversed(list(plan)))
    assert_identical(alone, run(tmp_path / "3", trials))


def test_the_grid_is_enumerated_once_in_a_sweep(tmp_path, monkeypatch):
    enumerated = []
    monkeypatch.setattr(runner, "trials", lambda *of: enumerated.append(of) or trial.trials(*of))
    table = run(tmp_path, experiment(Noise(size=1), Noise(size=2), group=2))
    assert table["size"].unique().tolist() == [1, 2]
    assert len(enumerated) == 1
    with pytest.raises(SweepError, match="1 of 2 trials failed"):
        run(tmp_path, experiment(Noise(size=1), Noise(size=3, fate="raises")))
    assert len(enumerated) == 2


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_a_trial_that_takes_a_device_is_given_one(tmp_path, two_threads):
    table = run(tmp_path, experiment(Noise(size=1), trial=on_device), device="cpu")
    assert table["where"].tolist() == ["cpu"] * 3
    assert table["threads"].tolist() == [1] * 3
    with pytest.raises(ValueError, match="device='tpu' is not available"):
        run(tmp_path, experiment(Noise(size=1), trial=on_device), device="tpu")


def test_trials_with_different_columns_are_refused_and_kept(tmp_path):
    trials = experiment(Noise(size=1), Noise(size=2, fate="other columns"))
    with pytest.raises(
        ValueError, match=r"size=2.* gave the columns \['other', 'seed'\].*size=1.*return the same ones"
    ):
        run(tmp_path, trials)
    assert len(files(tmp_path)) == 2


def test_nothing_is_computed_twice(tmp_path):
    log = tmp_path / "log"
    trials = experiment(*(Noise(size=size, log=str(log)) for size in range(3)), group=1)
    first = run(tmp_path, trials)
    assert begun(log) == 9
    assert_identical(first, run(tmp_path, trials))
    assert begun(log) == 9
    more = replace(trials, quick=replace(trials.quick, seeds=(0, 1, 2, 3)))
    assert_identical(first, run(tmp_path, more).query("seed < 3").reset_index(drop=True))
    assert begun(log) == 12


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.setattr(provenance, "versions", lambda: {"python": "3.12.1", "torch": "1", "numpy": "2"}),
        lambda m: m.setattr(datasets, "checksum", lambda name: "other"),
        lambda m: m.setattr(source, "digest", lambda *roots: "changed"),
        lambda m: m.setattr(runtime, "device", lambda name: torch.device("mps")),
        lambda m: m.setattr("resnet_lib.sweep.key.FORMAT", 99),
    ],
)
def test_whatever_decides_a_number_is_in_the_key(tmp_path, monkeypatch, change):
    trials = experiment(Noise(size=1), trial=on_device, data=("x",))
    monkeypatch.setattr(datasets, "checksum", lambda name: "one")
    monkeypatch.setattr(runtime, "device", lambda name: torch.device("cpu"))

    def keys():
        basis = trial.Basis.of(trials, str(runtime.device("auto")), trials.quick)
        return {unit.key for unit in trial.trials(trials, trials.quick, basis)}

    before = keys()
    assert keys() == before
    change(monkeypatch)
    assert not keys() & before


def test_a_patch_release_of_python_does_not_cost_the_cache(tmp_path, monkeypatch):
    trials = experiment(Noise(size=1))
    run(tmp_path, trials)
    found = provenance.versions()
    monkeypatch.setattr(provenance, "versions", lambda: found | {"python": found["python"] + "99"})
    run(tmp_path, trials)
    assert len(files(tmp_path)) == 1


def damage_truncate(path, _):
    path.write_bytes(path.read_bytes()[:-30])


def damage_empty(path, _):
    path.write_bytes(b"")


def damage_flip(path, _):
    data = bytearray(path.read_bytes())
    data[data.index(b"seconds")] ^= 1
    path.write_bytes(bytes(data))


def damage_foreign(path, _):
    np.savez(path, x=np.arange(3))


def damage_swap(path, other):
    path.write_bytes(other.read_bytes())


def damage_folder(path, _):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "damage", [damage_truncate, damage_empty, damage_flip, damage_foreign, damage_swap, damage_folder]
)
def test_a_damaged_entry_is_computed_again_with_a_notice(tmp_path, caplog, damage):
    log = tmp_path / "log"
    trials = experiment(*(Noise(size=size, log=str(log)) for size in range(3)))
    first = run(tmp_path, trials)
    victim, other, _ = files(tmp_path)
    damage(victim, other)
    with caplog.at_level(logging.INFO):
        assert_identical(first, run(tmp_path, trials))
    assert begun(log) == 4
    assert "damaged cache entry, computed again: " in caplog.text
    assert f"the file is now {victim.with_suffix('.damaged')}" in caplog.text
    caplog.clear()
    assert_identical(first, run(tmp_path, trials))
    assert (begun(log), caplog.text) == (4, "")


def test_an_unwritable_cache_is_refused_before_any_work(tmp_path):
    log = tmp_path / "log"
    (tmp_path / "file").touch()
    with pytest.raises(
        CacheError, match=r"cache folder .*file/noise cannot be written \(Not a directory\).*--cache DIR"
    ):
        run(tmp_path, experiment(Noise(size=1, log=str(log))), cache=tmp_path / "file")
    assert begun(log) == 0


def test_what_is_complete_needs_no_writable_folder(tmp_path, monkeypatch):
    trials = experiment(Noise(size=1))
    first = run(tmp_path, trials)

    def refuse(*_):
        raise CacheError("must not be asked")

    monkeypatch.setattr(cache.Cache, "require_writable", refuse)
    assert_identical(first, run(tmp_path, trials))


def test_no_pool_is_started_for_one_missing_trial(tmp_path, monkeypatch):
    monkeypatch.setattr(workers.loky, "get_reusable_executor", None)
    trials = experiment(Noise(size=1), Noise(size=2))
    first = run(tmp_path, trials)
    files(tmp_path)[0].unlink()
    assert_identical(first, run(tmp_path, trials, workers=2))
    with pytest.raises(TypeError, match="not callable"):
        run(tmp_path / "new", trials, workers=2)


def test_a_failing_trial_is_reported_and_the_others_are_kept(tmp_path):
    log = tmp_path / "log"
    settings = [Noise(size=size, fate="raises" if size in (1, 3) else "fine", log=str(log)) for size in range(5)]
    trials = experiment(*settings)
    with pytest.raises(SweepError) as caught:
        run(tmp_path, trials)
    text = str(caught.value)
    assert text.startswith("noise: 5 settings × 3 seeds. 2 of 5 trials failed; the other 3 are kept\n\nNoise(size=1")
    assert "seeds 0, 1, 2" in text
    assert "in measure" in text
    assert "ZeroDivisionError: no luck with size 3" in text
    assert [failure.setting.size for failure in caught.value.failures] == [1, 3]
    assert len(files(tmp_path)) == 3
    with pytest.raises(SweepError):
        run(tmp_path, trials, workers=2)
    assert begun(log) == 7


@pytest.mark.parametrize(
    ("fate", "message"),
    [
        ("no table", "measure returned NoneType; a trial returns a pandas.DataFrame"),
        (
            "no seed",
            r"measure returned 1 rows with the columns \['value'\].*a column 'seed' with values of \(0, 1, 2\)",
        ),
        ("wrong seed", r"a column 'seed' with values of \(0, 1, 2\)"),
        ("complex", "column 'value' of the table holds complex128.*split a complex column"),
        ("shadows", "returned a column 'size' that differs from the setting's field; rename it"),
    ],
)
def test_a_table_of_the_wrong_form_is_a_failure_of_its_trial(tmp_path, fate, message):
    with pytest.raises(SweepError, match=message):
        run(tmp_path, experiment(Noise(size=1, fate=fate)))
    assert files(tmp_path) == []


def test_ctrl_c_keeps_what_is_done(tmp_path):
    log = tmp_path / "log"
    trials = experiment(
        *(Noise(size=size, fate="interrupted" if size == 2 else "fine", log=str(log)) for size in range(4))
    )
    with pytest.raises(KeyboardInterrupt) as caught:
        run(tmp_path, trials)
    assert caught.value.__notes__ == ["2 of 4 trials are kept; run it again to continue"]
    assert len(files(tmp_path)) == 2
    assert begun(log) == 3


def test_arguments_that_make_no_sense_are_refused(tmp_path):
    with pytest.raises(ValueError, match="preset='fast' is unknown; use 'quick' or 'full'"):
        run(tmp_path, experiment(Noise(size=1)), preset="fast")
    with pytest.raises(ValueError, match="workers=0 must be at least 1"):
        run(tmp_path, experiment(Noise(size=1)), workers=0)
    with pytest.raises(ValueError, match=r"name='A/b' may hold a to z, 0 to 9 and hyphens"):
        experiment(Noise(size=1), name="A/b")
    with pytest.raises(ValueError, match="cannot be imported by its name"):
        experiment(Noise(size=1), trial=lambda setting, seeds: pd.DataFrame())


@pytest.fixture
def chapter(tmp_path, monkeypatch):
    """An experiment in a file of its own, and how to change and import it."""
    path = tmp_path / "changing_chapter.py"
    text = """
        from dataclasses import dataclass
        import pandas as pd
        from resnet_lib.sweep import Experiment, Grid

        @dataclass(frozen=True)
        class Setting:
            x: int

        def trial(setting, seeds):
            return pd.DataFrame({"seed": list(seeds), "y": 2 * setting.x})

        GRID = Grid((Setting(1),), (0,))
        EXPERIMENT = Experiment("changing", trial, GRID, GRID)
        """
    path.write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # which a change within a second would not make old

    def edit(old, new):
        path.write_text(path.read_text().replace(old, new))
        importlib.invalidate_caches()

    def load():
        sys.modules.pop("changing_chapter", None)
        return importlib.import_module("changing_chapter").EXPERIMENT

    yield edit, load
    sys.modules.pop("changing_chapter", None)


def test_a_changed_formula_is_never_served_from_the_cache(tmp_path, chapter):
    edit, load = chapter
    trials = load()
    assert run(tmp_path, trials)["y"].tolist() == [2]
    edit("2 * setting.x", "23 * setting.x")
    # Python still holds the old formula: its numbers must not be kept under the new one's key.
    with pytest.raises(RuntimeError, match="the source of changing has changed since it was imported; restart Python"):
        run(tmp_path, trials)
    assert run(tmp_path, load())["y"].tolist() == [23]
    edit("23 * setting.x", "  2*setting.x  ")
    assert run(tmp_path, load())["y"].tolist() == [2]


def test_a_worker_with_other_source_versions_or_data_computes_nothing():
    trials = experiment(Noise(size=1), data=("digits",))
    basis = trial.Basis.of(trials, "cpu", trials.quick)
    for change, message in [
        ({"source": "the parent's"}, "the source has changed since the sweep or its workers were started"),
        (
            {"versions": (("torch", "0.1"),)},
            "the versions of this worker are .* started with {'torch': '0.1'}; install",
        ),
        ({"data": (("digits", "other"),)}, "the data of this worker are .* started with {'digits': 'other'}; install"),
    ]:
        (unit,) = trial.trials(trials, trials.quick, replace(basis, **change))
        assert re.search(message, str(trial.outcome(unit)))
    (unit,) = trial.trials(trials, trials.quick, basis)
    assert isinstance(trial.outcome(unit), bytes)


def test_a_grid_may_need_data_that_the_other_one_does_without(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(datasets, "provenance", lambda name: {name: "p"})
    monkeypatch.setattr(datasets, "checksum", lambda name: asked.append(name) or "c")
    one = experiment(Noise(size=1), data=("digits",))
    trials = replace(one, full=replace(one.quick, data=("cifar10", "digits")))
    assert sweep.run(trials, workers=1, cache=tmp_path, progress=False).stamp.data == {"digits": "p"}
    assert set(asked) == {"digits"}
    full = sweep.run(trials, "full", workers=1, cache=tmp_path, progress=False)
    assert full.stamp.data == {"digits": "p", "cifar10": "p"}
    assert [trial.Basis.of(trials, "cpu", grid).data for grid in (trials.quick, trials.full)] == [
        (("digits", "c"),),
        (("digits", "c"), ("cifar10", "c")),
    ]


def test_the_stamp_says_what_ran(tmp_path, monkeypatch):
    trials = experiment(Noise(size=1, pause=0.05), Noise(size=2, pause=0.05), data=("spirals",))
    result = sweep.run(trials, workers=1, cache=tmp_path / "cache", progress=False)
    stamp = result.stamp
    assert (stamp.experiment, stamp.preset) == ("noise", "quick")
    assert stamp.command == "resnet-lib run noise --preset quick"
    assert stamp.settings[1] == {
        "class": "Noise",
        "size": 2,
        "pause": 0.05,
        "log": "",
        "sizes": [1, 2],
        "fate": "fine",
    } | {"limit": None}
    assert stamp.seeds == [0, 1, 2]
    assert stamp.data == {"spirals": data.load("spirals").checksum}
    assert stamp.source == source.digest(*trials.roots)
    assert stamp.device == runtime.processor()
    assert 0 < stamp.seconds < 10
    assert 50e6 < stamp.peak_memory < 50e9
    monkeypatch.setattr(provenance, "commit", lambda: (stamp.commit, stamp.dirty))
    again = sweep.run(trials, workers=1, cache=tmp_path / "cache", progress=False)
    assert again.stamp == stamp  # also its times: those of the computation, not of the reading


def test_the_full_result_is_stored_found_and_marked_as_older(tmp_path, chapter):
    edit, load = chapter
    assert sweep.stored(load(), tmp_path) is None
    full = sweep.run(load(), "full", workers=1, cache=tmp_path / "cache", progress=False)
    assert full.full is None
    assert sweep.store(full, tmp_path) == tmp_path / "results" / "changing" / "full.csv"
    quick = sweep.run(load(), workers=1, cache=tmp_path / "cache", progress=False, root=tmp_path)
    assert quick.full is not None
    assert not quick.full.stale
    assert quick.full.stamp == full.stamp
    assert_identical(quick.full.table, full.table)
    edit("2 * setting.x", "5 * setting.x")
    quick = sweep.run(load(), workers=1, cache=tmp_path / "cache", progress=False, root=tmp_path)
    assert quick.table["y"].tolist() == [5]
    assert quick.full is not None
    assert quick.full.stale
    assert quick.full.table["y"].tolist() == [2]


def test_the_stored_result_is_looked_for_in_the_book(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trials = experiment(Noise(size=1))
    sweep.store(sweep.run(trials, "full", workers=1, cache=tmp_path / "cache", progress=False), tmp_path)
    assert sweep.run(trials, workers=1, cache=tmp_path / "cache", progress=False).full is None  # no book here
    (tmp_path / "claims.yml").touch()
    assert sweep.run(trials, workers=1, cache=tmp_path / "cache", progress=False).full is not None


def test_a_worker_that_dies_is_reported_and_the_others_are_kept(tmp_path):
    trials = experiment(*(Noise(size=size, fate="dies" if size == 2 else "fine") for size in range(6)))
    with pytest.raises(SweepError) as caught:
        run(tmp_path, trials, workers=2)
    text = "its worker process died twice: killed, perhaps for lack of memory {EXIT(3)}"
    assert "1 of 6 trials failed; the other 5 are kept" in str(caught.value)
    assert [failure.setting.size for failure in caught.value.failures] == [2]
    assert text in str(caught.value)
    assert len(files(tmp_path)) == 5


def test_ctrl_c_stops_the_workers_and_keeps_what_is_done(tmp_path, monkeypatch):
    """When two trials are kept; the last of all does not end, so that the sweep cannot end before.

    The signal is raised where the second is kept. From a thread it would arrive between any two instructions, also
    between the one that opens a file and the one that promises to close it, which no code can guard against;
    `test_survival` sends it from outside.
    """
    log = tmp_path / "log"
    trials = experiment(*(Noise(size=i, log=str(log), fate="held" if i == 39 else "fine") for i in range(40)))
    write = cache.Cache.write

    def write_and_press(store, name, entry):
        write(store, name, entry)
        if len(files(tmp_path)) == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(cache.Cache, "write", write_and_press)
    with pytest.raises(KeyboardInterrupt) as caught:
        run(tmp_path, trials, workers=2)
    assert caught.value.__notes__ == ["2 of 40 trials are kept; run it again to continue"]
    assert len(files(tmp_path)) == 2
    assert 2 <= begun(log) <= 2 + 2 * 2  # at work or handed out


def test_the_stamp_says_what_is_special_about_the_data(monkeypatch, tmp_path):
    told = {"digits": "0" * 64, "digits (files)": "a variant"}
    monkeypatch.setattr(datasets, "provenance", lambda name: told)
    trials = replace(experiment(Noise(size=1)), data=("digits",))
    assert sweep.run(trials, workers=1, cache=tmp_path, progress=False).stamp.data == told
