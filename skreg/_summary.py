"""The table that `summary()` returns."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass

import pandas as pd

from skreg._resolve import penalties_undone


def _knobs(spec, layer):
    """Active regularizers of one linear layer as text."""
    knobs = []
    if spec.l1[layer]:
        knobs.append(f"l1={spec.l1[layer]:g}")
    if spec.l2[layer]:
        knobs.append(f"l2={spec.l2[layer]:g}")
    if spec.weight_decay:
        knobs.append(f"weight_decay={spec.weight_decay:g}")
    if math.isfinite(spec.max_norm):
        knobs.append(f"max_norm={spec.max_norm:g}")
    return ", ".join(knobs)


def _note(spec):
    names = penalties_undone(spec)
    if not names:
        return ""
    return (
        f"Batch norm undoes the scale of the weights in front of it: in hidden layers "
        f"{' and '.join(names)} cannot do here what they do with batch_norm=False."
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
    """

    title: str
    rows: list[tuple[str, str, int, str]]
    n_parameters: int
    n_zero: int
    note: str = ""

    def frame(self):
        """The rows as a DataFrame."""
        return pd.DataFrame(self.rows, columns=["layer", "output shape", "parameters", "knobs"])

    def __str__(self):
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
        notes = textwrap.wrap(self.note, max(len(rule), 60))
        return "\n".join([self.title, rule, lines[0], rule, *lines[1:], rule, foot, *notes])

    def __repr__(self):
        return str(self)

    def _repr_html_(self):
        return self.frame().to_html(index=False)


def summarise(estimator, spec, params):
    """Summary of a fitted estimator."""
    rows, total = [], 0
    sizes = (spec.n_inputs(estimator.n_features_in_), *spec.hidden, spec.n_outputs)

    def add(name, units, n, knobs=""):
        rows.append((name, f"(None, {units})", n, knobs))

    if spec.embedded:
        total = sum(values.size for name, values in params.items() if name.startswith("embed_"))
        knob = f"numeric_embedding={spec.numeric_embedding} of {spec.n_embedded} columns"
        add("PeriodicEmbedding", sizes[0], total, knob)
    if spec.input_dropout:
        add("Dropout", sizes[0], 0, f"input_dropout={spec.input_dropout:g}")
    for i in range(spec.n_layers):
        n = params[f"weight_{i}"].size + (params[f"bias_{i}"].size if f"bias_{i}" in params else 0)
        total += n
        add("Linear", sizes[i + 1], n, _knobs(spec, i))
        if i == spec.n_layers - 1:
            break
        if f"gain_{i}" in params:
            total += 2 * sizes[i + 1]
            add("BatchNorm", sizes[i + 1], 2 * sizes[i + 1], "batch_norm")
        add(f"Activation ({spec.activation})", sizes[i + 1], 0)
        if spec.dropout[i]:
            add("Dropout", sizes[i + 1], 0, f"dropout={spec.dropout[i]:g}")
    return Summary(type(estimator).__name__, rows, total, estimator.n_zero_weights_, _note(spec))
