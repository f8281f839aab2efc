"""Functions with known faults, for the tests of the audit."""
