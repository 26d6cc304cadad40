"""Whether pendulums that were learned keep the energy of the one that was observed.

    python benchmarks/bench_pendulum.py RUN... [--plot FILE]

From the first observation of every series that was held out, the states along ten periods of its
swing, and along them the true energy p²/2 − ω² cos q, of which a pendulum loses nothing.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.special import ellipk

import wellposed
from wellposed.data.of_spec import dataset_of
from wellposed.plots.style import caption, class_colours, headline, picture
from wellposed.spec.observations import Pendulum

PERIODS, POINTS = 10, 100  # of each

Array = np.ndarray


def energy(states: Array, frequency: float) -> Array:
    """p²/2 − ω² cos q of states (…, 2)."""
    q, p = states[..., 0], states[..., 1]
    return p**2 / 2 - frequency**2 * np.cos(q)


def period(start: Array, frequency: float) -> float:
    """4 K(sin α/2) / ω of the swing of amplitude α through (q, p)."""
    cosine = -energy(start, frequency) / frequency**2
    return float(4 * ellipk((1 - cosine) / 2) / frequency)


def changes(run: wellposed.Run) -> Array:
    """|E(t) − E(0)| along the periods of every held-out series: (series, times)."""
    data = run.spec.data
    assert isinstance(data, Pendulum)
    known = dataset_of(run.spec, 2)
    assert known is not None
    model, omega, found = run.model(), data.frequency, []
    for start in known.validation.starts:
        times = np.linspace(0, PERIODS * period(start, omega), PERIODS * POINTS + 1)
        states = model.solve(run.weights, start[None], times)[:, 0]
        E = energy(np.asarray(states, np.float64), omega)
        found.append(np.abs(E - E[0]))
    return np.array(found)


def draw(found: dict[str, Array], path: str) -> None:
    """A panel for each run, a line for each series."""
    with picture(path, 7.0, 3.2) as figure:
        panels = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
        for axes, (name, lines) in zip(panels, found.items(), strict=True):
            at = np.linspace(0, PERIODS, lines.shape[1])
            for colour, line in zip(class_colours(len(lines)), lines, strict=True):
                axes.semilogy(at[1:], line[1:], color=colour, linewidth=1.0)
            axes.grid(True)
            axes.set(title=name, xlabel="periods")
        panels[0].set_ylabel("|E(t) − E(0)|")
        headline(figure, "The true energy along paths of learned pendulums")
        caption(figure, "E = p²/2 − ω² cos q; a line for each series that was held out")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--plot", metavar="FILE")
    given = parser.parse_args()
    found: dict[str, Array] = {}
    print("| run | largest change of the energy | of the median series |")
    print("|---|---|---|")
    for folder in given.runs:
        run = wellposed.open(folder)
        lines = found[run.spec.name] = changes(run)
        largest = lines.max(axis=1)
        print(f"| {run.spec.name} | {largest.max():.3f} | {np.median(largest):.3f} |")
    if given.plot:
        draw(found, given.plot)


if __name__ == "__main__":
    main()
