"""Random edits of emitted text: which there are, and that the ladder sees them."""

from __future__ import annotations

import ast

import pytest

from campaigns.edits import __main__ as command
from campaigns.edits.__main__ import main
from campaigns.edits.campaign import (
    CAUGHT,
    Mutant,
    Outcome,
    Survivor,
    caught_at,
    draw,
    program_text,
    run_edits,
)
from campaigns.edits.edits import RULES, Edit, edits
from campaigns.edits.equivalent import reason
from campaigns.edits.first import first_failure, prepared
from wellposed.checking.selftest.specs import specs

IN_THE_SUITE = 60
SAMPLES = {
    "another constant": ("return x + 2", {"return x + 3"}),
    "another index": (
        "return x[1:]",
        {"return x[2:]", "return x[0:]", "return x[1:-1]"},
    ),
    "another sign": ("return x - z", {"return (x + z)"}),
    "sides swapped": ("return x @ z", {"return (z @ x)"}),
    "a term dropped": ("return x - z", {"return x", "return (-z)"}),
    "a factor dropped": ("return x / z", {"return x", "return z"}),
    "a transpose dropped": ("return x.mT", {"return x"}),
    "another comparison": ("return x == z", {"return (x != z)"}),
    "a function dropped": ("return torch.tanh(x)", {"return x"}),
    "arguments swapped": ("return f(x, z)", {"return f(z, x)"}),
    "another name": ("return x", {"return z"}),
    "an option dropped": ("return f(x, dim=0)", {"return f(x)"}),
    "a statement dropped": ("x = f(x)", {"pass"}),
}


def of(line: str) -> tuple[str, tuple[Edit, ...]]:
    """The edits of a function of x and z with one line."""
    text = f'def f(x, z):\n    """A line."""\n    {line}\n'
    return text, edits(text)


@pytest.mark.parametrize("kind", RULES)
def test_every_kind_of_edit(kind: str):
    line, expected = SAMPLES[kind]
    text, found = of(line)
    lines = {e.apply(text).splitlines()[-1].strip() for e in found if e.kind == kind}
    assert lines == expected


@pytest.mark.parametrize(
    "line",
    [
        "return -(x ** 2) if False else (x - z) ** 2",
        "return min(x, z)",
        "return x.contiguous()",
        "return x.new_zeros(z, device=x.device)",
    ],
)
def test_edits_that_provably_change_nothing_are_not_made(line: str):
    text, found = of(line)
    same = {"return (z - x) ** 2", "return min(z, x)", "return x", "return x.new_zeros(z)"}
    assert not {e.apply(text).splitlines()[-1].strip() for e in found} & same


def test_dead_text_is_left_alone():
    text = (
        'FEATURES = 3\nH = 0.5\nLayer = tuple[Array, Array]\n\ndef f(y: Array = 1) -> "Array":\n'
        '    """H / 2."""\n    return H * y\n\ndef main():\n    print(FEATURES + 1)\n'
    )
    assert {e.line for e in edits(text)} == {2, 5, 7}
    assert "FEATURES = 4" not in "".join(e.apply(text) for e in edits(text))


@pytest.mark.parametrize(("name", "backend"), [("mlp", "torch"), ("verlet", "jax")])
def test_every_edit_leaves_a_program_that_is_another(name: str, backend: str):
    text = program_text(name, backend)
    found, unedited = edits(text), ast.dump(ast.parse(text))
    assert len(found) > 200
    for edit in found[::4]:
        assert ast.dump(ast.parse(edit.apply(text))) != unedited, edit


@pytest.mark.parametrize("name", specs())
def test_the_unedited_program_passes(name: str):
    assert first_failure(name, "torch", program_text(name, "torch")) is None
    assert {key.quantity for key in prepared(name).keys} >= {"weights", "vector field"}


def test_random_edits_are_caught_and_survivors_change_nothing_for_a_reason():
    outcome = run_edits(IN_THE_SUITE, seed=4)
    assert outcome.unexplained == ()
    assert len(outcome.survivors) <= 0.1 * IN_THE_SUITE, outcome.lines()


def test_an_edit_that_survives_without_a_reason_fails():
    edit = edits(program_text("shared", "torch"))[0]
    mutant = Mutant("shared", "torch", edit)
    caught = {"L1": 99}
    assert Outcome(100, caught, (Survivor(mutant, "equal"),)).passed
    assert not Outcome(100, caught, (Survivor(mutant, ""),)).passed
    assert not Outcome(0, {}, ()).passed
    too_many = tuple(Survivor(mutant, "equal") for _ in range(6))
    assert len(too_many) > (1 - CAUGHT) * 100
    assert not Outcome(100, {"L1": 94}, too_many).passed


def test_a_reason_is_for_its_own_line_only():
    text = program_text("rk4", "torch")
    found = edits(text)
    (guard,) = [e for e in found if e.kind == "another constant" and e.old == "1e-9"]
    assert reason(guard, text, "torch")
    assert caught_at(Mutant("rk4", "torch", guard)) == ""
    assert not any(reason(e, text, "torch") for e in found if "tanh" in e.old)


def test_the_drawing_depends_on_the_seed_alone():
    drawn = [[m.edit for m in draw(10, seed)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_the_command_prints_what_was_caught_and_fails_with_the_campaign(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    edit = edits(program_text("shared", "torch"))[0]
    survivor = Survivor(Mutant("shared", "torch", edit), "")
    outcomes = iter([Outcome(3, {"L1": 3}, ()), Outcome(3, {"L1": 2}, (survivor,))])
    monkeypatch.setattr(command, "run_edits", lambda *given, **words: next(outcomes))
    assert main(["--edits", "3"]) == 0
    assert capsys.readouterr().out == "3 of 3 random edits caught (3 at L1).\n"
    assert main(["--edits", "3"]) == 1
    assert "UNEXPLAINED" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--edits", "0"], ["--seed", "-1"], ["--edits", "many"]])
def test_the_command_refuses_what_makes_no_sense(arguments: list[str]):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
