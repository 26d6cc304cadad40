"""Invariants: what must hold of every backend's program by itself, whatever the reference says.

Each module has `applies(case, probes)`, `ask(model, case, probes)`, which runs in the process of
one backend, and `expected(case, probes)`, the standards for the same leaves; what
`ask_layer` of `structure` gives is held to the reference.
"""
