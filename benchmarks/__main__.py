"""``python -m benchmarks [--only NAME ...] [--repeats N] [--pages] [--record]``."""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results"
RECORDED = RESULTS / "recorded_ratios.json"
DOCS = HERE.parent / "docs" / "benchmarks"
NAMES = (
    *("default_speed", "single", "search", "scaling", "bagging", "predicting", "searching"),
    *("selection", "own_nets", "gpu"),
)


def benchmark(name):
    """The module of a page."""
    return importlib.import_module(f"benchmarks.{name}")


def missing(name):
    """Why a page cannot be measured here; "" where it can."""
    module = benchmark(name)
    return module.missing() if hasattr(module, "missing") else ""


def measure(name, repeats):
    """Measure one page and store its figures."""
    from benchmarks.timing import machine

    stored = {"repeats": repeats, "result": benchmark(name).measure(repeats)}
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({"machine": machine(), **stored}, indent=1)
    (RESULTS / f"{name}.json").write_text(text + "\n")


def stored_results(names=NAMES):
    """The stored results of pages, of those that have some."""
    paths = {name: RESULTS / f"{name}.json" for name in names}
    return {name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()}


def write_pages():
    """Write a page for each stored result, and the pictures."""
    for name, stored in stored_results().items():
        module, about = benchmark(name), {**stored["machine"], "repeats": stored["repeats"]}
        (DOCS / f"{name}.rst").write_text(module.page(stored["result"], about))
        if hasattr(module, "draw"):
            module.draw(stored["result"], DOCS)


def main(arguments=None):
    """Measure in a process each, so that no page suffers from the threads of another.

    The exit code is 1 where a ratio is slower than the recorded one.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, help="pages to measure")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each contestant (5)")
    parser.add_argument("--pages", action="store_true", help="only write pages from stored results")
    parser.add_argument(
        "--record",
        action="store_true",
        help="record the ratios, measured or (with --pages) stored, as those to compare with",
    )
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.here:
        measure(options.only[0], options.repeats)
        return 0
    for name in () if options.pages else options.only:
        if reason := missing(name):
            print(f"skipping {name}: {reason}", flush=True)
            continue
        print(f"measuring {name} ...", flush=True)
        command = [sys.executable, "-m", "benchmarks", "--here", "--only", name]
        subprocess.run([*command, "--repeats", str(options.repeats)], check=True)
    write_pages()
    if options.pages and not options.record:
        return 0

    from benchmarks.regressions import check

    return check(stored_results(options.only), RECORDED, options.record)


if __name__ == "__main__":
    sys.exit(main())
