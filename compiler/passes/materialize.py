"""Linear operators become arrays where they have one; of dense ones that is always."""

from __future__ import annotations

from ..ir.module import Module
from ..ir.operators import arrays
from ..promises import claims
from ..promises.checked import checked
from .rewriting import with_expressions


@checked("materialize", claims.module_kept)
def materialize(module: Module) -> Module:
    """The module with an array in the place of every operator."""
    return with_expressions(module, arrays)
