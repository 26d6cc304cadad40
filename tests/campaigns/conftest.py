"""Lets the tests of this folder import `campaigns`, which is not installed.

The root of the checkout comes last, so that its folders hide no other package. Both frameworks are
imported before a thread could import them half.
"""

from __future__ import annotations

import sys
from pathlib import Path

import jax  # noqa: F401
import torch  # noqa: F401

sys.path.append(str(Path(__file__).parents[2]))
