"""Benchmarks: ``python -m benchmarks`` measures and writes the pages of docs/benchmarks.

A page of speed is a module here: ``measure(repeats)`` returns its figures, which are stored, and
``page(result, machine)`` makes the page of them. It may have ``ratios(result)`` that are to stay as they are
(`benchmarks.regressions`), ``draw(result, docs)`` for its picture, and ``missing()``, which says why it
cannot be measured here.
"""
