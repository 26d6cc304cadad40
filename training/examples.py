"""The examples that a run keeps of data files: what it is analysed, checked and drawn at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from ..data.dataset import Dataset, Split
from ..data.preprocessing import Preprocessing
from .checkpoint import RunError, Tensors, reason, to_bytes

NUMBERS = 2**18
"""Features of either part that are kept at most: 2 MiB."""
PARTS = ("train", "validation", "later", "whole")
"""Parts of a dataset; only series have the last two."""


def to_keep(dataset: Dataset) -> bytes:
    """All examples of both parts as the network takes them, or as many as NUMBERS allow."""
    most = max(NUMBERS // max(dataset.train.x[0].size, 1), 2)
    arrays: Tensors = {}
    for name in PARTS:
        split: Split | None = getattr(dataset, name)
        if split is None:
            continue
        rows = split.rows(_chosen(split, most))
        arrays[f"{name}/x"] = rows.x
        if rows.targets is not None:
            arrays[f"{name}/targets"] = rows.targets
    return to_bytes(arrays)


def read_kept(path: Path, preprocessing: Preprocessing) -> Dataset:
    """The examples in a file. RunError where it cannot be read or holds others."""
    try:
        arrays = load_file(path)
        there = [n for n in PARTS if n in PARTS[:2] or f"{n}/x" in arrays]
        parts = {name: _split(arrays, name, preprocessing) for name in there}
        return Dataset(preprocessing=preprocessing, **parts)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise RunError(f"{path} does not hold the examples of this run: {reason(error)}") from None


def _chosen(split: Split, most: int) -> np.ndarray:
    """Evenly spaced rows, with the largest and the smallest among them."""
    if len(split) <= most:
        return np.arange(len(split))
    spaced = np.linspace(0, len(split) - 1, most - 2).astype(np.int64)
    return np.unique([*spaced, *split.ends])


def _split(arrays: Tensors, name: str, preprocessing: Preprocessing) -> Split:
    x, targets = arrays[f"{name}/x"], arrays.get(f"{name}/targets")
    ndim = 2 if preprocessing.origin is None else 3
    if x.ndim != ndim or x.shape[-1] != len(preprocessing.features):
        raise ValueError(f"{name}/x is {x.shape}")
    if targets is not None and len(targets) != len(x):
        raise ValueError(f"{name}/targets are {targets.shape} for {x.shape}")
    return Split(x, targets)
