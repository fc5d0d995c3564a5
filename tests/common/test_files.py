"""Files are written whole or not at all."""

import errno
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from resmem_core.common.files import write_json

NO_SPACE = OSError(errno.ENOSPC, "No space left on device")


class TestJson:
    def test_round_trip(self, tmp_path):
        write_json(tmp_path / "a.json", {"ä": [1, 2.5, None, True]})
        assert json.loads((tmp_path / "a.json").read_text()) == {"ä": [1, 2.5, None, True]}

    @pytest.mark.parametrize("bad", [float("nan"), float("inf"), {1, 2}, np.float32(1)], ids=repr)
    def test_failure_keeps_what_was_there(self, tmp_path, bad):
        write_json(tmp_path / "a.json", 1)
        with pytest.raises((ValueError, TypeError)):
            write_json(tmp_path / "a.json", bad)
        assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
        assert (tmp_path / "a.json").read_text() == "1"

    def test_a_full_disk_leaves_no_draft(self, tmp_path, monkeypatch):
        def write_bytes(path, content):
            path.write_text(content[:1].decode())
            raise NO_SPACE

        monkeypatch.setattr(Path, "write_bytes", write_bytes)
        with pytest.raises(OSError, match=r"No space.*/a\.json"):
            write_json(tmp_path / "a.json", [1, 2])
        assert list(tmp_path.iterdir()) == []

    def test_threads_do_not_meet(self, tmp_path):
        def write(value):
            for _ in range(50):
                write_json(tmp_path / "a.json", [value] * 100)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(4)))  # raises what any of them raised
        assert len(set(json.loads((tmp_path / "a.json").read_text()))) == 1
