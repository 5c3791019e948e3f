"""``python -m benchmarks [--only NAME ...] [--repeats N] [--pages]``."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results"
DOCS = HERE.parent / "docs" / "benchmarks"
NAMES = ("single", "search", "scaling", "bagging", "linear_solvers")


def measure(name, repeats):
    """Measure one page and store its figures."""
    import importlib

    from benchmarks.timing import machine

    result = importlib.import_module(f"benchmarks.{name}").measure(repeats)
    RESULTS.mkdir(exist_ok=True)
    stored = {"machine": machine(), "repeats": repeats, "result": result}
    (RESULTS / f"{name}.json").write_text(json.dumps(stored, indent=1) + "\n")


def write_pages():
    """Write a page for each stored result, and the picture of the README."""
    from benchmarks.pages import PAGES
    from benchmarks.pictures import draw_searches

    for name, page in PAGES.items():
        path = RESULTS / f"{name}.json"
        if path.exists():
            stored = json.loads(path.read_text())
            about = {**stored["machine"], "repeats": stored["repeats"]}
            (DOCS / f"{name}.rst").write_text(page(stored["result"], about))
            if name == "search":
                draw_searches(stored["result"], DOCS.parent / "images" / "batched_search.png")


def main():
    """Measure in a process each, so that no page suffers from the threads of another."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, help="pages to measure")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each contestant (5)")
    parser.add_argument("--pages", action="store_true", help="only write pages from stored results")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        measure(options.only[0], options.repeats)
        return
    for name in () if options.pages else options.only:
        print(f"measuring {name} ...", flush=True)
        command = [sys.executable, "-m", "benchmarks", "--here", "--only", name]
        subprocess.run([*command, "--repeats", str(options.repeats)], check=True)
    write_pages()


if __name__ == "__main__":
    main()
