"""Newly measured ratios against the recorded ones: has anything become slower?

Only ratios are kept, of two things measured in turn: they hold where absolute times do not. (asv and
pytest-benchmark keep times of one thing alone.)
"""

from __future__ import annotations

import json
from typing import NamedTuple

#: A figure that is slower by more than this share of the recorded one is reported.
TOLERANCE = 0.2


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
        now, before = (
            (1 / self.value, 1 / recorded) if self.more_is_faster else (self.value, recorded)
        )
        return round(now / before - 1, 9)


# -- the ratios of each page ----------------------------------------------------------------------


def _single(result):
    for case, fit in result["fits"].items():
        for peer in ("scikit-learn", "skorch"):
            yield f"one fit of {case}, to {peer}", Figure(fit[f"to {peer}"])
    for case, stack in result["stacks"].items():
        yield f"stack of {case}, share of the peak", Figure(stack["of peak"], True)


def _search(result):
    for case, found in result.items():
        for contestant, times in found["times faster"].items():
            # One by one is ours too: where it gains, the ratio falls, and nothing is slower.
            if not contestant.startswith("skreg"):
                yield f"search {case}, times {contestant} takes", Figure(times, True)


def _bagging(result):
    for case, found in result.items():
        yield f"ensemble, {case}, in single fits", Figure(found["single fits"]["ensemble"])


def _predicting(result):
    for case, calls in result.items():
        for n, found in calls.items():
            rows = "1 row" if n == "1" else f"{int(n):,} rows"
            yield f"{case} of {rows}, to scikit-learn", Figure(found["to scikit-learn"])


def _searching(result):
    for case, found in result.items():
        yield f"settings a minute, {case}, to GridSearchCV", Figure(found["times as many"], True)


def _own_nets(result):
    for case, found in result.items():
        for who, times in found["times"].items():
            if not who.startswith("skreg"):
                yield f"search over an own net, {case}, times {who} takes", Figure(times, True)


def _gpu(result):
    yield "search A, times skorch takes", Figure(result["search"]["times faster"]["skorch"], True)


def _default_speed(result):
    for name, row in result["rows"].items():
        yield name, Figure(row["ratio"], row["more is faster"])


#: The pages with ratios, and how to read them.
READERS = {
    "default_speed": _default_speed,
    "single": _single,
    "search": _search,
    "bagging": _bagging,
    "predicting": _predicting,
    "searching": _searching,
    "own_nets": _own_nets,
    "gpu": _gpu,
}


def figures(page, result):
    """The ratios in a stored result of a page by name; empty for pages without ratios."""
    read = READERS.get(page, lambda result: ())
    return {f"{page}: {name}": figure for name, figure in read(result)}


# -- the comparison -------------------------------------------------------------------------------


def compare(now, recorded, tolerance=TOLERANCE):
    """Set new figures, name to `Figure`, against recorded entries, name to a dict with its "ratio".

    Returns
    -------
    slower : list of tuple
        Share, name, recorded and new ratio of what is slower by more than the tolerance, the worst
        first.
    new : list of str
        What has no entry.
    """
    shares = {
        name: figure.slower_by(recorded[name]["ratio"])
        for name, figure in now.items()
        if name in recorded
    }
    slower = [
        (share, name, recorded[name]["ratio"], now[name].value)
        for name, share in shares.items()
        if share > tolerance
    ]
    return sorted(slower, reverse=True), [name for name in now if name not in recorded]


def check(stored, path, record=False):
    """Compare stored results with the recorded ratios, print it, and keep what is to be kept.

    A figure that is new is recorded at once.

    Parameters
    ----------
    stored : dict of str to dict
        Page to its stored results: "machine", "repeats" and "result".
    path : Path
        Of the recorded ratios; made where it is missing.
    record : bool, default=False
        Record all figures of these pages, and forget those that are gone.

    Returns
    -------
    int
        1 where a figure is slower and is not to be recorded, else 0.
    """
    recorded, now, entries = read(path), {}, {}
    for page, kept in stored.items():
        machine = kept["machine"]
        where = f"{machine['cores']} cores of {machine['cpu']} ({machine['capability']})"
        for name, figure in figures(page, kept["result"]).items():
            now[name] = figure
            entries[name] = {"ratio": figure.value, "repeats": kept["repeats"], "machine": where}
    slower, new = compare(now, recorded)
    allowed = f"{100 * TOLERANCE:.0f} %"
    pages = tuple(f"{page}: " for page in stored)
    gone = [name for name in recorded if name.startswith(pages) and name not in now]
    if slower:
        width = max(len(name) for _, name, _, _ in slower)
        print(f"Slower by more than {allowed} than recorded:")
        print(f"  {'':{width}}  recorded       now  slower by")
        for share, name, before, after in slower:
            print(f"  {name:{width}}  {before:8.3f}  {after:8.3f}  {100 * share:7.1f} %")
        others = {recorded[name]["machine"] for _, name, _, _ in slower}
        if others := sorted(others - {one["machine"] for one in entries.values()}):
            print(f"They were recorded on another machine: {'; '.join(others)}.")
    elif len(now) > len(new):
        print(
            f"None of {len(now) - len(new)} ratios is slower by more than {allowed} than recorded."
        )
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


def read(path):
    """The recorded ratios, name to entry; empty where there is no file, ValueError if it is broken."""
    if not path.exists():
        return {}
    try:
        recorded = json.loads(path.read_text())
        wrong = [name for name, one in recorded.items() if not one["ratio"] > 0]
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} does not hold recorded ratios ({error!r}). Take it from the repository again, "
            "or delete it to record anew."
        ) from error
    if wrong:
        raise ValueError(f"{path} has ratios that are not above zero: {', '.join(wrong)}.")
    return recorded
