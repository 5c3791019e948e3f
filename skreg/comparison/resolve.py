"""From what the user names as candidates to the candidates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sklearn.dummy import DummyClassifier, DummyRegressor

from skreg.comparison.candidates import Candidate
from skreg.comparison.defaults import default_candidates

__all__ = ["resolve_candidates"]

SEARCH = "search"


def resolve_candidates(candidates: Any, task: str, **options: Any) -> dict[str, Candidate]:
    """Turn the parameter `candidates` into named candidates.

    Parameters
    ----------
    candidates : "default", iterable of str, or dict of str to estimator or Candidate
        Names choose among the defaults; "+ dropout" may be written "dropout", "plain net" "plain".
        With a ``search_time`` the search is added.
    task : {"classification", "regression"}
        What they are for.
    **options : keyword arguments of `default_candidates`

    Returns
    -------
    dict of str to Candidate

    Raises
    ------
    ValueError
        If a name is not known, or fewer than two candidates are given.
    TypeError
        If a value is not an estimator.
    """
    if isinstance(candidates, Mapping):
        found = {str(name): _as_candidate(name, value) for name, value in candidates.items()}
        if options.get("search_time") is not None:
            found.setdefault(SEARCH, default_candidates(task, **options)[SEARCH])
    else:
        known = default_candidates(task, **options)
        if isinstance(candidates, str):
            names = list(known) if candidates == "default" else [candidates]
        elif isinstance(candidates, Iterable):
            names = list(candidates)
        else:
            raise TypeError(
                f"candidates={candidates!r}: give 'default', a list of names, or a dict of "
                "estimators by name."
            )
        found = {}
        for name in names:
            full = _full_name(name, known)
            found[full] = known[full]
        if SEARCH in known:
            found.setdefault(SEARCH, known[SEARCH])
    if len(found) < 2:
        raise ValueError(
            f"candidates gives {len(found)} to compare: give two or more, for example "
            "['plain net', '+ dropout']."
        )
    return found


def _as_candidate(name: str, value: Any) -> Candidate:
    if isinstance(value, Candidate):
        return value
    if not (hasattr(value, "fit") and hasattr(value, "get_params")) or isinstance(value, type):
        raise TypeError(
            f"candidates[{name!r}] is {value!r}, which is not a scikit-learn estimator. Give an "
            "estimator object or a skreg.comparison.Candidate."
        )
    is_dummy = isinstance(value, DummyClassifier | DummyRegressor)
    return Candidate(value, kind="dummy" if is_dummy else "own")


def _full_name(name: str, known: Iterable[str]) -> str:
    wanted = _bare(name)
    for full in known:
        if wanted in (_bare(full), _bare(full).removesuffix("net")):
            return full
    if wanted == _bare(SEARCH):
        raise ValueError(
            f"candidates: {name!r} needs to know for how long: give search_time=SECONDS (on the command "
            "line --time SECONDS). It takes that long on each outer split."
        )
    raise ValueError(
        f"candidates: {name!r} is not known. Allowed are {', '.join(map(repr, known))}."
    )


def _bare(name: str) -> str:
    return "".join(letter for letter in str(name).lower() if letter.isalnum())
