"""Stored results to pages of docs/benchmarks."""

from __future__ import annotations

import numpy as np

from benchmarks.rst import head, heading, table
from benchmarks.scaling import points, slope
from skreg.display._style import decimals_for, fixed

#: Two packages, where the rows of a page have a column each.
WHO = ("skreg", "scikit-learn")


def default_speed_page(result, machine):
    """Page on the default net."""
    text = head(
        "The default net",
        f"The default net has hidden layers of {result['net']['hidden']} and, with "
        f"``numeric_embedding={result['net']['embedding']!r}``, sines and cosines of each numeric "
        "column. Other pages measure nets of one hidden layer without them (*bare*); this one says what "
        "they cost. *Search A* is ``GridSearchCV`` over 16 dropout rates x 5 folds on the handwritten "
        "digits (64 columns, 10 classes; hidden layer (100,), batches of 200, 30 epochs); scikit-learn's "
        "MLP and skorch's module are plain, two fits side by side. *Fits* run 20 epochs with all other "
        "parameters at their defaults, on 2,000 made rows or on the digits (64 columns). *Predictions* "
        "are of float64, against scikit-learn's MLP with the default net's hidden layers. The *first "
        "fits* of an installation compile: 500 x 10, two epochs, in a process with an empty cache of "
        "machine code, minus what the same fit takes in a second process; another loss is that of three "
        "classes, another precision float64. Medians of runs in turn.",
        machine,
    )
    rows = []
    for name, row in result["rows"].items():
        more = row["more is faster"]
        reached = row["value"] >= row["goal"] if more else row["value"] <= row["goal"]
        rows.append(
            (
                name,
                *(_seconds(row["seconds"][who]) for who in ("skreg", "other")),
                _figure(row["value"], row["unit"]),
                f"{'at least' if more else 'at most'} {_figure(row['goal'], row['unit'])}",
                "yes" if reached else "no",
            )
        )
    found = table(("what", "skreg", "the other", "figure", "goal", "reached"), rows)
    return text + found + _TRIED


#: What was tried where the default net falls short of its goals; measured while it was developed.
_TRIED = """
What was tried
--------------

Four inputs of each column instead of one make the products of the first layer four times as large, which
alone is about three times the work of a net of one hidden layer; the waves are the rest. What brought it
here: cosines by a polynomial in turns instead of a library's, map and mask behind the waves in one
kernel, minibatches padded to whole vectors. What would bring more is fewer waves. Half as many, 8 a
column, cost nothing on the tables that defaults are chosen on (two seeds: score +0.0005, 12 of 20 up and
6 down, log loss -0.0005) and little on those that judge (-0.002 in the mean, 0.000 in the median, log
loss -0.003; one table -0.04); frequencies that are not trained cost 0.002 of log loss; 4 waves 0.003 of
score. The default kept its 16. The compilation of a first fit is numba's own work, hardly that of its
optimiser (a lower optimisation level took 7 % less).
"""


def _seconds(value):
    return f"{1000 * value:.2f} ms" if value < 0.1 else f"{value:.2f} s"


def _figure(value, unit):
    return _seconds(value) if unit == "s" else f"{value:.2f}"


def single_page(result, machine):
    """Page on single fits and stacks."""
    fits = [
        (
            name,
            *(f"{fit['seconds'][n]:.2f} s" for n in ("skreg", "scikit-learn", "skorch")),
            f"{fit['to scikit-learn']:.2f}",
            f"{fit['to skorch']:.2f}",
        )
        for name, fit in result["fits"].items()
    ]
    stacks = [
        (name, f"{s['GFLOP/s']:.0f}", f"{s['peak GFLOP/s']:.0f}", f"{s['of peak']:.2f}")
        for name, s in result["stacks"].items()
    ]
    return (
        head(
            "One fit, one stack",
            "A single fit of skreg with batch norm and dropout against scikit-learn's plain MLP and "
            "skorch's default loop with the same module, at equal architecture, batches and epochs.",
            machine,
        )
        + table(
            ("case", "skreg", "scikit-learn", "skorch", "skreg / scikit-learn", "skreg / skorch"),
            fits,
        )
        + "\nMembers with batch norm, dropout and decay, trained together, counting 4 operations per "
        "first-layer weight and row and 6 per other weight and row, over the peak of a matrix "
        "product of 2048 x 2048 measured before and after each run.\n\n"
        + table(("stack", "GFLOP/s", "peak", "of peak"), stacks)
    )


def search_page(result, machine):
    """Page on grid searches."""
    names = list(next(iter(result.values()))["seconds"])
    text = head(
        "Batched grid searches",
        "``GridSearchCV`` of scikit-learn over ``Pipeline(StandardScaler, net)``, equal architecture, "
        "epochs, batch size and folds, the refit of the winner included. scikit-learn's MLP has neither "
        "batch norm nor dropout; skreg and skorch train with both. Medians of runs in turn.",
        machine,
    )
    for name, case in result.items():
        text += heading(f"{name}: {case['what']}") + table(
            ("contestant", "seconds", "times the batched search"),
            [(n, f"{case['seconds'][n]:.2f}", f"{case['times faster'][n]:.1f}") for n in names],
        )
        text += (
            f"\n{case['fits']} fits in the first round, {len(case['stacks'])} stacks, "
            f"{case['training seconds']:.2f} s of training at {case['GFLOP/s']:.0f} GFLOP/s, "
            f"{case['GFLOP/s'] / case['peak GFLOP/s']:.2f} of the matrix-product peak "
            f"({case['peak GFLOP/s']:.0f}).\n"
        )
    return text


def scaling_page(result, machine):
    """Page on growth with rows, columns and members."""
    text = head(
        "Growth",
        "One fit against scikit-learn's plain MLP as the table grows, and members of a stack against the "
        "same members one after the other. Tables are of single precision. Each size has a process of its "
        "own and is run once before to compile and warm up. *MB* is the peak of the resident memory "
        "above what the process held before, the table included. The *slope* is the power with which "
        "a figure grows over the upper half of its axis: 1 is linear growth. *Runs* is how often a size "
        "was measured: as often as the repetitions say, or fewer where that takes longer than "
        "a few seconds.",
        machine,
    )
    text += ".. figure:: scaling.svg\n   :alt: Time and memory against rows, columns and members\n"
    text += "   :width: 100%\n\n   Both axes are logarithmic; the dotted line grows linearly.\n\n"
    for name, axis in result.items():
        text += f"{heading(name.capitalize())}{axis['what']}.\n\n{_growth_table(name, axis)}"
    return text


def _growth_table(name, axis):
    """Sizes by seconds, megabytes and runs of each contestant, and the slopes below."""
    found = axis["contestants"]
    header = [name, "table MB"]
    for contestant in found:
        header += [f"{contestant}: s", "MB", "runs"]
    rows = []
    for i, size in enumerate(axis["sizes"]):
        row = [f"{size:,}", f"{next(iter(found.values()))[i]['table mb']:.1f}"]
        for measured in found.values():
            one = measured[i]
            memory = "unknown" if one["mb"] is None else f"{one['mb']:.1f}"
            row += [f"{one['seconds']:.3f}", memory, one["runs"]]
        rows.append(row)
    last = ["slope", ""]
    for measured in found.values():
        slopes = [slope(*points(axis["sizes"], measured, figure)) for figure in ("seconds", "mb")]
        last += [*("" if np.isnan(value) else f"{value:.2f}" for value in slopes), ""]
    return table(header, [*rows, last])


def predicting_page(result, machine):
    """Page on calls of predict."""
    counts = list(next(iter(result.values())))
    text = head(
        "Predictions",
        "One call for one row and for many, against scikit-learn's MLP of the same architecture, fitted on "
        "the handwritten digits (64 columns, 10 classes; for regressors the digit is the number). skreg's "
        "nets have batch norm and dropout. scikit-learn computes in the type of the table it was fitted "
        "on; skreg in float64 for either. Calls for one row are timed 40 at a time, five times in each "
        "repetition. Medians of runs in turn.",
        machine,
    )
    for n in counts:
        title = "1 row" if n == "1" else f"{int(n):,} rows"
        seconds = [calls[n]["seconds"][who] for calls in result.values() for who in WHO]
        digits = decimals_for(1000 * np.array(seconds))
        rows = [
            (
                case,
                *(fixed(1000 * calls[n]["seconds"][who], digits) for who in WHO),
                f"{calls[n]['to scikit-learn']:.2f}",
            )
            for case, calls in result.items()
        ]
        header = ("net and call", "skreg, ms", "scikit-learn, ms", "skreg / scikit-learn")
        text += f"{title}\n{'-' * len(title)}\n\n" + table(header, rows) + "\n"
    return text


def searching_page(result, machine):
    """Page on settings a minute."""
    rows = [
        (
            case,
            found["settings"],
            *(f"{found['seconds'][who]:.1f}" for who in ("search", "GridSearchCV")),
            *(f"{found['settings a minute'][who]:.0f}" for who in ("search", "GridSearchCV")),
            f"{found['times as many']:.1f}",
        )
        for case, found in result.items()
    ]
    header = ("table", "settings", "search, s", "GridSearchCV, s", "search, settings a minute")
    header += ("GridSearchCV, settings a minute", "times as many")
    return head(
        "Settings a minute",
        "``RegularizedMLPClassifierCV``, which gives up settings that are behind, against "
        '``GridSearchCV`` under the backend ``"skreg"``, which trains all to the end: the same settings, '
        "five folds each, ensemble and refit included. Medians of runs in turn.",
        machine,
    ) + table(header, rows)


def selection_page(result, machine):
    """Page on the selection of columns."""
    from benchmarks.selection_page import page

    return page(result, machine)


def own_nets_page(result, machine):
    """Page on nets of one's own."""
    text = head(
        "Nets of your own",
        "``GridSearchCV`` over 8 rates of dropout x 3 folds of the handwritten digits as images of 8 x 8 "
        "pixels, 5 epochs, the refit of the winner included. The net is a torch module: two blocks of two "
        "convolutions (32 and 64 channels), pooling and dropout, a dense layer of 256, dropout, ten classes. "
        "skorch trains the same module with the same optimiser, batches and epochs in two processes. Medians "
        "of runs in turn.",
        machine,
    )
    for case, found in result.items():
        rows = [
            (who, f"{seconds:.1f}", f"{found['times'][who]:.2f}")
            for who, seconds in found["seconds"].items()
        ]
        text += heading(case.capitalize()) + table(
            ("contestant", "seconds", "times the batched search"), rows
        )
    return text


def footprint_page(result, machine):
    """Page on imports and pickles."""
    imports = result["imports"]
    rows = [
        (
            f"{package}: {stage}",
            f"{found['seconds']:.3f}",
            ", ".join(found["imports"]) or "none",
        )
        for package, stages in imports["stages"].items()
        for stage, found in stages.items()
    ]
    sizes = [
        (
            case,
            f"{found['parameters']:,}",
            *(f"{found['bytes'][who] / 1000:,.1f}" for who in WHO),
            f"{found['to scikit-learn']:.2f}",
        )
        for case, found in result["pickles"].items()
    ]
    return (
        head(
            "Imports and pickles",
            "What the package adds to a process and to a disk.",
            machine,
        )
        + "Imports\n-------\n\nWhat a new process does one after the other; processes of the two packages "
        "in turn, medians, the files read once before. The first fit, of 200 rows for one epoch, loads "
        "compiled kernels from numba's cache.\n\n"
        + table(("stage", "seconds", "heavy modules that it imports"), rows)
        + f"\nNot imported by skreg, up to and including a fit: {', '.join(imports['never'])}.\n\n"
        + "Pickles\n-------\n\nFitted estimators of the same architecture as ``pickle.dumps`` writes them; "
        "a parameter of single precision takes 4 bytes.\n\n"
        + table(
            ("net", "parameters", "skreg, kB", "scikit-learn, kB", "skreg / scikit-learn"),
            sizes,
        )
    )


def bagging_page(result, machine):
    """Page on ensembles."""
    text = head(
        "Ensembles",
        "16 members of one hidden layer of 100, 20 epochs, minibatches of 200, batch norm and dropout, on "
        "the handwritten digits, against one fit of the same net. A member is drawn as many rows as there "
        "are, with replacement, of which about 63 % are different ones. *One by one* is scikit-learn's "
        "``BaggingClassifier`` of the same net without the backend. Medians of runs in turn.",
        machine,
    )
    for name, case in result.items():
        rows = [
            (n, f"{s:.2f}", f"{case['single fits'][n]:.1f}") for n, s in case["seconds"].items()
        ]
        text += heading(name.capitalize()) + table(("contestant", "seconds", "single fits"), rows)
    return text


def gpu_page(result, machine):
    """Page on searches and stacks on a GPU."""
    search = result["search"]
    rows = [
        (name, f"{seconds:.2f}", f"{search['times faster'][name]:.1f}")
        for name, seconds in search["seconds"].items()
    ]
    rates = result["members a second"]
    return (
        head(
            "On a GPU",
            f"On {result['gpu']}: ``GridSearchCV`` over {search['what'].rstrip('.')}, all nets on the GPU "
            "but where a row says otherwise, the refit of the winner included.",
            machine,
        )
        + table(("contestant", "seconds", "times the batched search"), rows)
        + f"\n{search['training seconds']:.2f} s of the batched search are training; the others are what "
        "scikit-learn does for each fit.\n"
        + "\nMembers a second of one stack: digits, (100,), batch norm, dropout and decay, batch 200, 30 "
        "epochs. The largest figure is in bold.\n\n"
        + table(
            ("members of the stack", "members a second"),
            [
                (k, f"**{r:.1f}**" if r == max(rates.values()) else f"{r:.1f}")
                for k, r in rates.items()
            ],
        )
    )


PAGES = {
    "default_speed": default_speed_page,
    "single": single_page,
    "search": search_page,
    "scaling": scaling_page,
    "bagging": bagging_page,
    "predicting": predicting_page,
    "searching": searching_page,
    "selection": selection_page,
    "own_nets": own_nets_page,
    "footprint": footprint_page,
    "gpu": gpu_page,
}
