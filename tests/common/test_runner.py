"""Tasks are done once, done anew where what shapes them changed, and not waited for where that is not wanted."""

import sys

import pytest

from resmem_core.common.progress import Step
from resmem_core.common.runner import CODE, NeedsPreparing, Runner, Task, code_of
from resmem_core.common.store import Store


@pytest.fixture
def made():
    """Return what was built, in order, and a function that declares a task which adds to it."""
    built = []

    def task(key=1, **options):
        def build(folder, progress):
            progress(Step("Working", 0, 1))
            (folder / "file").write_text(str(key))
            built.append(key)
            return {"key": key}

        return Task("thing", {"key": key}, build, **options)

    return built, task


def test_a_task_is_done_once_and_reports(tmp_path, made):
    built, task = made
    steps = []
    runner = Runner(Store(tmp_path)).telling(steps.append)
    assert runner.found(task()) is None
    for _ in range(2):
        entry = runner.run(task())
        assert (entry.info["key"], (entry.path / "file").read_text()) == (1, "1")
    assert runner.found(task()).path == entry.path
    assert [step.stage for step in steps] == ["Working"]
    runner.run(task(2))
    assert built == [1, 2]


def test_what_takes_long_is_not_begun_unasked(tmp_path, made):
    built, task = made
    runner = Runner(Store(tmp_path), may_wait=False)
    for asked in (runner.run, runner.check):
        with pytest.raises(NeedsPreparing, match="no such thing"):
            asked(task(long=True, missing="no such thing"))
        with pytest.raises(NeedsPreparing, match="the thing is not there yet"):
            asked(task(long=True))
    runner.check(task())
    runner.run(task())  # is soon done
    Runner(Store(tmp_path)).run(task(2, long=True))
    assert runner.run(task(2, long=True)).info == {"key": 2}
    assert built == [1, 2]


def test_the_code_is_part_of_the_key(tmp_path, made, monkeypatch):
    built, task = made
    runner = Runner(Store(tmp_path))
    folder = tmp_path / "code"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr("resmem_core.common.runner.CODE", ("some_step", "some_helper"))
    for constant in (1, 1, 2):
        (folder / "some_helper.py").write_text(f"GRID = {constant}\n")
        (folder / "some_step.py").write_text("from resmem_core import some_helper\n")
        code_of.cache_clear()
        runner.run(task(code="some_step"))
    assert built == [1]  # what the step does not import is not its code
    (folder / "some_step.py").write_text("GRID = 3\n")
    code_of.cache_clear()
    runner.run(task(code="some_step"))
    assert built == [1, 1]
    assert "some_step" not in sys.modules  # read, and not run
    code_of.cache_clear()


def test_code_is_followed_through_what_it_imports(monkeypatch):
    """The choice on validation hangs on its own grids, and on the loops that judge a setting."""
    from resmem_core.common import runner

    read = []
    digest = runner.digest_file
    monkeypatch.setattr(runner, "digest_file", lambda path: (read.append(path.name), digest(path))[1])
    code_of.cache_clear()
    code_of("resmem_core.evaluation.tuning")
    assert {"tuning.py", "judging.py", "sweep.py", "dense_kernel.py", "sparse_kernel.py", "vector_loops.py"} <= {*read}
    assert not {"config.py", "store.py", "digits.py"} & {*read}
    assert all(name.startswith("resmem_core.") for name in CODE)
    code_of.cache_clear()
