"""Newly measured ratios against the recorded ones: has anything become slower?

Only ratios are kept, of two things measured in turn: they hold where absolute times do not. (asv and
pytest-benchmark keep times of one thing alone.)
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import NamedTuple

from benchmarks.rst import processor

#: A figure that is slower by more than this share of the recorded one is reported.
TOLERANCE = 0.2
ALLOWED = f"{100 * TOLERANCE:.0f} %"


class Figure(NamedTuple):
    """A ratio, and whether more of it is faster."""

    value: float
    more_is_faster: bool = False

    def slower_by(self, recorded):
        """Share by which it is slower than a recorded value; negative where it is faster.

        >>> from benchmarks.regressions import Figure
        >>> Figure(0.5).slower_by(0.4), Figure(0.5, more_is_faster=True).slower_by(0.6)
        (0.25, 0.2)
        """
        times = recorded / self.value if self.more_is_faster else self.value / recorded
        return round(times - 1, 9)


def figures(page, result):
    """The ratios in a stored result of a page by name; empty for pages without ratios."""
    ratios = getattr(import_module(f"benchmarks.{page}"), "ratios", lambda result: ())
    return {f"{page}: {name}": figure for name, figure in ratios(result)}


def compare(now, recorded, tolerance=TOLERANCE):
    """What is slower than recorded by more than the tolerance, and the names of what is new.

    Of what is slower, the worst first: share, name, recorded and new ratio.
    """
    known = [
        (figure, name, recorded[name]["ratio"]) for name, figure in now.items() if name in recorded
    ]
    slower = [(figure.slower_by(ratio), name, ratio, figure.value) for figure, name, ratio in known]
    slower = sorted((one for one in slower if one[0] > tolerance), reverse=True)
    return slower, [name for name in now if name not in recorded]


def check(stored, path, record=False):
    """Compare stored results, page to a dict, with the recorded ratios; print it, and keep what is new.

    `record` keeps all figures of these pages, and forgets those that are gone. The exit code is 1 where
    a figure is slower and is not to be recorded.
    """
    recorded, now, entries = read(path), {}, {}
    for page, kept in stored.items():
        machine = kept["machine"]
        where = f"{machine['cores']} cores of {processor(machine)}"
        now |= (found := figures(page, kept["result"]))
        for name, figure in found.items():
            entries[name] = {"ratio": figure.value, "repeats": kept["repeats"], "machine": where}
    slower, new = compare(now, recorded)
    pages = tuple(f"{page}: " for page in stored)
    gone = [name for name in recorded if name.startswith(pages) and name not in now]
    if slower:
        _print_slower(slower, recorded, {entry["machine"] for entry in entries.values()})
    elif known := len(now) - len(new):
        print(f"None of {known} ratios is slower by more than {ALLOWED} than recorded.")
    if new:
        print("New, and recorded now:", *new, sep="\n  ")
    if gone:
        print("Recorded, but not measured any more (--record forgets them):", *gone, sep="\n  ")
    kept = {name: one for name, one in recorded.items() if not (record and name in gone)}
    kept |= {name: entries[name] for name in (entries if record else new)}
    if kept != recorded:
        path.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    if not slower or record:
        return 0
    print(
        "Measure again on a machine that does nothing else. Where the new figures are meant, accept "
        "them as the recorded ones: python -m benchmarks --pages --record"
    )
    return 1


def _print_slower(slower, recorded, here):
    width = max(len(name) for _, name, _, _ in slower)
    print(f"Slower by more than {ALLOWED} than recorded:")
    print(f"  {'':{width}}  recorded       now  slower by")
    for share, name, before, after in slower:
        print(f"  {name:{width}}  {before:8.3f}  {after:8.3f}  {100 * share:7.1f} %")
    if others := sorted({recorded[name]["machine"] for _, name, _, _ in slower} - here):
        print(f"They were recorded on another machine: {'; '.join(others)}.")


def read(path):
    """The recorded ratios, name to entry; empty where there is no file."""
    return json.loads(path.read_text()) if path.exists() else {}
