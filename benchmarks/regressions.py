"""Newly measured ratios against the recorded ones: has anything become slower?

Only ratios are kept, of two things measured in turn: they hold where absolute times do not.
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

        Examples
        --------
        >>> from benchmarks.regressions import Figure
        >>> Figure(0.5).slower_by(0.4), Figure(0.5, more_is_faster=True).slower_by(0.6)
        (0.25, 0.2)
        """
        if self.more_is_faster:
            return round(recorded / self.value - 1, 9)
        return round(self.value / recorded - 1, 9)


class Slower(NamedTuple):
    """A figure that became slower: its name, both values, and the share."""

    name: str
    recorded: float
    now: float
    share: float


class Comparison(NamedTuple):
    """What came out: what is slower, what is new, what is gone, how many were compared."""

    slower: list
    new: list
    gone: list
    compared: int


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


def _gpu(result):
    yield "search A, times skorch takes", Figure(result["search"]["times faster"]["skorch"], True)


#: The pages with ratios, and how to read them.
READERS = {
    "single": _single,
    "search": _search,
    "bagging": _bagging,
    "predicting": _predicting,
    "gpu": _gpu,
}


def figures(page, result):
    """The ratios in a stored result.

    Parameters
    ----------
    page : str
    result : dict
        As the page's ``measure`` gives it.

    Returns
    -------
    dict of str to Figure
        Empty for pages without ratios; names begin with the page's.
    """
    read = READERS.get(page, lambda result: ())
    return {f"{page}: {name}": figure for name, figure in read(result)}


# -- the comparison -------------------------------------------------------------------------------


def compare(now, recorded, tolerance=TOLERANCE):
    """Set new figures against recorded ones.

    Parameters
    ----------
    now : dict of str to dict of str to Figure
        Page to its figures.
    recorded : dict of str to dict
        Name to an entry with its "ratio".
    tolerance : float, default=0.2
        Share by which a figure may be slower.

    Returns
    -------
    Comparison
        "gone" are recorded figures of the given pages that were not measured any more.
    """
    figures = {name: figure for page in now.values() for name, figure in page.items()}
    slower = []
    for name, figure in figures.items():
        if name in recorded:
            ratio = recorded[name]["ratio"]
            share = figure.slower_by(ratio)
            if share > tolerance:
                slower.append(Slower(name, ratio, figure.value, share))
    new = [name for name in figures if name not in recorded]
    pages = tuple(f"{page}: " for page in now)
    gone = [name for name in recorded if name.startswith(pages) and name not in figures]
    slower.sort(key=lambda one: -one.share)
    return Comparison(slower, new, gone, len(figures) - len(new))


def describe(comparison, tolerance=TOLERANCE):
    """The comparison in words.

    Returns
    -------
    str
        Ends in a new line.
    """
    allowed = f"{100 * tolerance:.0f} %"
    lines = []
    if comparison.slower:
        width = max(len(one.name) for one in comparison.slower)
        lines.append(f"Slower by more than {allowed} than recorded:")
        lines.append(f"  {'':{width}}  recorded       now  slower by")
        for name, recorded, now, share in comparison.slower:
            lines.append(f"  {name:{width}}  {recorded:8.3f}  {now:8.3f}  {100 * share:7.1f} %")
    elif comparison.compared:
        lines.append(
            f"None of {comparison.compared} ratios is slower by more than {allowed} than recorded."
        )
    if comparison.new:
        lines += ["New, and recorded now:", *(f"  {name}" for name in comparison.new)]
    if comparison.gone:
        lines.append("Recorded, but not measured any more (--record forgets them):")
        lines += [f"  {name}" for name in comparison.gone]
    return "".join(f"{line}\n" for line in lines)


# -- the file -------------------------------------------------------------------------------------


def entry(figure, stored):
    """What is kept of a figure: its ratio, how often it was measured, and on what."""
    machine = stored["machine"]
    where = f"{machine['cores']} cores of {machine['cpu']} ({machine['capability']})"
    return {"ratio": figure.value, "repeats": stored["repeats"], "machine": where}


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

    Raises
    ------
    ValueError
        Where the file cannot be read.
    """
    recorded = read(path)
    now = {page: figures(page, kept["result"]) for page, kept in stored.items()}
    comparison = compare(now, recorded)
    print(describe(comparison), end="")
    entries = {
        name: entry(figure, stored[page])
        for page, found in now.items()
        for name, figure in found.items()
    }
    others = sorted(
        {
            recorded[one.name]["machine"]
            for one in comparison.slower
            if recorded[one.name]["machine"] != entries[one.name]["machine"]
        }
    )
    if others:
        print(f"They were recorded on another machine: {'; '.join(others)}.")
    kept = {name: one for name, one in recorded.items() if not (record and name in comparison.gone)}
    kept.update({name: entries[name] for name in (entries if record else comparison.new)})
    if kept != recorded:
        path.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    if comparison.slower and not record:
        print(
            "Measure again on a machine that does nothing else. Where the new figures are meant, "
            "accept them as the recorded ones: python -m benchmarks --pages --record"
        )
        return 1
    return 0


def read(path):
    """The recorded ratios, name to entry; empty where there is no file.

    Raises
    ------
    ValueError
        Where the file holds something else.
    """
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
