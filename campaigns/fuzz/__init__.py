"""Compiler fuzzing: random specs, valid and nearly valid, through the whole compiler.

Needs hypothesis, which comes with `wellposed[test]`.
"""
