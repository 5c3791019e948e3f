"""Stored results to pages of docs/benchmarks."""

from __future__ import annotations

import numpy as np

from benchmarks.growth import points, slope
from skreg.display._style import decimals_for, fixed

#: Two packages, where the rows of a page have a column each.
WHO = ("skreg", "scikit-learn")


def table(header, rows):
    """A list table of reStructuredText."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in (header, *rows):
        for i, cell in enumerate(row):
            lines.append(f"   {'*' if i == 0 else ' '} - {cell}")
    return "\n".join(lines) + "\n"


def head(title, text, machine):
    versions = ", ".join(
        f"{name} {machine[name]}"
        for name in ("python", "numpy", "scikit-learn", "torch", "skorch", "numba", "joblib")
    )
    repeats = f" Repetitions: {machine['repeats']}." if "repeats" in machine else ""
    return (
        f"{title}\n{'=' * len(title)}\n\n{text}\n\nTaken on {machine['cores']} cores of "
        f"{machine['cpu']} ({machine['capability']}), {machine['threads']} torch threads; {versions}."
        f"{repeats}\n\n"
    )


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
        title = f"{name}: {case['what']}"
        text += f"{title}\n{'-' * len(title)}\n\n"
        text += table(
            ("contestant", "seconds", "times the batched search"),
            [(n, f"{case['seconds'][n]:.2f}", f"{case['times faster'][n]:.1f}") for n in names],
        )
        text += (
            f"\n{case['fits']} fits in the first round, {len(case['stacks'])} stacks, "
            f"{case['training seconds']:.2f} s of training at {case['GFLOP/s']:.0f} GFLOP/s, "
            f"{case['GFLOP/s'] / case['peak GFLOP/s']:.2f} of the matrix-product peak "
            f"({case['peak GFLOP/s']:.0f}).\n\n"
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
        title = name[0].upper() + name[1:]
        text += f"{title}\n{'-' * len(title)}\n\n{axis['what']}.\n\n"
        text += _growth_table(name, axis) + "\n"
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
        title = name[0].upper() + name[1:]
        rows = [
            (n, f"{case['seconds'][n]:.2f}", f"{case['single fits'][n]:.1f}")
            for n in case["seconds"]
        ]
        text += f"{title}\n{'-' * len(title)}\n\n"
        text += table(("contestant", "seconds", "single fits"), rows) + "\n"
    return text


def linear_solvers_page(result, machine):
    """Page on the solvers of linear models."""
    text = head(
        "Solvers of linear models",
        "Linear models are handed to scikit-learn, and to scipy's L-BFGS-B for classes with L1: *skreg* is "
        "what ``RegularizedLinearClassifier`` and "
        "``RegularizedLinearRegressor`` do by default, the other rows are estimators of scikit-learn and "
        "of skglm with the same objective. *Violation* is the largest one of an optimality condition: 0 at "
        "the minimum. *Above best* is the objective minus the lowest one in the table, which is the "
        "minimum where a violation is small. saga stops after 300 passes. Columns "
        "are standardised; medians of runs in turn, the compilation of skglm not counted.",
        machine,
    )
    text += (
        "With L2, or with numbers, every solver is exact and quick. With L1 and classes L-BFGS-B on "
        "W = P - N, P and N >= 0, is at the minimum in a fraction of a second, for two classes and for more. "
        "saga takes longer in every row; on the breast cancer and on the digits 300 passes leave it short "
        "of the minimum, with too many weights in use unless there is some L2 too. liblinear is the quicker "
        "one on the small table, but its default, *intercept_scaling=1*, has another minimum.\n\n"
        + _verdict_on_skglm(result["skglm"])
    )
    for table_name, penalties in result["tables"].items():
        text += f"{table_name}\n{'-' * len(table_name)}\n\n"
        rows = [
            (
                f"{penalty}: {', '.join(_strengths(*result['penalties'][penalty]))}",
                solver,
                f"{row['seconds']:.4f} s",
                f"{row['violation']:.0e}",
                f"{row['above best']:.0e}",
                row["weights"],
            )
            for penalty, solvers in penalties.items()
            for solver, row in solvers.items()
        ]
        header = ("penalty", "solver", "time", "violation", "above best", "weights in use")
        text += table(header, rows) + "\n"
    return text


def _strengths(l1, l2):
    return [f"``{name}={value:g}``" for name, value in (("l1", l1), ("l2", l2)) if value > 0]


def _verdict_on_skglm(skglm):
    if skglm is None:
        return "skglm was not installed (``pip install skglm``), so that it has no rows here.\n\n"
    weights = "takes" if skglm["row weights"] else "takes no"
    return (
        f"skglm {skglm['version']} is exact, quicker in some rows and slower in others. It is not an extra "
        "of this package: it has no softmax, the ``fit`` of its estimators "
        f"{weights} ``sample_weight``, and a process's first fit of each kind compiles "
        f"({skglm['seconds of the first fit']:.0f} s here for the log loss).\n\n"
    )


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
    "single": single_page,
    "search": search_page,
    "scaling": scaling_page,
    "bagging": bagging_page,
    "predicting": predicting_page,
    "footprint": footprint_page,
    "linear_solvers": linear_solvers_page,
    "gpu": gpu_page,
}
