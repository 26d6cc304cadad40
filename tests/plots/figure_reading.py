"""What the tests read back from a drawn figure and from a written file."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Annotation


def png_size(path: Path) -> tuple[int, int]:
    """Width and height by the header of a PNG, which must be whole and not blank."""
    from matplotlib.image import imread

    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n") and data.endswith(b"IEND\xaeB`\x82")
    assert imread(path).std() > 0.01, "an empty page"
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def assert_sensible(path: Path) -> None:
    width, height = png_size(path)
    assert 500 <= width <= 2400 and 300 <= height <= 1500


def said(figure: Figure) -> str:
    """The caption below the picture."""
    return figure.get_supxlabel()


def clouds(axes: Axes) -> list[Any]:
    """The scatters, in the order of drawing."""
    return [artist for artist in axes.collections if isinstance(artist, PathCollection)]


def cloud(axes: Axes, label: str) -> np.ndarray:
    """The points of the scatter with this label, (s, 2)."""
    (found,) = [c for c in clouds(axes) if c.get_label() == label]
    return np.asarray(found.get_offsets())


def ways(axes: Axes) -> list[np.ndarray]:
    """The points (m, 2) of every line that is drawn as one."""
    return [np.asarray(line.get_xydata()) for line in axes.lines if line.get_linestyle() == "-"]


def starts(axes: Axes) -> np.ndarray:
    """The places of the open circles, (s, 2)."""
    hollow = [line for line in axes.lines if to_hex(line.get_markerfacecolor()) == "#ffffff"]
    return np.concatenate([np.asarray(line.get_xydata()) for line in hollow])


def arrows(axes: Axes) -> list[tuple[np.ndarray, np.ndarray]]:
    """(tail, tip) of every arrow."""
    drawn = [text for text in axes.texts if isinstance(text, Annotation) and text.arrow_patch]
    return [(np.asarray(arrow.xyann), np.asarray(arrow.xy)) for arrow in drawn]


def colours(artist: Any) -> set[str]:
    return {to_hex(colour) for colour in artist.get_facecolors()}


def holds(axes: Axes, points: np.ndarray) -> bool:
    """Whether all of the points (…, 2) are within the limits."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    x, y = points[..., 0], points[..., 1]
    return bool(np.all((left <= x) & (x <= right) & (bottom <= y) & (y <= top)))
