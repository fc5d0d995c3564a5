"""The store: whole or not at all, built once, damage seen, failures told."""

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from resmem_core.common import store as store_module
from resmem_core.common.errors import Cancelled, StoreError
from resmem_core.common.store import MANIFEST, Store, digest_arrays, digest_file, digest_key, save_array

KEY = {"dataset": "abc", "seed": 0, "recipe": {"epochs": 3, "learning_rate": 0.1}}
ROOT = Path(__file__).parents[2]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "cache")


@pytest.fixture
def entry(store):
    return store.get_or_build("numbers", KEY, build)


def build(directory):
    """Write two arrays, one of them in a folder below."""
    save_array(directory, "a", np.arange(1000))
    (directory / "below").mkdir()
    save_array(directory / "below", "b", np.ones((2, 3), np.float32))
    return {"seconds": 1.5, "losses": (2.0, 1.0)}


def forbidden(directory):
    raise AssertionError("built although it was there")


def litter(store):
    """Return every file in the store but entries, and every folder with a name that is not a lock's."""
    return [path for path in store.root.rglob("*") if path.is_file() and path.suffix != ".lock"]


def assert_unlocked(store):
    for file in (store.root / ".locks").glob("*"):
        FileLock(file).acquire(timeout=0).lock.release()


class TestBuilding:
    def test_builds_once_and_remembers(self, store):
        assert store.find("numbers", KEY) is None
        built = store.get_or_build("numbers", KEY, build)
        again = store.get_or_build("numbers", KEY, forbidden)
        assert built == again == store.find("numbers", KEY)
        assert (again.kind, again.key, again.info) == ("numbers", KEY, {"seconds": 1.5, "losses": [2.0, 1.0]})
        assert again.path == store.root / "numbers" / digest_key(KEY)
        np.testing.assert_array_equal(array := again.array("a"), np.arange(1000))
        assert isinstance(array, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
        assert again.array("below/b").dtype == np.float32
        assert again.size == sum(f.stat().st_size for f in again.path.rglob("*.npy"))
        assert_unlocked(store)

    @pytest.mark.parametrize(("settled", "times"), [(True, 1), (False, 3)])
    def test_files_that_have_not_changed_are_read_once_unless_just_written(self, store, monkeypatch, settled, times):
        if settled:
            monkeypatch.setattr(store_module, "SETTLED", -(10**12))
        entry = store.get_or_build("numbers", KEY, build)
        read = []
        monkeypatch.setattr(store_module, "digest_file", lambda path: read.append(path.name) or digest_file(path))
        for _ in range(3):
            assert store.get_or_build("numbers", KEY, forbidden) == entry
        assert sorted(read) == ["a.npy"] * times + ["b.npy"] * times

    def test_empty_array(self, store):
        entry = store.get_or_build("numbers", KEY, lambda d: save_array(d, "none", np.empty((0, 4))))
        assert entry.array("none").shape == (0, 4)

    def test_kinds_and_keys_are_apart(self, store):
        paths = {store.get_or_build(kind, key, build).path for kind in ("a", "b") for key in (KEY, {**KEY, "seed": 1})}
        assert len(paths) == len(store.entries()) == 4

    @pytest.mark.parametrize("failure", [ValueError("no"), KeyboardInterrupt(), Cancelled("stop"), SystemExit(1)])
    def test_nothing_half_written_stays(self, store, failure):
        def fail(directory):
            build(directory)
            raise failure

        with pytest.raises(type(failure)):
            store.get_or_build("numbers", KEY, fail)
        assert litter(store) == []
        assert_unlocked(store)
        assert store.entries() == []
        assert store.get_or_build("numbers", KEY, build).array("a").size == 1000

    @pytest.mark.parametrize(
        ("build", "said"),
        [
            (lambda d: {"loss": float("nan")}, "JSON"),
            (lambda d: save_array(d, "o", np.array([{}], dtype=object)), "Object arrays"),
        ],
    )
    def test_what_cannot_be_written_leaves_nothing(self, store, build, said):
        with pytest.raises(ValueError, match=said):
            store.get_or_build("numbers", KEY, build)
        assert litter(store) == []

    def test_failed_rebuild_leaves_no_entry(self, store, entry):
        (entry.path / "a.npy").unlink()
        with pytest.raises(Cancelled):
            store.get_or_build("numbers", KEY, lambda d: (_ for _ in ()).throw(Cancelled("stop")))
        assert store.find("numbers", KEY) is None

    def test_left_by_a_killed_process(self, store):
        code = """
            def build(directory):
                (directory / "half").write_text("half")
                print("building", flush=True)
                time.sleep(600)
            Store(Path(sys.argv[1])).get_or_build("numbers", {"a": 1}, build)
        """
        with process(code, store.root) as child:
            assert child.stdout.readline().strip() == "building"
            child.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        entry = store.get_or_build("numbers", {"a": 1}, build)
        assert not (entry.path / "half").exists()
        assert store.problem(entry.path) is None

    def test_two_processes_build_once(self, store, tmp_path):
        code = """
            folder = Path(sys.argv[2])
            def build(directory):
                with (folder / "built").open("a") as stream:
                    stream.write("x")
                (directory / "content").write_text("whole")
                deadline = time.monotonic() + 60
                while not (folder / "waiting").exists() and time.monotonic() < deadline:
                    time.sleep(0.01)
            def told(step):
                assert step.stage.startswith("Waiting for another process"), step
                (folder / "waiting").touch()
            entry = Store(Path(sys.argv[1])).get_or_build("numbers", {"a": 1}, build, told)
            print((entry.path / "content").read_text())
        """
        with process(code, store.root, tmp_path) as one, process(code, store.root, tmp_path) as other:
            outputs = [child.communicate(timeout=100) for child in (one, other)]
        assert [out.strip() for out, _ in outputs] == ["whole", "whole"], outputs
        assert (tmp_path / "waiting").exists()
        assert (tmp_path / "built").read_text() == "x"

    def test_waiting_can_be_cancelled(self, store):
        with store._lock(store._path("numbers", KEY)), pytest.raises(Cancelled):
            store.get_or_build("numbers", KEY, forbidden, Mock(side_effect=Cancelled("stop")))
        assert store.get_or_build("numbers", KEY, build).size > 0


IMPORTS = "import sys, time\nfrom pathlib import Path\nfrom resmem_core.common.store import Store\n"


def process(code, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", IMPORTS + textwrap.dedent(code), *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def noise(path):
    path.write_bytes(np.random.default_rng(0).bytes(path.stat().st_size))


def edit(path, without=None, **changes):
    manifest = {**json.loads((path / MANIFEST).read_text()), **changes}
    manifest.pop(without, None)
    (path / MANIFEST).write_text(json.dumps(manifest))


def flip(file, position):
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(content)


SECRET = ["../../../secret.txt", [6, "?"]]

DAMAGES = {
    "cut short": lambda p: os.truncate(p / "a.npy", 100),
    "noise of the same size": lambda p: noise(p / "a.npy"),
    "emptied": lambda p: (p / "below/b.npy").write_bytes(b""),
    "file missing": lambda p: (p / "below/b.npy").unlink(),
    "file added": lambda p: (p / "c.npy").write_bytes(b"?"),
    "file become a folder": lambda p: ((p / "a.npy").unlink(), (p / "a.npy").mkdir()),
    "manifest missing": lambda p: (p / MANIFEST).unlink(),
    **{f"manifest {text!r}": lambda p, t=text: (p / MANIFEST).write_text(t) for text in ("", "[]", "3", "null")},
    "manifest cut short": lambda p: os.truncate(p / MANIFEST, 150),
    "manifest noise": lambda p: noise(p / MANIFEST),
    "manifest a folder": lambda p: ((p / MANIFEST).unlink(), (p / MANIFEST).mkdir()),
    **{f"no {field}": lambda p, f=field: edit(p, without=f) for field in ("kind", "key", "info", "created", "files")},
    "files a list": lambda p: edit(p, files=["a.npy"]),
    "files without digests": lambda p: edit(p, files={"a.npy": 3, "below/b.npy": 4}),
    "files with half a record": lambda p: edit(p, files={"a.npy": [8128], "below/b.npy": []}),
    "files none": lambda p: edit(p, files={}),
    "sizes as text": lambda p: edit(p, files={"a.npy": ["8128", "?"], "below/b.npy": ["152", "?"]}),
    "info text": lambda p: edit(p, info="fast"),
    "created a number": lambda p: edit(p, created=5),
    "key of another": lambda p: edit(p, key={"dataset": "other"}),
    "key null": lambda p: edit(p, key=None),
    "kind of another": lambda p: edit(p, kind="letters"),
    "name that leads out": lambda p: edit(p, files=dict([SECRET])),
    "name that is absolute": lambda p: edit(p, files={str(p.parents[2] / "secret.txt"): [6, "?"]}),
}


SAID = {
    "cut short": "a.npy has 100 bytes instead of 8128",
    "file missing": "below/b.npy is missing",
    "manifest missing": "no manifest",
}


class TestDamage:
    @pytest.mark.parametrize("damage", DAMAGES)
    def test_is_seen_and_mended(self, store, tmp_path, monkeypatch, damage):
        (tmp_path / "secret.txt").write_text("secret")
        entry = store.get_or_build("numbers", KEY, build)
        other = store.get_or_build("numbers", {"other": 1}, build)
        DAMAGES[damage](entry.path)

        read = []
        monkeypatch.setattr(store_module, "digest_file", lambda p: read.append(p.resolve()) or digest_file(p))
        problem = store.problem(entry.path)
        assert problem
        assert "\n" not in problem
        assert SAID.get(damage) in (None, problem)
        assert store.find("numbers", KEY) is None
        assert store.entries() == [other]
        assert all(path.is_relative_to(store.root.resolve()) for path in read)

        rebuilt = store.get_or_build("numbers", KEY, build)
        assert store.problem(rebuilt.path) is None
        assert sorted(p.name for p in rebuilt.path.iterdir()) == ["a.npy", "below", MANIFEST]
        np.testing.assert_array_equal(rebuilt.array("a"), np.arange(1000))

    @pytest.mark.parametrize("position", [0, 64, 200, -1])
    def test_one_flipped_bit(self, store, entry, position):
        flip(entry.path / "a.npy", position)
        assert store.problem(entry.path) == "a.npy has other content than was written"

    def test_a_change_that_keeps_size_and_time_is_seen(self, store, monkeypatch):
        monkeypatch.setattr(store_module, "SETTLED", -(10**12))  # remember even what was written just now
        entry = store.get_or_build("numbers", KEY, build)
        assert store.find("numbers", KEY) == entry
        file = entry.path / "a.npy"
        written = file.stat()
        time.sleep(0.02)  # longer than the steps in which a file system counts time
        flip(file, -1)
        os.utime(file, ns=(written.st_atime_ns, written.st_mtime_ns))
        assert store.problem(entry.path) == "a.npy has other content than was written"

    def test_files_of_a_file_manager_are_no_damage(self, store, entry):
        (entry.path / ".DS_Store").write_bytes(b"?")
        assert store.problem(entry.path) is None

    def test_an_entry_that_cannot_be_read_is_damaged(self, store, entry, monkeypatch):
        error = OSError(errno.EIO, "Input/output error", str(entry.path / "a.npy"))
        monkeypatch.setattr(store_module, "digest_file", Mock(side_effect=error))
        assert "Input/output error" in store.problem(entry.path)
        assert store.find("numbers", KEY) is None

    def test_a_file_where_the_entry_should_be(self, store):
        path = store._path("numbers", KEY)
        path.parent.mkdir(parents=True)
        path.write_text("in the way")
        assert store.find("numbers", KEY) is None
        with pytest.raises(StoreError, match=path.name):
            store.get_or_build("numbers", KEY, build)
        assert path.read_text() == "in the way"


NO_SPACE = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def fails(directory, error):
    (directory / "half").write_text("half")
    raise error


class TestWriting:
    @staticmethod
    def assert_told(store, said, build):
        with pytest.raises(StoreError, match=said) as raised:
            store.get_or_build("numbers", KEY, build)
        for words in (str(store.root / "numbers"), "RESMEM_CACHE", "free some space"):
            assert words in str(raised.value)

    def test_disk_full_or_no_permission_inside_build(self, store):
        denied = (errno.EACCES, "Permission denied")
        self.assert_told(store, denied[1], lambda d: fails(d, PermissionError(*denied, str(d / "a.npy"))))
        self.assert_told(store, "No space left", lambda d: fails(d, NO_SPACE))
        assert litter(store) == []
        assert_unlocked(store)

    def test_disk_full_in_numpy(self, store, monkeypatch):
        error = OSError("1000 requested and 12 written")  # what ndarray.tofile says: without a number
        monkeypatch.setattr(np, "save", Mock(side_effect=error))
        self.assert_told(store, "1000 requested and 12 written", build)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
    @pytest.mark.parametrize("size", [10, 1_000_000])
    def test_a_device_that_is_full(self, store, size):
        def write(directory):
            (directory / "a.npy").symlink_to("/dev/full")
            save_array(directory, "a", np.zeros(size))

        self.assert_told(store, None, write)
        assert litter(store) == []

    def test_root_that_is_a_file(self, tmp_path):
        (tmp_path / "file").write_text("mine")
        store = Store(tmp_path / "file")
        assert store.find("numbers", KEY) is None
        assert store.entries() == []
        self.assert_told(store, None, forbidden)
        with pytest.raises(StoreError, match="RESMEM_CACHE"):
            store.work_folder("numbers", KEY)
        assert (tmp_path / "file").read_text() == "mine"

    def test_root_below_a_folder_without_permission(self, store, monkeypatch):
        error = PermissionError(errno.EACCES, "Permission denied", str(store.root.parent))
        monkeypatch.setattr(Path, "mkdir", Mock(side_effect=error))
        self.assert_told(store, "Permission denied", forbidden)

    @pytest.mark.parametrize(
        "error",
        [
            FileNotFoundError(errno.ENOENT, "No such file or directory", "/data/mine/train.csv"),
            PermissionError(errno.EACCES, "Permission denied", b"/data/mine"),
            ConnectionResetError("connection reset"),
            StoreError("something else is damaged"),
        ],
        ids=repr,
    )
    def test_what_is_not_about_writing_passes_through(self, store, error):
        with pytest.raises(type(error)) as raised:
            store.get_or_build("numbers", KEY, lambda d: fails(d, error))
        assert raised.value is error
        assert litter(store) == []

    def test_failure_to_remove_is_told(self, store, entry, monkeypatch):
        (entry.path / "a.npy").unlink()

        def rmtree(path, ignore_errors=False):
            if not ignore_errors:
                raise PermissionError(errno.EACCES, "Permission denied", str(path))

        monkeypatch.setattr(store_module.shutil, "rmtree", rmtree)
        for action in (lambda: store.get_or_build("numbers", KEY, build), store.clear):
            with pytest.raises(StoreError, match="Permission denied"):
                action()

    def test_work_folder_is_kept(self, store):
        folder = store.work_folder("numbers", KEY)
        (folder / "checkpoint").write_text("epoch 3")
        assert store.work_folder("numbers", KEY) == folder != store.work_folder("numbers", {"seed": 1})
        store.get_or_build("numbers", KEY, build)
        assert (folder / "checkpoint").read_text() == "epoch 3"
        assert len(store.entries()) == 1


class TestClear:
    @pytest.fixture
    def filled(self, store):
        for kind in ("a", "b"):
            for seed in (0, 1):
                store.get_or_build(kind, {"seed": seed}, build)
            (store.work_folder(kind, {"seed": 2}) / "checkpoint").write_bytes(b"12345")
        (store.root / "a" / digest_key({"seed": 0}) / "a.npy").write_bytes(b"damaged")
        return store

    def test_all(self, filled):
        sizes = sum(f.stat().st_size for f in litter(filled) if f.name != MANIFEST)
        assert filled.clear() == sizes
        assert filled.paths() == filled.entries() == litter(filled) == []
        assert filled.clear() == 0

    def test_one_kind(self, filled):
        kept = {path: path.read_bytes() for path in litter(filled) if "a" not in path.relative_to(filled.root).parts}
        assert filled.clear("a") > 10
        assert {path: path.read_bytes() for path in litter(filled)} == kept
        assert {path.parent.name for path in filled.paths()} == {"b"}

    @pytest.mark.parametrize("kind", ["", ".", "..", "../..", "*", "unknown", ".locks", ".work"])
    def test_other_names_remove_nothing(self, filled, tmp_path, kind):
        (tmp_path / "mine.txt").write_text("mine")
        before = litter(filled)
        assert filled.clear(kind) == 0
        assert litter(filled) == before
        assert (tmp_path / "mine.txt").exists()

    def test_what_is_not_the_stores_stays(self, store):
        """A cache pointed at a folder with other things in it must not eat them."""
        mine = store.root / "Documents" / "thesis" / "final.tex"
        mine.parent.mkdir(parents=True)
        mine.write_text("mine")
        store.get_or_build("numbers", KEY, build)
        assert [path.parent.name for path in store.paths()] == ["numbers"]
        store.clear()
        assert mine.read_text() == "mine"

    def test_missing_root(self, store):
        assert store.paths() == store.entries() == []
        assert store.clear() == 0
        assert not store.root.exists()

    def test_what_is_being_built_stays(self, filled):
        checkpoint = filled.work_folder("a", {"seed": 2}) / "checkpoint"

        def build_and_clear(directory):
            build(directory)
            filled.clear()
            assert checkpoint.exists()

        entry = filled.get_or_build("a", {"seed": 0}, build_and_clear)
        assert filled.entries() == [entry]

    def test_an_entry_that_another_process_holds_stays(self, store):
        held, other = (store.get_or_build("a", {"seed": seed}, build) for seed in (0, 1))
        with FileLock(store.root / ".locks" / f"a-{held.path.name}.lock"):
            assert store.clear() == other.size
        assert store.entries() == [held]

    def test_work_of_a_running_job_stays(self, filled):
        folder = filled.work_folder("job", {"seed": 0})
        with FileLock(folder / "running.lock"):
            filled.clear()
            assert folder.exists()
            assert filled.paths() == []
        filled.clear()
        assert not folder.exists()


def test_what_was_made_from_something_is_removed_to_the_last(store):
    made = store.get_or_build("a", {"data": "d" * 24}, build)
    from_that = store.get_or_build("b", {"of": [made.path.name]}, build)
    last = store.get_or_build("c", {"of": from_that.path.name}, build)
    other = store.get_or_build("a", {"data": "e" * 24}, build)
    damaged = store.get_or_build("b", {"data": "d" * 24, "seed": 1}, build)
    (damaged.path / MANIFEST).write_text("{")
    assert store.remove_made_from(["d" * 24, "f" * 24]) == made.size + from_that.size + last.size
    assert store.paths() == sorted([other.path, damaged.path])
    assert store.remove_made_from([]) == 0


def test_default_root(monkeypatch, tmp_path):
    monkeypatch.setenv("RESMEM_CACHE", str(tmp_path))
    assert store_module.default_root() == Store().root == tmp_path
    for unset in (lambda: monkeypatch.setenv("RESMEM_CACHE", ""), lambda: monkeypatch.delenv("RESMEM_CACHE")):
        unset()
        assert store_module.default_root() == ROOT / "cached_models" / "local"


DTYPES = st.sampled_from(["u1", "i1", "?", "<i4", "<f4", ">f4", "<f8", "<i8", "<f2", "<U3", "S3", "<M8[s]", "c16"])
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))


@st.composite
def pairs(draw):
    """Two arrays that are often nearly the same."""
    one = draw(ARRAYS)
    way = draw(st.sampled_from(["fresh", "copy", "flat", "column", "bytes", "strided"]))
    if way == "fresh":
        return one, draw(ARRAYS)
    return one, {
        "copy": one.copy(),
        "flat": one.reshape(-1),
        "column": one.reshape(-1, 1),
        "bytes": np.frombuffer(one.tobytes(), "u1"),
        "strided": np.repeat(np.atleast_1d(one), 2, axis=-1)[..., ::2].reshape(one.shape),
    }[way]


LISTS = st.lists(st.none() | ARRAYS, max_size=3)


class TestDigests:
    @given(pairs().map(lambda pair: [[array] for array in pair]) | st.tuples(LISTS, LISTS))
    def test_arrays_agree_only_if_the_same(self, pair):
        def content(arrays):
            return [None if a is None else (a.dtype, a.shape, a.tobytes()) for a in arrays]

        some, others = pair
        assert (digest_arrays(*some) == digest_arrays(*others)) is (content(some) == content(others))

    def test_order_in_memory_does_not_matter_and_objects_are_refused(self):
        array = np.arange(12.0).reshape(3, 4)
        assert digest_arrays(np.asfortranarray(array)) == digest_arrays(array) != digest_arrays(array.T)
        with pytest.raises(TypeError):
            digest_arrays(np.array([{}], dtype=object))

    JSON = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )

    @settings(max_examples=30)
    @given(st.dictionaries(st.text(), JSON, max_size=5), st.randoms())
    def test_keys_do_not_depend_on_order(self, key, random):
        items = list(key.items())
        random.shuffle(items)
        assert digest_key(dict(items)) == digest_key(key) == digest_key(json.loads(json.dumps(key)))

    @settings(max_examples=50)
    @given(st.dictionaries(st.text(), JSON, max_size=3), st.dictionaries(st.text(), JSON, max_size=3))
    def test_other_keys_differ(self, one, other):
        assume(json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True))
        assert digest_key(one) != digest_key(other)

    def test_key_that_json_lacks_is_refused(self):
        for bad in (float("nan"), np.float32(1), {1}):
            with pytest.raises((ValueError, TypeError)):
                digest_key({"a": bad})

    def test_file(self, tmp_path):
        content = np.random.default_rng(0).bytes((1 << 20) + 7)  # more than one block
        (tmp_path / "a").write_bytes(content)
        (tmp_path / "b").write_bytes(content[:-1])

        assert digest_file(tmp_path / "a") == hashlib.blake2b(content, digest_size=20).hexdigest()
        assert digest_file(tmp_path / "a") != digest_file(tmp_path / "b")
