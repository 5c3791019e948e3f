"""Numbers with gaps become the table that a model is fitted on: filled, scaled and encoded.

The columns of that table are, in this order: the numeric ones, filled and scaled; for each that had gaps in
training one that says where; for each level of the categories that are taken one-hot a column of zeros and
ones; and last a column of numbers of levels for each category that gets a trained embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from skreg.estimators.columns.scales import Shifted, learn_scale
from skreg.estimators.columns.sharing import shared
from skreg.estimators.quantiles import quantiles

#: Levels up to which ``category_embedding="auto"`` takes a category one-hot.
MOST_ONE_HOT = 16

#: Entries from which on a table with one-hot columns is kept sparse, if few of them are not zero.
_DENSE, _DENSITY = 1 << 24, 0.25

#: Entries that are prepared at a time: what each step leaves behind is still in the cache at the next.
_ENTRIES = 1 << 16

#: Least number of rows of which a sparse table is made at a time, since each part of it costs time.
_ROWS = 4096


@dataclass(frozen=True)
class Settings:
    """What the parameters of an estimator say of its table.

    Attributes
    ----------
    scale : {"standard", "robust", "quantile"} or None
    embedding : {"auto", "onehot", "embedding"}
    dtype : str
        Of the table that is made in training.
    scalable : bool
        Whether the estimator could scale columns, as messages say where that would help.
    """

    scale: str | None
    embedding: str
    dtype: str
    scalable: bool = True


@dataclass
class Category:
    """What the levels of a categorical column become.

    Attributes
    ----------
    column : int
        In the user's table.
    place : ndarray of int, shape (levels + 2,)
        The place of each level, of what is missing, and of what is unknown; -1 for none.
    names : list of str
        Of the places.
    embedded : bool
    """

    column: int
    place: np.ndarray
    names: list
    embedded: bool

    @property
    def n_places(self):
        """Number of places."""
        return len(self.names)

    def places(self, numbers):
        """Places of numbers of levels, NaN where missing and -1 where unknown."""
        levels = len(self.place) - 2
        at = np.where(np.isnan(numbers), levels, numbers)
        return self.place[np.where(at < 0, levels + 1, at).astype(np.intp)]


@dataclass
class Preparation:
    """What was learned of the columns of the training rows.

    Attributes
    ----------
    n_columns : int
        Of the user's table.
    settings : Settings
    numeric : ndarray of int, shape (m,)
    fill : ndarray of shape (m,)
        What stands for the gaps of each numeric column, in the user's units.
    scale : callable or None
    gaps : ndarray of int
        Those among the numeric columns that have a column saying where their gaps are.
    one_hot, embedded : list of Category
    plain : bool
        Whether a table without gaps is taken as it is, and a sparse one in any case.
    made_of : tuple of int or None
        The user's column that each column was made of, of a table that is prepared already.
    """

    n_columns: int
    settings: Settings
    numeric: np.ndarray
    fill: np.ndarray
    scale: Any
    gaps: np.ndarray
    one_hot: list
    embedded: list
    plain: bool
    made_of: tuple | None = None

    # -- what the columns are ----------------------------------------------------------------------

    @property
    def n_dense(self):
        """Columns in front of the one-hot ones."""
        return len(self.numeric) + len(self.gaps)

    @property
    def n_out(self):
        """Columns of the prepared table."""
        one_hot = sum(category.n_places for category in self.one_hot)
        return self.n_dense + one_hot + len(self.embedded)

    @property
    def levels(self):
        """Places of each category that is embedded, the last for what is unknown."""
        return tuple(category.n_places for category in self.embedded)

    @property
    def owners(self):
        """The user's column that each prepared one was made of; None where each is one of them."""
        if self.made_of is not None:
            return self.made_of
        if self.plain or self.n_out == self.n_columns == len(self.numeric):
            return None
        one_hot = [c.column for c in self.one_hot for _ in range(c.n_places)]
        return (
            *map(int, self.numeric),
            *map(int, self.numeric[self.gaps]),
            *one_hot,
            *(category.column for category in self.embedded),
        )

    def names(self, given=None):
        """Names of the prepared columns, by those of the user's table or their numbers.

        Parameters
        ----------
        given : sequence of str, optional
        """
        given = [f"x{j}" for j in range(self.n_columns)] if given is None else list(map(str, given))
        return [
            *(given[j] for j in self.numeric),
            *(f"{given[j]} missing" for j in self.numeric[self.gaps]),
            *(f"{given[c.column]}={name}" for c in self.one_hot for name in c.names),
            *(given[category.column] for category in self.embedded),
        ]

    def called(self, given=None):
        """The user's names of the numeric columns, or where they have none their numbers."""
        return [int(j) if given is None else str(given[j]) for j in self.numeric]

    def knobs(self):
        """What is done to the columns, in the words of parameters, for a summary."""
        parts = []
        if self.scale is not None:
            parts.append(f"scale_features={self.settings.scale}")
        if len(self.gaps):
            parts.append(f"{len(self.gaps)} with gaps")
        for name, found in (("one-hot", self.one_hot), ("embedded", self.embedded)):
            if found:
                plural = "y" if len(found) == 1 else "ies"
                parts.append(f"{len(found)} categor{plural} {name}")
        return ", ".join(parts)

    # -- rows --------------------------------------------------------------------------------------

    def __call__(self, numbers, dtype=np.float64):
        """The prepared table of numbers with gaps.

        Parameters
        ----------
        numbers : ndarray of shape (n, n_columns) or CSR matrix
        dtype : type, default=float64

        Returns
        -------
        ndarray of shape (n, n_out), or CSR matrix
        """
        if self.takes(numbers):
            with np.errstate(over="ignore"):  # said by whoever looks at what was made
                return numbers.astype(dtype, copy=False)
        n = numbers.shape[0]
        if self._is_sparse(n):
            parts = [
                self._sparse_rows(_dense(numbers[rows]), dtype) for rows in self._some(n, _ROWS)
            ]
            return sp.vstack(parts, format="csr", dtype=dtype)
        out = np.zeros((n, self.n_out), dtype=dtype)
        for rows in self._some(n):
            self._dense_rows(_dense(numbers[rows]), out[rows])
        return out

    def filled(self, numbers):
        """The numeric columns alone, unscaled and without gaps; a sparse table as it is."""
        if sp.issparse(numbers):
            return numbers
        x = numbers[:, self.numeric]
        return np.where(np.isnan(x), self.fill, x)

    def takes(self, numbers):
        """Whether rows can be taken as they are."""
        return self.plain and (sp.issparse(numbers) or not _has_gaps(numbers))

    def part(self, columns):
        """What takes some columns of the prepared table as they are."""
        d, owners = len(columns), self.owners
        made_of = None if owners is None else tuple(owners[j] for j in columns)
        return _as_it_is(d, self.settings, np.zeros(d), made_of)

    def _some(self, n, least=1):
        """Slices of n rows that are prepared at a time."""
        size = max(least, _ENTRIES // max(1, self.n_columns))
        return [slice(start, start + size) for start in range(0, n, size)]

    def _is_sparse(self, n):
        """Whether a table of so many rows is worth keeping sparse."""
        taken = self.n_dense + len(self.one_hot) + len(self.embedded)
        return n * self.n_out > _DENSE and taken < _DENSITY * self.n_out

    def _dense_rows(self, numbers, out):
        m, at = len(self.numeric), self.n_dense
        self._numbers_of(numbers, out[:, :m], out[:, m:at])
        for category in self.one_hot:
            place = category.places(numbers[:, category.column])
            there = np.flatnonzero(place >= 0)
            out[there, at + place[there]] = 1.0
            at += category.n_places
        for category in self.embedded:
            out[:, at] = category.places(numbers[:, category.column])
            at += 1

    def _sparse_rows(self, numbers, dtype):
        n, m = len(numbers), len(self.numeric)
        front = np.zeros((n, self.n_dense), dtype=dtype)
        self._numbers_of(numbers, front[:, :m], front[:, m:])
        parts = [sp.csr_matrix(front)]
        for category in self.one_hot:
            place = category.places(numbers[:, category.column])
            there = np.flatnonzero(place >= 0)
            ones = np.ones(len(there), dtype=dtype)
            parts.append(sp.csr_matrix((ones, (there, place[there])), (n, category.n_places)))
        if self.embedded:
            places = [c.places(numbers[:, c.column]) for c in self.embedded]
            parts.append(sp.csr_matrix(np.column_stack(places).astype(dtype)))
        return sp.hstack(parts, format="csr", dtype=dtype)

    def _numbers_of(self, numbers, out, where):
        """Numeric columns into ``out``, and into ``where`` which entries were gaps."""
        x = numbers[:, self.numeric].astype(np.float64)  # a copy
        missing = np.isnan(x)
        where[:] = missing[:, self.gaps]
        if missing.any():
            x = np.where(missing, self.fill, x)
        if self.scale is not None:
            x = self.scale(x)
        with np.errstate(over="ignore"):  # said by whoever looks at what was made
            out[:] = x


class PreparedRows:
    """The prepared table of rows to predict, which is made where it is looked at.

    Parameters
    ----------
    preparation : Preparation
    numbers : ndarray of shape (n, n_columns) or CSR matrix
    """

    def __init__(self, preparation, numbers):
        self.preparation, self.numbers = preparation, numbers
        self.shape = numbers.shape[0], preparation.n_out

    def __getitem__(self, rows):
        """The prepared table of a slice of the rows."""
        return self.preparation(self.numbers[rows])


def prepare(numbers, weight, levels, settings, *, in_rounds=True):
    """What is learned of the training rows, and their prepared table.

    In a round the tasks that bring the same rows share both.

    Parameters
    ----------
    numbers : ndarray of shape (n, d) or CSR matrix
    weight : ndarray of shape (n,) or None
        Positive.
    levels : dict
        The `skreg.estimators.columns.levels.Levels` of each categorical column, by its number.
    settings : Settings
    in_rounds : bool
        Whether the estimator is trained in rounds; else what trains in rounds is not imported.

    Returns
    -------
    preparation : Preparation
    table : ndarray or CSR matrix
    """

    def make():
        preparation = learn(numbers, weight, levels, settings)
        return preparation, preparation(numbers, np.dtype(settings.dtype))

    plain = settings.scale is None and not levels and not _has_gaps(numbers)
    if not in_rounds or sp.issparse(numbers) or plain:
        return make()
    named = tuple((j, tuple(map(str, levels[j].values))) for j in sorted(levels))
    return shared((settings, named), (numbers, weight), make)


def learn(numbers, weight, levels, settings):
    """The `Preparation` of training rows; parameters as of `prepare`."""
    d = numbers.shape[1]
    numeric = np.array([j for j in range(d) if j not in levels], dtype=np.intp)
    if sp.issparse(numbers):
        return _as_it_is(d, settings, np.zeros(d))
    x = numbers if len(numeric) == d else numbers[:, numeric]
    missing = np.isnan(x).sum(axis=0) if _has_gaps(x) else np.zeros(len(numeric), dtype=np.intp)
    scale = None if settings.scale is None else learn_scale(settings.scale, x, weight)
    fill = _fill(x, weight, scale, missing > 0)
    gaps = np.flatnonzero((missing > 0) & (missing < len(numbers)))
    found = [_category(j, numbers[:, j], weight, levels[j], settings.embedding) for j in levels]
    one_hot = [category for category in found if not category.embedded]
    embedded = [category for category in found if category.embedded]
    plain = scale is None and not levels and not missing.any()
    return Preparation(d, settings, numeric, fill, scale, gaps, one_hot, embedded, plain)


def _as_it_is(d, settings, fill, made_of=None):
    """What takes d columns as they are, and fills what is missing."""
    none = np.zeros(0, np.intp)
    return Preparation(d, settings, np.arange(d), fill, None, none, [], [], True, made_of)


def _fill(x, weight, scale, gaps):
    """What stands for the gaps of each column: the median where there are some.

    Of the others it is the centre that is known or quickly found, in case some come up at predict.
    """
    if isinstance(scale, Shifted):
        fill = scale.centre.copy()
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            sums = x.sum(axis=0, dtype=np.float64) if weight is None else weight @ x
            fill = sums / (len(x) if weight is None else weight.sum())
    for j in np.flatnonzero(gaps | ~np.isfinite(fill)):
        fill[j] = _middle(x[:, j], weight)
    return fill


def _middle(values, weight):
    """The median of what is there; 0 where nothing is."""
    there = ~np.isnan(values)
    if not there.any():
        return 0.0
    weight = None if weight is None else weight[there]
    return quantiles(values[there].astype(np.float64), weight, [0.5])[0]


def _category(column, numbers, weight, levels, embedding):
    """The places of the levels of a column.

    A level that was seen once counts as unknown, so that what is unknown at predict has a place that was
    trained. With weights it was seen once if it has one row, of a weight below 2.
    """
    count = len(levels.values)
    at = np.where(np.isnan(numbers), count, numbers).astype(np.intp)
    rows = np.bincount(at, minlength=count + 1)
    mass = rows if weight is None else np.bincount(at, weights=weight, minlength=count + 1)
    rare = (rows[:count] == 1) & (mass[:count] < 2)
    kept = np.flatnonzero((rows[:count] > 0) & ~rare)
    names = [str(levels.values[i]) for i in kept]
    place = np.full(count + 2, -1)
    place[kept] = np.arange(len(kept))
    if rows[count]:
        place[count] = len(names)
        names.append("missing")
    embed = embedding == "embedding" or (embedding == "auto" and len(names) > MOST_ONE_HOT)
    if embed or rare.any() or not names:
        place[place < 0] = len(names)
        names.append("other")
    return Category(column, place, names, embed)


def _dense(rows):
    """Rows as an array: what was learned of a dense table is done to the rows of a sparse one as well."""
    return rows.toarray() if sp.issparse(rows) else rows


def _has_gaps(x):
    """Whether a dense table has any NaN; its other values are finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        total = x.sum()
    # Finite numbers may add up to an infinite one.
    return bool(np.isnan(total)) and bool(np.isnan(x).any())
