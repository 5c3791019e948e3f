"""Benchmarks: ``python -m benchmarks`` measures and writes the pages of docs/benchmarks."""
