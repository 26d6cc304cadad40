"""From the data node of a spec to arrays, and the random numbers of data and training."""

from .dataset import Dataset, Split
from .files import read_features
from .loading import features, load, span, targets
from .observations import Observed, read_observations
from .of_spec import dataset_of
from .preprocessing import Preprocessing, Scaling
from .rng import batches, rng

__all__ = [
    "Dataset",
    "Observed",
    "Preprocessing",
    "Scaling",
    "Split",
    "batches",
    "dataset_of",
    "features",
    "load",
    "read_features",
    "read_observations",
    "rng",
    "span",
    "targets",
]
