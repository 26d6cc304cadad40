"""Files of weights, with what their network must know of its data: names and standardization."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from ..data.preprocessing import Preprocessing
from .checkpoint import RunError, Tensors, reason, to_bytes

FORMAT = "wellposed preprocessing 1"
"""The one entry of the metadata of a file, whose text is a JSON object."""


@dataclass(frozen=True)
class WeightsFile:
    """The weights after `epoch` whole epochs, or None where the file does not say; of a run that an
    older version began `preprocessing` is None."""

    weights: Tensors
    preprocessing: Preprocessing | None = None
    epoch: int | None = None

    def to_bytes(self) -> bytes:
        """The file."""
        if self.preprocessing is None:
            return to_bytes(self.weights)
        said = self.preprocessing.to_plain() | {"epoch": self.epoch}
        return to_bytes(self.weights, {FORMAT: json.dumps(said, ensure_ascii=False)})


def read_weights(path: Path, facts_only: bool = False) -> WeightsFile:
    """The weights in a file, or without them what it says beside; RunError where it cannot be
    read."""
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(FORMAT)
            names = () if facts_only else file.keys()
            weights = {name: file.get_tensor(name) for name in names}
        if text is None:
            return WeightsFile(weights)
        said = json.loads(text)
        return WeightsFile(weights, Preprocessing.of_plain(said), said["epoch"])
    except FileNotFoundError:
        raise RunError(f"{path} is not there") from None
    except OSError as error:
        raise RunError(f"{path} cannot be read: {reason(error)}") from None
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError):
        raise RunError(f"{path} is no file of weights, or a damaged one") from None
