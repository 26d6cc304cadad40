"""Both frameworks are imported before a thread could import them half."""

from __future__ import annotations

import jax  # noqa: F401
import torch  # noqa: F401
