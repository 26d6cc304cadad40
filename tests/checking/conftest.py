"""Lets the tests of this folder import `planting` beside them and `specs` from above them.

importlib mode does not.

Both frameworks are imported before a thread could import them half.
"""

from __future__ import annotations

import sys
from pathlib import Path

import jax  # noqa: F401
import torch  # noqa: F401

sys.path[:0] = [str(folder) for folder in Path(__file__).parents[:2]]
