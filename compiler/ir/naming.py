"""A name that nothing else has."""

from __future__ import annotations

from collections.abc import Container


def free(wanted: str, taken: Container[str]) -> str:
    """`wanted`, or with underscores behind it until nothing else is called so."""
    name = wanted
    while name in taken:
        name += "_"
    return name


def numbered(wanted: str, taken: Container[str]) -> str:
    """`wanted`, or with a number behind it: `y_2`."""
    name, i = wanted, 2
    while name in taken:
        name, i = f"{wanted}_{i}", i + 1
    return name
