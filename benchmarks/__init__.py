"""Speed and memory of rashin beside its peers: ``python -m benchmarks``; README.md says what is compared."""
