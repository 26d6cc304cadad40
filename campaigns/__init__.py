"""Tools of developers, run from the root of a checkout and never installed.

`python -m campaigns.fuzz` puts random specs through the whole compiler; `python -m campaigns.edits`
changes emitted programs at random and counts what `check` notices.
"""
