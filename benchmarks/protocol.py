"""Which rows and columns a method sees, and how it is scored: one protocol for every table.

For a seed, classes with fewer than 5 rows are left out, a quarter of the rows is held out for the
test (stratified for classes), and at most 10,000 training rows are drawn (stratified, same seed).
Networks and linear models see the "network" view: numbers imputed by the median and standardised,
categories one-hot. Trees see the "tree" view: numbers as they are, categories as ordinals. Packages
that encode for themselves see the "frame" view: imputed numbers and categories, unchanged otherwise. The
"raw" view is the table as it comes, with its gaps.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.metrics import balanced_accuracy_score, log_loss, r2_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

TASKS = ("binary", "multiclass", "regression")
HALVES = ("choose", "judge")

#: Rows a class must have to take part, and training rows at most.
SMALLEST_CLASS, MOST_ROWS = 5, 10_000

#: Probabilities below count as this in the log loss, so that one hopeless row cannot outweigh all
#: others, and methods of either precision are treated alike.
LEAST_PROBABILITY = 1e-7


class Table(NamedTuple):
    """A table that is read when it is needed."""

    name: str
    task: str  # one of `TASKS`
    read: Callable  # returns columns, a DataFrame of shape (n, d), and targets, a Series of shape (n,)


# -- where tables come from -----------------------------------------------------------------------


def folder_tables(folder):
    """The tables of a folder with ``INDEX.csv`` (name, task) and ``<name>.csv.gz`` for each."""
    folder = Path(folder)
    index = folder / "INDEX.csv"
    if not index.exists():
        raise FileNotFoundError(
            f"{folder} holds no INDEX.csv. Give the folder that holds INDEX.csv and a "
            "<name>.csv.gz for each of its names, or use --bundled."
        )
    tables = []
    for row in pd.read_csv(index).itertuples():
        path = folder / f"{row.name}.csv.gz"
        if not path.exists():
            raise FileNotFoundError(
                f"{index} names {row.name!r}, but {path} does not exist. Add the file or take the "
                "name out of the index."
            )
        if row.task not in TASKS:
            raise ValueError(
                f"{index} gives {row.name!r} the task {row.task!r}; allowed are {', '.join(TASKS)}."
            )
        tables.append(Table(row.name, row.task, lambda path=path: _read_file(path)))
    return tables


def _read_file(path):
    """Columns and target (the last one) of a file."""
    frame = pd.read_csv(path)
    return frame.iloc[:, :-1], frame.iloc[:, -1]


def bundled_tables():
    """scikit-learn's own tables, and two that it generates; all three tasks are in both halves."""
    tables = {
        "breast-cancer": ("binary", lambda: datasets.load_breast_cancer(return_X_y=True)),
        "diabetes": ("regression", lambda: datasets.load_diabetes(return_X_y=True)),
        "digits": ("multiclass", lambda: datasets.load_digits(return_X_y=True)),
        "friedman": ("regression", lambda: datasets.make_friedman1(1000, 10, random_state=0)),
        "hastie": ("binary", lambda: datasets.make_hastie_10_2(2000, random_state=0)),
        "iris": ("multiclass", lambda: datasets.load_iris(return_X_y=True)),
        "wine": ("multiclass", lambda: datasets.load_wine(return_X_y=True)),
    }
    return [Table(name, task, partial(_as_pandas, read)) for name, (task, read) in tables.items()]


def _as_pandas(read):
    X, y = read()
    return pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])]), pd.Series(y)


def halves(tables):
    """The half of each table: what is chosen on one half is judged on the other.

    Within each task the names are sorted and go to "choose" and "judge" in turn, so that both
    halves have every task of which there are two tables. The split is that of a whole folder: it
    is kept with the results, since a part of the tables would be split otherwise.

    >>> from benchmarks.protocol import Table, halves
    >>> halves([Table(name, "binary", None) for name in ("c", "a", "b")])
    {'a': 'choose', 'b': 'judge', 'c': 'choose'}
    """
    out = {}
    for task in TASKS:
        names = sorted(table.name for table in tables if table.task == task)
        out.update({name: HALVES[i % 2] for i, name in enumerate(names)})
    return out


# -- what a method sees ---------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Cell:
    """A table under one seed, ready for every method."""

    dataset: str
    task: str
    seed: int
    d: int  # columns of the table as it is stored
    y: np.ndarray  # class numbers from 0 on, or floats
    y_test: np.ndarray
    views: dict  # "network", "tree" (float64 arrays), "frame", "raw" (DataFrames): training and test rows


def make_cell(name, task, X, y, seed):
    """Split a table and make all of its views; a `Cell`."""
    X_train, X_test, y_train, y_test = split(X, y, task, seed)
    X_train, X_test = clean(X_train, X_test)
    made = {"network": network_view, "tree": tree_view, "frame": frame_view}
    views = {view: make(X_train, X_test) for view, make in made.items()}
    views["raw"] = X_train, X_test
    return Cell(name, task, seed, X.shape[1], y_train, y_test, views)


def split(X, y, task, seed):
    """Training and test rows of a seed: X_train, X_test, y_train, y_test.

    Targets are class numbers from 0 on, else floats. ValueError where fewer than two classes have
    enough rows.
    """
    stratified = task != "regression"
    X, y = _without_rare_classes(X, y) if stratified else (X, np.asarray(y, dtype=np.float64))

    def draw(X, y, **sizes):
        return train_test_split(
            X, y, stratify=y if stratified else None, random_state=seed, **sizes
        )

    X_train, X_test, y_train, y_test = draw(X, y, test_size=0.25)
    if len(X_train) > MOST_ROWS:
        X_train, _, y_train, _ = draw(X_train, y_train, train_size=MOST_ROWS)
    return X_train, X_test, y_train, y_test


def _without_rare_classes(X, y):
    """The rows of classes that are large enough, and their class numbers."""
    labels = np.asarray(y).astype(str)
    names, counts = np.unique(labels, return_counts=True)
    kept = np.isin(labels, names[counts >= SMALLEST_CLASS])
    classes, codes = np.unique(labels[kept], return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"{len(classes)} of {len(names)} classes have at least {SMALLEST_CLASS} rows; a "
            "classification table needs two. Add rows or leave the table out."
        )
    return X[kept], codes


def clean(X_train, X_test):
    """Numbers as float64, categories as strings; columns without a value are left out.

    A column that has no value in the training rows says nothing, and some methods fail on it.
    """
    present = [name for name in X_train if X_train[name].notna().any()]
    return tuple(
        X[present].apply(
            lambda column: (
                column.astype(np.float64)
                if pd.api.types.is_numeric_dtype(column)
                else column.astype(object).map(str, na_action="ignore")
            )
        )
        for X in (X_train, X_test)
    )


def network_view(X_train, X_test):
    """Numbers imputed by the median and standardised; categories one-hot, the unknown ignored.

    A missing category is a category. Categories seen once, and those beyond the 100 most frequent
    of a column, share one.
    """
    numbers, categories = _kinds(X_train)
    levels = OneHotEncoder(
        handle_unknown="ignore", min_frequency=2, max_categories=100, sparse_output=False
    )
    scaled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    levels = make_pipeline(SimpleImputer(strategy="constant", fill_value="missing"), levels)
    columns = make_column_transformer((scaled, numbers), (levels, categories))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Found unknown categories", UserWarning)
        return columns.fit_transform(X_train), columns.transform(X_test)


def tree_view(X_train, X_test):
    """Numbers as they are, missing ones NaN; categories as ordinals, -1 the missing and unknown."""
    numbers, categories = _kinds(X_train)
    ordinals = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1
    )
    columns = make_column_transformer(("passthrough", numbers), (ordinals, categories))
    found = columns.fit_transform(X_train), columns.transform(X_test)
    return tuple(np.asarray(part, dtype=np.float64) for part in found)


def frame_view(X_train, X_test):
    """DataFrames of numbers imputed by the median and of categories, the missing one among them."""
    numbers, categories = _kinds(X_train)
    filling = {**X_train[numbers].median(), **dict.fromkeys(categories, "missing")}
    kinds = dict.fromkeys(categories, "category")
    return tuple(X.fillna(filling).astype(kinds) for X in (X_train, X_test))


def _kinds(X):
    """Names of the numeric and of the categorical columns."""
    numbers = [name for name in X if pd.api.types.is_numeric_dtype(X[name])]
    return numbers, [name for name in X if name not in numbers]


# -- how it is scored -----------------------------------------------------------------------------


def evaluate(model, X, y, task, shares=None):
    """Scores of a fitted model on the test rows, and the seconds that predicting them took.

    score is the balanced accuracy or R2; logloss and auc (one versus rest) are None for regression; predict_s
    is of probabilities, or of values. With the shares of the classes in training the class is the one with
    the largest ratio of probability and share, else that of the model's own rule.
    """
    began = time.perf_counter()
    raw = model.predict(X) if task == "regression" else model.predict_proba(X)
    seconds = time.perf_counter() - began
    if task == "regression":
        return {"score": r2_score(y, raw), "logloss": None, "auc": None, "predict_s": seconds}
    raw, classes = np.asarray(raw), np.asarray(model.classes_, dtype=int)
    proba = np.zeros((len(raw), int(max(y.max(), classes.max())) + 1), dtype=raw.dtype)
    # A class may have no training row left after the draw.
    proba[:, classes] = raw
    # The classes that the method decides on need not be the most probable ones.
    decided = model.predict(X) if shares is None else classes[(raw / shares[classes]).argmax(1)]
    return {
        "score": balanced_accuracy_score(y, decided),
        "logloss": _log_loss(y, proba),
        "auc": _auc(y, proba),
        "predict_s": seconds,
    }


def _log_loss(y, proba):
    proba = np.clip(proba.astype(np.float64), LEAST_PROBABILITY, 1.0)
    proba /= proba.sum(axis=1, keepdims=True)
    return log_loss(y, proba, labels=np.arange(proba.shape[1]))


def _auc(y, proba):
    """Area under the ROC curve; the mean of one versus rest for more than two classes."""
    if proba.shape[1] == 2:
        return roc_auc_score(y, proba[:, 1])
    return roc_auc_score(y, proba, multi_class="ovr", labels=np.arange(proba.shape[1]))
