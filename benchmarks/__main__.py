"""``python -m benchmarks [--only NAME ...] [--repeats N] [--pages] [--record]``."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results"
RECORDED = RESULTS / "recorded_ratios.json"
DOCS = HERE.parent / "docs" / "benchmarks"
NAMES = (
    "default_speed",
    "single",
    "search",
    "scaling",
    "bagging",
    "predicting",
    "searching",
    "selection",
    "own_nets",
    "footprint",
    "gpu",
)


def measure(name, repeats):
    """Measure one page and store its figures."""
    import importlib

    from benchmarks.timing import machine

    result = importlib.import_module(f"benchmarks.{name}").measure(repeats)
    RESULTS.mkdir(exist_ok=True)
    stored = {"machine": machine(), "repeats": repeats, "result": result}
    (RESULTS / f"{name}.json").write_text(json.dumps(stored, indent=1) + "\n")


def missing(name):
    """What a page needs and this machine has not; "" where it can be measured."""
    if name != "gpu":
        return ""
    from benchmarks import gpu

    return gpu.missing()


def stored_results(names=NAMES):
    """The stored results of pages, of those that have some."""
    paths = {name: RESULTS / f"{name}.json" for name in names}
    return {name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()}


def write_pages():
    """Write a page for each stored result, and the pictures."""
    from benchmarks.pages import PAGES
    from benchmarks.pictures import draw_growth, draw_searches

    for name, stored in stored_results().items():
        about = {**stored["machine"], "repeats": stored["repeats"]}
        (DOCS / f"{name}.rst").write_text(PAGES[name](stored["result"], about))
        if name == "search":
            draw_searches(stored["result"], DOCS.parent / "images" / "batched_search.png")
        if name == "scaling":
            draw_growth(stored["result"], DOCS / "scaling.svg")


def main(arguments=None):
    """Measure in a process each, so that no page suffers from the threads of another.

    Returns
    -------
    int
        The exit code: 1 where a ratio is slower than the recorded one, else 0.
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
