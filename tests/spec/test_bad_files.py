"""Files that are no spec: refused in place, without reading more than is allowed."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from wellposed.spec.diagnostics import SpecError
from wellposed.spec.load import open_document, validate
from wellposed.spec.source import MAX_BYTES, read

FILES: dict[str, tuple[bytes, str, int, int]] = {
    "latin-1": (b"a: 1\nb: caf\xe9\n", "E002", 2, 7),
    "binary": (bytes(range(256)) * 100, "E002", 3, 115),
    "UTF-16": ("a: 1".encode("utf-16"), "E002", 1, 1),
    "gzip": (b"\x1f\x8b\x08\x00", "E002", 1, 2),
    "cut in a character": ("a: γ".encode()[:-1], "E002", 1, 4),
    "10 MB": (b"a: 1\n" * 2_000_000, "E003", 1, 1),
}


@pytest.mark.parametrize(("data", "code", "line", "column"), FILES.values(), ids=FILES)
def test_bad_files(tmp_path: Path, data: bytes, code: str, line: int, column: int) -> None:
    path = tmp_path / "m.yaml"
    path.write_bytes(data)
    with pytest.raises(SpecError) as caught:
        read(path)
    (found,) = caught.value.diagnostics
    assert found.span is not None
    assert (found.code, found.span.line, found.span.column) == (code, line, column)
    assert found.span.source == str(path)


def test_a_large_file_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    with path.open("wb") as stream:
        stream.truncate(2**32)
    tracemalloc.start()
    with pytest.raises(SpecError, match="larger than"):
        read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * MAX_BYTES


def test_no_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, reason in [
        (tmp_path / "absent.yaml", "no such file"),
        (tmp_path, "a directory"),
        (pipe, "not a regular file"),
        (tmp_path / ("x" * 5000), "too long"),
        (tmp_path / "a\0b", "null byte"),
    ]:
        with pytest.raises(SpecError, match=reason) as caught:
            read(path)
        assert [d.code for d in caught.value.diagnostics] == ["E001"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.touch(mode=0)
    with pytest.raises(SpecError, match="permission denied"):
        read(path)


def test_errors_of_the_file_and_of_the_overrides_come_together(tmp_path: Path, toy: Any) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("wellposed: 1\nnmae: x\n")
    with pytest.raises(SpecError) as caught:
        validate(open_document(path, ["nonsense", "model.steps=x", "name=[1"]), toy)
    codes = [d.code for d in caught.value.diagnostics]
    assert sorted(codes) == ["E004", "E014", "E101", "E103"]
    assert codes[0] == "E103"
