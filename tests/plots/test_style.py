"""The house style: files written whole, bytes that repeat, no global state, colours told apart."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from wellposed.plots.style import CLASS_COLOURS, caption, class_colours, headline, picture
from wellposed.plots.trajectories import trajectories

STATES, TIMES = np.random.default_rng(1).normal(size=(6, 3, 2)), np.arange(6)


def test_same_data_same_bytes_and_no_date(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        trajectories(STATES, TIMES, tmp_path / name, "t")
    data = (tmp_path / "a.png").read_bytes()
    assert data == (tmp_path / "b.png").read_bytes()
    assert b"tEXt" not in data and b"tIME" not in data


def test_a_user_s_rc_settings_do_not_change_the_picture(tmp_path: Path) -> None:
    import matplotlib

    trajectories(STATES, TIMES, tmp_path / "a.png", "t")
    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9, "savefig.dpi": 40}):
        trajectories(STATES, TIMES, tmp_path / "b.png", "t")
        assert matplotlib.rcParams["font.size"] == 30
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_failed_drawing_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError, match="while drawing"), picture(path, 3, 3):
        raise RuntimeError("while drawing")
    with pytest.raises(RuntimeError, match="while saving"), picture(path, 3, 3) as figure:

        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("while saving")

        figure.savefig = fail
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_makes_the_folder_and_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "a" / "p.png"
    trajectories(STATES, TIMES, path, "one")
    before = path.read_bytes()
    trajectories(STATES, TIMES, path, "two")
    assert path.read_bytes() != before and list(path.parent.iterdir()) == [path]


def test_imports_matplotlib_late_and_pyplot_never(tmp_path: Path) -> None:
    script = f"""
import sys
from wellposed.plots import decision, eigenvalues, features, metrics, trajectories
assert not any(name.startswith("matplotlib") for name in sys.modules)
metrics.metrics([{{"loss": 1.0}}], {str(tmp_path / "m.png")!r}, "t")
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_titles_are_text_and_long_ones_are_broken(tmp_path: Path) -> None:
    with picture(tmp_path / "p.png", 4, 3) as figure:
        figure.subplots()
        headline(figure, "costs $\\frac{5$ or " + "word " * 30)
        caption(figure, "first remark " * 4, "", "second remark " * 4)
    assert max(map(len, figure.get_suptitle().splitlines())) <= 48
    assert len(figure.get_supxlabel().splitlines()) == 2


def test_colours_of_classes_are_distinct_for_any_number() -> None:
    for count in (1, 2, 5, 10, 11, 26):
        colours = class_colours(count)
        assert len(colours) == len(set(colours)) == count
    assert class_colours(5) == class_colours(10)[:5]


# Viénot, Brettel & Mollon (1999): linear RGB as a protanope and a deuteranope see it.
DICHROMATS = {
    "protanope": [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
    "deuteranope": [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
}


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear RGB, white point D65."""
    matrix = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(np.array(matrix) @ rgb / [0.9505, 1.0, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("who", DICHROMATS)
def test_the_first_classes_are_told_apart_by_the_colour_blind(who: str) -> None:
    from matplotlib.colors import to_rgb

    srgb = np.array([to_rgb(colour) for colour in CLASS_COLOURS[:5]])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = [lab(np.clip(np.array(DICHROMATS[who]) @ rgb, 0, 1)) for rgb in linear]
    closest = min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2))
    assert closest > 12, "a just noticeable difference is about 2.3"
