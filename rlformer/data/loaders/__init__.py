"""The loaders of other formats; a new one is a file here and a line in `LOADERS`."""

from rlformer.data.loaders.base import Loader
from rlformer.data.loaders.csv import CSV
from rlformer.data.loaders.hdf5 import HDF5
from rlformer.data.loaders.minari import MINARI
from rlformer.data.loaders.npz import NPZ
from rlformer.data.loaders.parquet import PARQUET

LOADERS: tuple[Loader, ...] = (MINARI, HDF5, NPZ, CSV, PARQUET)
