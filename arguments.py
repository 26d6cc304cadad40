"""What the functions of the Python API are given, and what they say of anything else."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from .backends.model import ArgumentError
from .spec.model import Spec


def as_path(path: Any) -> str | os.PathLike[str]:
    """The path of a file or folder. Raises ArgumentError."""
    if not isinstance(path, str | os.PathLike):
        raise ArgumentError(f"a path is a text, not {_what(path)}")
    if isinstance(path, str) and "\n" in path:
        raise ArgumentError("a path is one line: write the text of a spec to a file and load that")
    return path


def as_texts(overrides: Any) -> tuple[str, ...]:
    """Overrides of the form key.sub=value. Raises ArgumentError."""
    if isinstance(overrides, Mapping):
        return tuple(f"{key}={_value(value)}" for key, value in overrides.items())
    if isinstance(overrides, str) or not isinstance(overrides, Iterable):
        example = 'overrides={"train.epochs": 3} or overrides=["train.epochs=3"]'
        raise ArgumentError(f"overrides are a dict or a list: {example}")
    texts = tuple(overrides)
    for text in texts:
        if not isinstance(text, str):
            raise ArgumentError(f"an override is a text like 'train.epochs=3', not {_what(text)}")
    return texts


def as_spec(spec: Any) -> Spec:
    """A spec. Raises ArgumentError."""
    if not isinstance(spec, Spec):
        raise ArgumentError(f"this takes a spec, as wellposed.load gives it, not {_what(spec)}")
    return spec


def _value(value: Any) -> str:
    """A value as YAML in one line."""
    try:
        text = yaml.safe_dump(value, default_flow_style=True, width=10**9, allow_unicode=True)
    except yaml.YAMLError:
        message = f"the value of an override is plain data, not {_what(value)}"
        raise ArgumentError(message) from None
    return text.removesuffix("\n...\n").rstrip("\n")


def _what(value: Any) -> str:
    return f"a {type(value).__name__}"
