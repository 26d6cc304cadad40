"""The self-test of `check`: planted bugs, random edits, and what the ladder says of them."""
