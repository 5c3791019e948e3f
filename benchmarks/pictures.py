"""The picture of the README, from stored results."""

from __future__ import annotations

from matplotlib.figure import Figure

#: Okabe and Ito's blue for ours, greys for the others: readable without colours as well.
COLOURS = ("#0072B2", "#56B4E9", "#999999", "#CCCCCC")


def draw_searches(result, path):
    """One panel a search, one bar a contestant, seconds on a scale of its own.

    Parameters
    ----------
    result : dict
        As `benchmarks.search.measure` gives it.
    path : Path
    """
    figure = Figure(figsize=(8, 5.2), layout="constrained")
    axes = figure.subplots(len(result), 1)
    for ax, case in zip(axes, result.values(), strict=True):
        names, seconds = list(case["seconds"]), list(case["seconds"].values())
        bars = ax.barh(names, seconds, color=COLOURS)
        ratios = case["times faster"].values()
        labels = [
            f"{s:.1f} s" + (f" ({r:.1f} x)" if r != 1 else "")
            for s, r in zip(seconds, ratios, strict=True)
        ]
        ax.bar_label(bars, labels, padding=4)
        ax.invert_yaxis()
        ax.margins(x=0.15)
        ax.set_title(case["what"].rstrip("."), loc="left", fontsize="small", x=-0.27)
        ax.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel("seconds of the whole grid search, refit included")
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=150)
