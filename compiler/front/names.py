"""Names that a user's weights and blocks may not take, because the language has them already.

Python's words and the names that emitted programs use are no matter: a program renames its own.
"""

import unicodedata

from ..ir.elementary import PUBLIC

LONGEST = 40
TAKEN = {
    "t": "t is the time",
    "pi": "pi is the number",
    "W": "W and mu are the weights of the readout",
    "mu": "W and mu are the weights of the readout",
    "L": "L is the weight of lift: linear",
    **dict.fromkeys(PUBLIC, "this is a function"),
}
TAKEN_NAMES = f"names that are taken: the blocks, {', '.join(TAKEN)}"


def refusal(name: str) -> str:
    """Why a name cannot be taken, or nothing when it can."""
    is_plain = name.isidentifier() and name[0] != "_"
    if not is_plain or unicodedata.normalize("NFKC", name) != name:
        return "a name is a letter followed by letters, digits and _"
    if len(name) > LONGEST:
        return f"a name has at most {LONGEST} characters"
    return TAKEN.get(name, "")
