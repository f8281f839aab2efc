"""Measuring on a Dask cluster: the workers measure the parts of a data set and add the results in a tree."""

from rashin.measurement.dask.arrays import measure_arrays, of_dask
from rashin.measurement.dask.frames import measure_frame
from rashin.measurement.dask.parts import measure_partitions

__all__ = ["measure_arrays", "measure_frame", "measure_partitions", "of_dask"]
