"""What stands at the head of a program."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Header:
    """The head of a program: its title, rows of (label, text), and what it was written from."""

    title: str
    rows: tuple[tuple[str, str], ...]
    provenance: str

    def with_row_behind(self, label: str, text: str) -> Header:
        """The head with one more text behind those of a label."""
        rows = list(self.rows)
        at = next(i for i, (known, _) in enumerate(rows) if known == label) + 1
        while at < len(rows) and not rows[at][0]:
            at += 1
        return replace(self, rows=(*rows[:at], ("", text), *rows[at:]))
