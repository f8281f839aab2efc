"""The loss of a data set: exact and mergeable, with its confidence interval and its sources."""

from rashin.measurement.accumulate import Accumulator, Options
from rashin.measurement.arrays import measure
from rashin.measurement.baseline import Baseline
from rashin.measurement.intervals import Interval
from rashin.measurement.measurement import Measurement, Row
from rashin.measurement.sampling.estimates import Estimate, estimate
from rashin.measurement.sets import SetMeasurement
from rashin.measurement.standouts import Standout
from rashin.measurement.sums.codes import Codes
from rashin.measurement.sums.moments import Infinite, Moments
from rashin.measurement.table.table import measure_table

__all__ = [
    "Accumulator",
    "Baseline",
    "Codes",
    "Estimate",
    "Infinite",
    "Interval",
    "Measurement",
    "Moments",
    "Options",
    "Row",
    "SetMeasurement",
    "Standout",
    "estimate",
    "measure",
    "measure_table",
]
