"""What a file is that is not the table of text which it was taken for, and what would help."""

from __future__ import annotations

from collections.abc import Sequence

SIGNATURES: dict[bytes, tuple[str, str]] = {
    b"\x1f\x8b": ("is compressed by gzip", "gunzip it first"),
    b"BZh": ("is compressed by bzip2", "bunzip2 it first"),
    b"\xfd7zXZ": ("is compressed by xz", "unxz it first"),
    b"\x28\xb5\x2f\xfd": ("is compressed by zstandard", "unzstd it first"),
    b"PK\x03\x04": ("is an Excel workbook or another zip archive", "save the table as csv"),
    b"\xd0\xcf\x11\xe0": ("is an Excel workbook", "save the table as csv"),
    b"PAR1": ("is a Parquet file", "write the table as csv, or its arrays as npz"),
    b"\x89HDF": ("is an HDF5 file", "write the table as csv, or its arrays as npz"),
    b"\x93NUMPY": ("is one NumPy array", "write it with numpy.savez: kind: npz"),
}
"""What the first bytes say, and what would help."""
UTF16 = (b"\xff\xfe", b"\xfe\xff")
SEPARATORS = (";", "\t", "|", ",")
SHOWN = {"\t": "\\t"}
"""How a separator is written in a spec, where it is no character to be seen."""


def foreign(start: bytes) -> tuple[str, str] | None:
    """What a file that begins like this is, and what would help; None for text."""
    for signature, said in SIGNATURES.items():
        if start.startswith(signature):
            return said
    return None


def is_utf16(start: bytes) -> bool:
    """Does it begin as text in UTF-16 does, with its mark or with ASCII in it?"""
    return start.startswith(UTF16) or (b"\0" in start[:64] and start[:64].count(0) >= 16)


def separator(lines: Sequence[str], given: str) -> str:
    """Another separator that every line has, equally often, where `given` is in none; else ``."""
    lines = [line for line in lines if line.strip()]
    if not lines or any(given in line for line in lines):
        return ""
    for mark in SEPARATORS:
        counts = {line.count(mark) for line in lines}
        if mark != given and len(counts) == 1 and counts != {0}:
            return mark
    return ""


def as_key(mark: str) -> str:
    """The key `delimiter` with this value, as it stands in a spec."""
    return f'delimiter: "{SHOWN.get(mark, mark)}"'
