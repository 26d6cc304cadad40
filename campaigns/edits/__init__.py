"""Random edits of emitted programs: how many does `check` notice?"""
