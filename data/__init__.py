"""From the data node of a spec to arrays, and the random numbers of data and training."""

from .dataset import Dataset, Split
from .files import read_features
from .loading import features, load, targets
from .of_spec import dataset_of
from .preprocessing import Preprocessing, Scaling
from .rng import batches, rng

__all__ = [
    "Dataset",
    "Preprocessing",
    "Scaling",
    "Split",
    "batches",
    "dataset_of",
    "features",
    "load",
    "read_features",
    "rng",
    "targets",
]
