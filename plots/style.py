"""The one look of all pictures: palette, fonts, layout, captions, and how a picture is written.

Every picture is a bare `Figure` with its own Agg canvas: no pyplot, no global state, no window. The
house style starts from matplotlib's defaults, never from the user's matplotlibrc, so that the same
data give the same bytes on one machine.
"""

import os
import tempfile
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#222222"
QUIET = "#8a8a8a"
ALARM = "#c1121f"
REGION = "#dfe7ee"

# Okabe & Ito (2008) without black, then three of Tol's muted scheme: distinct for the common forms
# of colour blindness.
CLASS_COLOURS = (
    *("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442"),
    *("#332288", "#882255", "#999933"),
)

DEPTH_COLOURMAP = "viridis"

_HOUSE: dict[str, Any] = {
    "figure.dpi": 150,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.07,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "figure.titlesize": 10.5,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": True,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "legend.frameon": False,
    "legend.fontsize": 8,
}


def class_colours(classes: int) -> list[tuple[float, float, float]]:
    """One RGB colour per class, the same in every picture; beyond ten, evenly spaced hues."""
    import matplotlib
    from matplotlib.colors import to_rgb

    if classes <= len(CLASS_COLOURS):
        return [to_rgb(colour) for colour in CLASS_COLOURS[:classes]]
    hues = matplotlib.colormaps["turbo"](np.linspace(0.03, 0.97, classes))
    return [to_rgb(hue) for hue in hues]


@contextmanager
def picture(path: str | os.PathLike[str], width: float, height: float) -> Iterator["Figure"]:
    """A figure of width × height inches, written to `path` as PNG when the block ends well."""
    with house():
        figure = canvas(width, height)
        yield figure
        write(as_png(figure), path)


@contextmanager
def house() -> Iterator[None]:
    """Within it figures have the house style."""
    import matplotlib.style

    with matplotlib.style.context(["default", _HOUSE]):
        yield


def canvas(width: float, height: float) -> "Figure":
    """A figure of width × height inches with a canvas of its own."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def as_png(figure: "Figure", **options: Any) -> bytes:
    """The figure as the bytes of a PNG file."""
    file = BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a user's name may have any characters
        figure.savefig(file, format="png", metadata={"Software": None}, **options)
    return file.getvalue()


def write(data: bytes, path: str | os.PathLike[str]) -> None:
    """Through a temporary neighbour: a reader sees the old file or the new, never half."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def headline(figure: "Figure", title: str) -> None:
    """The picture's title, broken to its width; a `$` of a user's title stays a dollar."""
    columns = int(figure.get_figwidth() * 12)
    lines = [textwrap.fill(line, columns) for line in title.splitlines()]
    figure.suptitle("\n".join(lines), x=0.012, ha="left", parse_math=False)


def caption(figure: "Figure", *remarks: str) -> None:
    """Small print below the picture, broken between remarks; empty ones are left out."""
    lines: list[str] = []
    for remark in filter(None, remarks):
        longer = f"{lines[-1]}  ·  {remark}" if lines else ""
        if lines and len(longer) <= figure.get_figwidth() * 16:
            lines[-1] = longer
        else:
            lines.append(remark)
    if lines:
        looks: dict[str, Any] = {"fontsize": 8, "color": "#555555", "ha": "left", "x": 0.012}
        figure.supxlabel("\n".join(lines), **looks)


def frame(axes: "Axes", points: NDArray[np.float64], pad: float = 0.08) -> None:
    """Square limits of equal scale around the finite ones of `points` (…, 2)."""
    finite = points[np.isfinite(points).all(axis=-1)].reshape(-1, 2)
    low, high = (finite.min(axis=0), finite.max(axis=0)) if len(finite) else (-1.0, 1.0)
    centre, half = np.broadcast_to((low + high) / 2, 2), np.max(high - low) / 2
    # A single place has no extent of its own: its distance from the origin is the natural scale.
    half = (half or np.abs(centre).max() or 1.0) * (1 + 2 * pad)
    axes.set(xlim=(centre[0] - half, centre[0] + half), ylim=(centre[1] - half, centre[1] + half))
    axes.set_aspect("equal", adjustable="box")


def class_legend(
    axes: "Axes", classes: int, names: Sequence[str] = (), extra: tuple[Any, ...] = ()
) -> None:
    """Dots in the colours of the classes with their names, where these say more than numbers, and
    `extra` handles, at the right of the axes."""
    from matplotlib.lines import Line2D

    labels = [*names[:classes], *map(str, range(len(names), classes))]
    handles = [
        Line2D([], [], linestyle="", marker="o", color=colour, label=_class(label))
        for colour, label in zip(class_colours(classes), labels, strict=True)
    ]
    axes.legend(handles=[*handles, *extra], loc="upper left", bbox_to_anchor=(1.01, 1.0))


def _class(name: str) -> str:
    return shown(name) if name[:1].isalpha() else f"class {shown(name)}"


def shown(name: str, most: int = 28) -> str:
    """A name of the user's as text of a picture: a dollar begins no formula."""
    return (name if len(name) <= most else f"{name[: most - 1]}…").replace("$", r"\$")
