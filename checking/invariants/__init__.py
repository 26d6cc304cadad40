"""Invariants: what must hold of every backend's program by itself, whatever the reference says.

Each module has `applies(program, probes)`, `ask(model, probes)`, which runs in the process of one
backend, and `expected(program, probes)`, the standards for the same leaves; what `operands` gives
is held to the reference.
"""
