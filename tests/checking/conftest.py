"""Lets the tests of this folder import `planting` beside them: importlib mode does not.

Both frameworks are imported before a thread could import them half.
"""

from __future__ import annotations

import sys
from pathlib import Path

import jax  # noqa: F401
import torch  # noqa: F401

sys.path.insert(0, str(Path(__file__).parent))
