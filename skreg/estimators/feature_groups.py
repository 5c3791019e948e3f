"""What ``feature_groups`` says of the columns of a table."""

from __future__ import annotations

import numpy as np

from skreg.estimators.columns.levels import number_of_column

_NAME = "feature_groups"


def group_labels(choice, d, names=None):
    """The number of the group of each column.

    Parameters
    ----------
    choice : array-like or None
        ``feature_groups`` of the estimators: a label for each column, or lists of columns.
    d : int
        Columns of the table.
    names : sequence of str, optional
        Theirs.

    Returns
    -------
    tuple of int, or None where each column is a group

    Raises
    ------
    ValueError
        For a choice that does not fit the table.

    Examples
    --------
    >>> group_labels(["a", "b", "a"], 3)
    (0, 1, 0)
    >>> group_labels([[0, 2]], 4)
    (0, 1, 0, 2)
    """
    if choice is None:
        return None
    choice = list(choice)
    if choice and all(isinstance(part, list | tuple | set | np.ndarray) for part in choice):
        labels = _of_lists([list(part) for part in choice], d, names)
    else:
        labels = _of_labels(choice, d)
    # Numbered by when they are first met, so that the same groups have the same numbers.
    numbers = {}
    return tuple(numbers.setdefault(label, len(numbers)) for label in labels)


def _of_labels(labels, d):
    if len(labels) != d:
        raise ValueError(
            f"{_NAME} has {len(labels)} labels, but X has {d} columns. Give one for each column, or a list "
            "of lists of columns that belong together. Tools that fit to a part of the columns, such as RFE, "
            f"know no groups: leave {_NAME} out there."
        )
    if any(label is None or label != label for label in labels):
        raise ValueError(f"{_NAME}={labels!r} has a missing label. Give one for each column.")
    return labels


def _of_lists(lists, d, names):
    labels = [("own", j) for j in range(d)]
    for i, columns in enumerate(lists):
        for name in columns:
            j = number_of_column(name, [] if names is None else list(names), d, _NAME)
            if labels[j][0] == "given":
                raise ValueError(
                    f"{_NAME} names the column {name!r} twice. Name each column once, in one of the lists."
                )
            labels[j] = "given", i
    return labels
