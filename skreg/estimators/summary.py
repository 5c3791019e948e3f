"""The table that `summary()` returns."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import pandas as pd

from skreg.estimators.resolve import norm_of, penalties_undone
from skreg.net.net import Net

#: Columns that are named in a summary, at most.
_MOST_NAMED = 20


def _columns_left(estimator):
    """Which columns the net looks at, where it does not look at all."""
    selected = getattr(estimator, "selected_features_", None)
    if selected is None or selected.all():  # modules of the user's have none
        return ""
    names = getattr(estimator, "feature_names_in_", [f"x{j}" for j in range(len(selected))])
    left = [str(name) for name, there in zip(names, selected, strict=True) if there]
    more = f" and {len(left) - _MOST_NAMED} more" if len(left) > _MOST_NAMED else ""
    named = f": {', '.join(left[:_MOST_NAMED])}{more}" if left else ""
    return f"Columns used: {len(left)} of {len(selected)}{named}."


def _note(spec):
    names = penalties_undone(spec)
    if not names:
        return ""
    knob = norm_of(spec)
    norm = knob.replace("_", " ").capitalize()
    return (
        f"{norm} undoes the scale of the weights in front of it: in hidden layers "
        f"{' and '.join(names)} cannot do here what they do with {knob}=False."
    )


@dataclass(frozen=True)
class Summary:
    """Layers of a net with shapes, parameters and active knobs.

    Attributes
    ----------
    title : str
    rows : list of tuple
        Layer, output shape, number of parameters, regularizers.
    n_parameters, n_zero : int
        Number of all parameters, and of weights that are exactly zero.
    note : str
        Said of regularizers that cannot do what their names say; empty where all can.
    columns : str
        Which columns the net looks at; empty where it looks at all.
    """

    title: str
    rows: list[tuple[str, str, int, str]]
    n_parameters: int
    n_zero: int
    note: str = ""
    columns: str = ""

    def frame(self) -> pd.DataFrame:
        """The rows as a DataFrame."""
        return pd.DataFrame(self.rows, columns=["layer", "output shape", "parameters", "knobs"])

    def __str__(self) -> str:
        cells = [("Layer", "Output shape", "Parameters", "Knobs")]
        cells += [(name, shape, f"{n:,}", knobs) for name, shape, n, knobs in self.rows]
        width = [max(len(row[i]) for row in cells) for i in range(4)]
        lines = [
            f"{a:<{width[0]}}  {b:<{width[1]}}  {c:>{width[2]}}  {d}".rstrip()
            for a, b, c, d in cells
        ]
        rule = "-" * max(len(self.title), *map(len, lines))
        foot = f"Parameters: {self.n_parameters:,}"
        if self.n_zero:
            foot += f"; weights that are exactly zero: {self.n_zero:,}"
        texts = (self.columns, self.note)
        notes = [line for text in texts for line in textwrap.wrap(text, max(len(rule), 60))]
        return "\n".join([self.title, rule, lines[0], rule, *lines[1:], rule, foot, *notes])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self):
        return self.frame().to_html(index=False)


def summarise(estimator, spec):
    """Summary of a fitted estimator."""
    net = Net.of(spec, estimator._columns.n_out)
    rows = [(name, f"(None, {units})", n, knobs) for name, units, n, knobs in net.describe(spec)]
    if knobs := estimator._columns.knobs():
        rows.insert(0, ("Columns", f"(None, {estimator._columns.n_out})", 0, knobs))
    total = sum(n for _, _, n, _ in rows)
    return Summary(
        type(estimator).__name__,
        rows,
        total,
        estimator.n_zero_weights_,
        _note(spec),
        _columns_left(estimator),
    )
