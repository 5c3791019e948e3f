"""What the command shows: a progress bar, a table, the summary; with rich where it is installed."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from textwrap import fill, indent
from typing import TYPE_CHECKING, Any

from skreg.comparison.wording import metric_words, number, p_text, signed

if TYPE_CHECKING:
    from skreg.comparison import Comparison
    from skreg.fitting import FitReport

__all__ = ["print_lines", "progress_bar", "show", "show_fit", "speak_any_console"]

WIDTH = 120
VERDICT_STYLES = {
    "pays": "bold green",
    "take this": "bold green",
    "costs": "red",
    "failed": "bold red",
}
COLUMNS = (
    "candidate",
    "score",
    "gap",
    "vs baseline",
    "p",
    "strength",
    "epochs",
    "s",
    "zeros",
    "columns",
)
CONTENDER_COLUMNS = ("candidate", "score", "vs best", "p", "strength", "s", "")


# for consoles whose encoding has no such sign
PLAIN_SIGNS = {
    "\u00b1": "+/-",
    "\u2212": "-",
    "\u2013": "-",
    "\u2014": "-",
    "\u2500": "-",
    "\u2501": "-",
    "\u2026": "...",
    "\u00d7": "x",
}


def speak_any_console() -> None:
    """Let standard output and error write plain signs where their encoding lacks the right ones."""

    def plainly(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeEncodeError):
            raise error
        signs = error.object[error.start : error.end]
        return "".join(PLAIN_SIGNS.get(sign, "?") for sign in signs), error.end

    codecs.register_error("skreg.plainly", plainly)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="skreg.plainly")


def _has_rich() -> bool:
    try:
        import rich  # noqa: F401
    except ImportError:
        return False
    return True


@contextmanager
def progress_bar() -> Iterator[Callable[[int, int, str], None] | None]:
    """Show a bar on standard error while the block runs; nothing where that is no terminal.

    Yields
    ------
    callable(done, total, what) or None
    """
    if not sys.stderr.isatty() or not _has_rich():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def update(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=what)

        yield update


def print_lines(show: Callable[[], None], lines: list[str]) -> int:
    """Print what a function prints, then lines; a console that takes nothing is no error of ours.

    Returns
    -------
    int
        Exit code: 0, or 1 where it could not be printed.
    """
    try:
        show()
        for line in lines:
            print(line)
        sys.stdout.flush()
        return 0
    except BrokenPipeError:
        code = 0  # whoever read the output has seen enough
    except OSError as error:
        print(f"skreg: the result could not be printed: {error.strerror}.", file=sys.stderr)
        code = 1
    # what is still buffered has nowhere to go; Python would try again as it ends
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def show(result: Comparison) -> None:
    """Print what to take, the tables and the summary of a comparison.

    Parameters
    ----------
    result : Comparison
        What `compare` returned.
    """
    metric = metric_words(result.scoring)
    frame = result.frame()
    contenders = result.contenders()
    tables = [
        (
            "Which regularizer pays",
            [f"vs {result.baseline_}" if n == "vs baseline" else n for n in COLUMNS],
            [_cells(name, row) for name, row in frame.iterrows() if row["role"] != "contender"],
            _caption(result),
        )
    ]
    if len(contenders) > 1:
        head, rows = list(CONTENDER_COLUMNS), list(contenders.iterrows())
        cells = [_contender_cells(name, row) for name, row in rows]
        tables.insert(0, ("What to take", head, cells, CONTENDERS_CAPTION))
    for _, head, _, _ in tables:
        head[1] = metric
    if _has_rich():
        _show_rich(result, tables)
        return
    print("rich is not installed: run `pip install skreg[cli]` for colours.", file=sys.stderr)
    print(f"{_title(result)}\n\n{fill(_taken(result), WIDTH)}\n\n{_code(result)}", end="")
    for title, head, rows, caption in tables:
        print(f"{title}\n")
        _show_plain(head, rows)
        print(f"\n{fill(caption, WIDTH)}\n")
    print(_other_words(result))


def _taken(result: Comparison) -> str:
    return f"{result.recommendation_.headline} {result.recommendation_.details}"


def _code(result: Comparison) -> str:
    """What builds the recommended estimator, indented; empty where nothing is recommended."""
    if result.recommendation_.name not in result.estimators_:
        return ""
    return indent(result.snippet(), "    ") + "\n\n"


def _other_words(result: Comparison) -> str:
    """The summary without the recommendation, which has been printed."""
    parts = str(result.summary()).split("\n\n")
    return "\n\n".join(part for part in parts if not part.startswith("# Recommendation"))


def show_fit(report: FitReport) -> None:
    """Print how good a fitted model is, and what a reader should know of it.

    Parameters
    ----------
    report : FitReport
        What `fit_table` returned.
    """
    method, measure = report.method, report.measure
    print(f"{method['Table']}: {method['Rows and columns']}; target {method['Target']}")
    for name, scores, caption in (
        ("out of fold", report.scores, report.about_scores),
        ("nested", report.nested, report.about_nested),
    ):
        if scores is None:
            continue
        header = ["", f"{measure.words} ({name})", ""]
        largest = scores["score"].abs().max()
        rows = [
            ("", [row.model, _score_cell(row, largest), row.what]) for row in scores.itertuples()
        ]
        print()
        _show_plain(header, rows)
        print(f"\n{fill(caption, WIDTH)}")
    if report.nested is None:
        print("With --nested K the whole search is measured on rows that it has not seen.")
    print(f"\nSettings: {method['Settings']}.")
    for title, lines in (("Look at this", report.warnings), ("Notes", report.notes)):
        if lines:
            print(f"\n{title}")
            for line in lines:
                print(fill(line, WIDTH, initial_indent="- ", subsequent_indent="  "))
    print()


def _score_cell(row: Any, like: float) -> str:
    if row.score != row.score:
        return "not known"
    spread = "" if row.spread != row.spread else f" \u00b1 {number(row.spread, like)}"
    return number(row.score, like) + spread


def _title(result: Comparison) -> str:
    """What was compared, above the table."""
    method = result.method_
    return f"{method.get('Table', result.target_name)}: {method.get('Rows and columns', '')}"


CONTENDERS_CAPTION = (
    "vs best: paired difference to the best of these \u00b1 half its 95 % interval. p: of that, corrected "
    "for the number of contenders. Taken is the simplest that nothing is better than with certainty."
)


def _caption(result: Comparison) -> str:
    """What the columns of the table are."""
    return (
        f"{metric_words(result.scoring)}: mean \u00b1 standard deviation over the splits. "
        f"gap: training minus test. vs {result.baseline_}: paired difference \u00b1 half its "
        "95 % interval. p: corrected for folds that share rows and for the number of candidates; where "
        "it is not below 0.05, the two cannot be told apart. s: one fit alone. columns: of the table, in use."
    )


def _known(value: float, text: str) -> str:
    return text if value == value else ""


def _difference(row: Any) -> str:
    text = _known(row["difference"], signed(row["difference"], row["mean_score"]))
    if row["difference_low"] == row["difference_low"]:
        half = (row["difference_high"] - row["difference_low"]) / 2
        text += f" \u00b1 {number(half, row['mean_score'])}"
    return text


def _scores(row: Any) -> str:
    mean = row["mean_score"]
    return _known(mean, f"{number(mean)} \u00b1 {number(row['std_score'], mean)}") or "failed"


def _p_cell(row: Any) -> str:
    return _known(row["p_value"], p_text(row["p_value"]).removeprefix("p ").removeprefix("= "))


def _cells(name: str, row: Any) -> tuple[str, list[str]]:
    return row["verdict"], [
        name,
        _scores(row),
        _known(row["overfit_gap"], number(row["overfit_gap"], row["mean_score"])),
        _difference(row),
        _p_cell(row),
        row["strength"],
        _known(row["epochs"], f"{row['epochs']:.0f}"),
        _known(row["seconds"], f"{row['seconds']:.2f}"),
        _known(row["zero_share"], f"{row['zero_share']:.0%}"),
        _known(row["n_features_used"], f"{row['n_features_used']:.0f}"),
    ]


def _contender_cells(name: str, row: Any) -> tuple[str, list[str]]:
    said = "" if row["verdict"] == "may be as good" else row["verdict"]
    return row["verdict"], [
        name,
        _scores(row),
        _difference(row),
        _p_cell(row),
        row["strength"],
        _known(row["seconds"], f"{row['seconds']:.2f}"),
        said,
    ]


def _show_plain(header: list[str], rows: list[tuple[str, list[str]]]) -> None:
    table = [header, *(cells for _, cells in rows)]
    widths = [max(len(cells[k]) for cells in table) for k in range(len(header))]
    for cells in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)))


def _show_rich(result: Comparison, tables: list[tuple[str, Any, Any, str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    console.print(Text(_title(result), style="dim"))
    console.print()
    console.print(Text(result.recommendation_.headline, style="bold"))
    console.print(Text(result.recommendation_.details))
    console.print()
    console.print(Text(_code(result), style="cyan"), end="")
    for title, header, rows, caption in tables:
        table = Table(
            title=title,
            title_justify="left",
            title_style="bold",
            box=box.SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
            pad_edge=False,
            caption=caption,
            caption_justify="left",
        )
        for name in header:
            words = name in ("candidate", "strength", "")
            table.add_column(
                fill(name, 12), justify="left" if words else "right", no_wrap=name != "strength"
            )
        for verdict, cells in rows:
            table.add_row(*(Text(cell) for cell in cells), style=VERDICT_STYLES.get(verdict, ""))
        console.print(table)
    for line in _other_words(result).splitlines():
        if line.startswith("# "):
            console.print(Text(line[2:], style="bold"))
        elif not line.startswith("- "):
            console.print(Text(line))
        else:
            # the lines of a list item stand below one another
            grid = Table.grid(padding=(0, 1))
            grid.add_row("-", Text(line[2:]))
            console.print(grid)
