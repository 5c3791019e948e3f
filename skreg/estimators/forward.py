"""Prediction in numpy, of one net or of all nets of an ensemble together.

A small net predicts faster without torch, and in float64 the result of a row depends on the other rows
by less than 1e-9. What is large, and need not be so exact, is predicted in float32 in half the time.
"""

from __future__ import annotations

import copy
import functools
import weakref

import numpy as np

from skreg.backends.prediction import kernel_for
from skreg.backends.threads import available, side_by_side
from skreg.estimators.module_forward import ModuleForward
from skreg.net.net import Net
from skreg.net.prediction import WIDEST, Add, Affine, Keep, Random, in_precision, some_nets

#: Least and largest number of rows that are predicted at a time.
_FEWEST, _MOST = 64, 4096

#: Nets whose rows have no more entries than this together go through each step at once: of few rows, what
#: costs time is Python between the steps; of many, that what a step leaves behind is no longer in the cache.
_TOGETHER = 1 << 17

#: Multiply-adds, some milliseconds of them, from which on threads share out the rows; and the most rows
#: that one takes at a time: what a step leaves behind should still be in its cache at the next.
_SHARED, _MOST_SHARED = 1 << 27, 512

#: Multiply-adds from which on float32 pays where it will do: float64 takes some hundredths of a second.
LARGE = 1 << 31

#: Nets of more numbers than these are made ready anew for each prediction and not kept: 128 MiB, and half of
#: that again where they predict in float32.
_MOST_KEPT = 1 << 24


class Program:
    """Nets of one shape, batch norm folded in. Not changed once made, so threads may share it.

    Parameters
    ----------
    params : list of dict of ndarray
        Of each net, as `skreg.train.job.Result.params`.
    spec : Spec
        Of any of them.
    n_columns : int
        That each net is given.
    tables : list of int
        The number of the table that each net is given.
    columns : list of ndarray of int, optional
        Those of its table that each net is given; by default all.

    Attributes
    ----------
    width : int
        Entries a row of the widest array of a net.
    waves : int
        Periodic functions of a row of a net.
    """

    def __init__(self, params, spec, n_columns, tables, columns=None):
        stacked = {name: np.stack([one[name] for one in params]) for name in params[0]}
        self.n_nets, self._tables, self._columns = len(params), tables, columns
        # Made in float64, whatever comes in.
        self.steps = Net.of(spec, n_columns).predict(stacked)
        self.width = max(step.width for step in self.steps if isinstance(step, Affine))
        waves = [getattr(step, "waves", 0) for step in self.steps]
        self.waves = max(waves)
        self._waving = waves.index(self.waves)

    def to(self, dtype):
        """That in another precision."""
        other = copy.copy(self)
        other.steps = in_precision(self.steps, dtype)
        return other

    def __call__(self, tables, kernel=None):
        """Raw outputs (k, b, o) of rows: of each table (1, b, d), or a list of a CSR matrix (b, d)."""
        at_once = max(1, _TOGETHER // (self.width * tables[0][0].shape[0]))
        if at_once >= self.n_nets:
            return self._walked(tables, slice(0, self.n_nets), kernel)
        starts = range(0, self.n_nets, at_once)
        return np.concatenate([self._walked(tables, slice(i, i + at_once), kernel) for i in starts])

    def _walked(self, tables, places, kernel):
        steps = self.steps if self.n_nets == 1 else some_nets(self.steps, places)
        x = self._rows_of(tables, places)
        if kernel is not None:
            # What stands in front of it does nothing at predict.
            embedding = steps[self._waving]
            return _walk(steps[self._waving + 1 :], embedding.compiled(x, kernel))
        return _walk(steps, x)

    def _rows_of(self, tables, places):
        """What some of the nets are given, as the first step takes it."""
        numbers = self._tables[places]
        if self._columns is not None:
            chosen = zip(numbers, self._columns[places], strict=True)
            parts = [tables[t][0][:, columns] for t, columns in chosen]
        elif len(set(numbers)) == 1:
            return tables[numbers[0]]
        else:
            parts = [tables[t][0] for t in numbers]
        return parts if isinstance(tables[numbers[0]], list) else np.stack(parts)


class Forward:
    """Nets that predict the rows of one table together. Not changed once made.

    Parameters
    ----------
    nets : list of (dict of ndarray, Spec)
        Parameters and spec of each.
    n_columns : int, or list of int
        Of the table; or of several, where it comes prepared in several ways.
    columns : list of ndarray of int, optional
        Those that each net is given; by default all.
    tables : list of int, optional
        The number of the table that each net is given; by default the first.

    Attributes
    ----------
    n_numbers : int
        Of all nets.
    most_rows : int
        Rows of which no array has more than `WIDEST` entries.
    """

    def __init__(self, nets, n_columns, columns=None, tables=None):
        n_columns = n_columns if isinstance(n_columns, list) else [n_columns]
        tables = tables or [0] * len(nets)
        shapes = {}
        for place, (_, spec) in enumerate(nets):
            n = n_columns[tables[place]] if columns is None else len(columns[place])
            shapes.setdefault(Net.of(spec, n), []).append(place)
        self.n_nets, self.programs = len(nets), []
        for net, places in shapes.items():
            chosen = None if columns is None else [columns[i] for i in places]
            params, given = [nets[i][0] for i in places], [tables[i] for i in places]
            program = Program(params, nets[places[0]][1], net.n_columns, given, chosen)
            self.programs.append((places, program))
        self._in_float32 = all(spec.dtype == "float32" for _, spec in nets)
        widest = max(program.width for _, program in self.programs)
        outputs = self.n_nets * nets[0][1].n_outputs
        self.n_numbers = sum(a.size for params, _ in nets for a in params.values())
        self.most_rows = WIDEST // max(widest, outputs)

    @functools.cached_property
    def _rounded(self):
        """The programs in float32."""
        return [(places, program.to(np.float32)) for places, program in self.programs]

    def precision(self, n_rows):
        """The precision in which so many rows are predicted where float32 will do."""
        large = self._in_float32 and n_rows * self.n_numbers >= LARGE
        return "float32" if large else "float64"

    def by_rows(self, X, function, dtype="float64"):
        """What a function makes of all rows of X, dense or CSR, some at a time.

        Parameters
        ----------
        X : ndarray, CSR matrix or PreparedRows of shape (n, d), or list of them
            Of any precision and order.
        function : callable
            From the raw outputs of all nets (k, b, o) to an array of b rows. Several threads call it.
        dtype : {"float64", "float32"}
            In which they are computed.
        """
        tables = X if isinstance(X, list) else [X]
        n, programs = tables[0].shape[0], self.programs if dtype == "float64" else self._rounded
        kernels = [
            kernel_for(n * program.waves * program.n_nets, dtype) if program.waves else None
            for _, program in programs
        ]

        def made_of(rows):
            given = [_rows(table[rows], dtype) for table in tables]
            return function(self._raw(programs, given, kernels))

        size, threads = self.chunk_rows(), 1
        if n * self.n_numbers >= _SHARED:
            threads = available()
            if threads > 1:
                size = max(_FEWEST, min(size, _MOST_SHARED, -(-n // (2 * threads))))
        if n <= size:
            return made_of(slice(0, n))
        slices = [slice(start, start + size) for start in range(0, n, size)]
        return np.concatenate(side_by_side(made_of, slices, threads))

    def raw(self, X):
        """Outputs before the link of a single net, shape (n, o)."""
        return self.by_rows(X, lambda raw: raw[0])

    def monte_carlo(self, X, spec, n_samples, rng):
        """Raw outputs of a single net that is random as in training, shape (n_samples, n, o).

        Parameters
        ----------
        X : ndarray or CSR matrix of shape (n, d)
        spec : Spec
        n_samples : int
        rng : numpy.random.Generator
        """
        ((_, program),) = self.programs
        size, parts = self.chunk_rows(), []
        for start in range(0, X.shape[0], size):
            x = _rows(X[start : start + size], "float64")
            samples = [_walk(program.steps, x, spec, rng)[0] for _ in range(n_samples)]
            parts.append(np.stack(samples))
        return np.concatenate(parts, axis=1)

    def chunk_rows(self):
        """Number of rows that are predicted at a time: the wider the nets or their inputs, the fewer."""
        return max(_FEWEST, min(self.most_rows, _MOST))

    def _raw(self, programs, tables, kernels):
        found = [
            program(tables, kernel) for (_, program), kernel in zip(programs, kernels, strict=True)
        ]
        if len(found) == 1:
            return found[0]
        out = np.empty((self.n_nets, *found[0].shape[1:]), found[0].dtype)
        for (places, _), raw in zip(programs, found, strict=True):
            out[places] = raw
        return out


def folded(params, spec, n_columns):
    """Weights and biases of the linear layers in float64, with batch norm folded in.

    Parameters
    ----------
    params : dict of ndarray
        Of one net, as `skreg.train.job.Result.params`.
    spec : Spec
    n_columns : int

    Returns
    -------
    list of (ndarray of shape (n_in, n_out), ndarray of shape (n_out,))
    """
    steps = Program([params], spec, n_columns, [0]).steps
    return [(step.weight[0], step.bias[0, 0]) for step in steps if isinstance(step, Affine)]


def raw_outputs(params, spec, X):
    """Outputs before the link, shape (n, o), of rows of any precision and order, dense or CSR."""
    kind = Forward if spec.module is None else ModuleForward
    return kind([(params, spec)], X.shape[1]).raw(X)


#: By the estimator, what it predicts by and what that was made of. Kept outside of it, so that pickles and
#: copies know nothing of it, and to predict changes no attribute.
_kept = weakref.WeakKeyDictionary()


def kept_forward(owner, nets, n_columns, columns=None, tables=None):
    """The `Forward` of an estimator, made anew where its nets are others than at the last call.

    Parameters
    ----------
    owner : estimator
    nets, n_columns, columns, tables
        Of `Forward`. Nets are the same where their dicts of parameters are the same objects.
    """
    made_of = [part for net in nets for part in net] + list(columns or ())
    forward, known = _kept.get(owner, (None, ()))
    if len(known) == len(made_of) and all(a is b for a, b in zip(known, made_of, strict=True)):
        return forward
    if nets[0][1].module is None:
        forward = Forward(nets, n_columns, columns, tables)
    else:
        forward = ModuleForward(nets, n_columns)
    if forward.n_numbers <= _MOST_KEPT:
        _kept[owner] = forward, made_of
    return forward


def _walk(steps, x, spec=None, rng=None):
    """Raw outputs of some rows; with a generator, what is random in training is drawn."""
    kept = []
    for step in steps:
        if isinstance(step, Keep):
            kept.append(x)
        elif isinstance(step, Add):
            x = x + kept.pop()
        elif not isinstance(step, Random):
            x = step(x)
        elif rng is not None:
            x = step.draw(x, spec, rng)
    return x


def _rows(X, dtype):
    """Rows in a precision as the first step takes them, (1, b, d) or a list of a CSR matrix.

    Converted a chunk at a time, so that no copy of a whole float32 table is made in float64.
    """
    if hasattr(X, "toarray"):
        return [X.astype(dtype, copy=False)]
    return np.ascontiguousarray(X, dtype=dtype)[None]
