"""Estimators as Python source that builds them anew."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.pipeline import Pipeline

__all__ = ["NotWritableError", "source_of"]

LINE = 88
INDENT = "    "


class NotWritableError(ValueError):
    """An estimator holds something that has no source, such as a function or an array."""


def source_of(estimator: BaseEstimator, name: str = "model") -> str:
    """Write the source that builds an unfitted estimator.

    Parameters
    ----------
    estimator : estimator
        Its parameters may be plain values, estimators and lists of them.
    name : str, default="model"
        The variable that it is assigned to.

    Returns
    -------
    str
        Imports and one assignment. Parameters with their default values are left out.

    Raises
    ------
    NotWritableError
        If a parameter has no source.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skreg.comparison.snippet import source_of
    >>> print(source_of(make_pipeline(StandardScaler(), Ridge(alpha=10.0))))
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    <BLANKLINE>
    model = make_pipeline(StandardScaler(), Ridge(alpha=10.0))
    """
    imports: dict[str, set[str]] = {}
    value = _write(estimator, imports, 0, len(name) + 3)
    lines = [
        f"from {module} import {', '.join(sorted(names))}" if names else f"import {module} as np"
        for module, names in sorted(imports.items())
    ]
    return "\n".join([*lines, "", f"{name} = {value}"])


def _write(value: Any, imports: dict[str, set[str]], depth: int, used: int = 0) -> str:
    if isinstance(value, Pipeline):
        return _write_pipeline(value, imports, depth, used)
    if isinstance(value, ColumnTransformer):
        return _write_columns(value, imports, depth, used)
    if isinstance(value, BaseEstimator):
        parts = [
            (f"{key}=", own)
            for key, own in value.get_params(deep=False).items()
            if _differs(own, type(value), key)
        ]
        return _call(_imported(type(value), imports), parts, imports, depth, used)
    if isinstance(value, make_column_selector):  # no estimator, though it has parameters
        given = [(f"{key}=", own) for key, own in vars(value).items() if own is not None]
        return _call(_imported(type(value), imports), given, imports, depth, used)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        imports.setdefault("numpy", set())
        return "np.nan" if np.isnan(value) else f"{'-' if value < 0 else ''}np.inf"
    if isinstance(value, str):
        text = repr(value)
        return text if '"' in text or "\\" in text else f'"{text[1:-1]}"'
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, type) and value.__module__ == "numpy":
        imports.setdefault("numpy", set())
        return f"np.{value.__name__}"
    if isinstance(value, type):
        return _imported(value, imports)
    if type(value) in (list, tuple):
        return _write_sequence(value, imports, depth, used)
    if type(value) is dict:
        pairs = [
            f"{_write(key, imports, depth)}: {_write(own, imports, depth)}"
            for key, own in value.items()
        ]
        return "{" + ", ".join(pairs) + "}"
    raise NotWritableError(f"{type(value).__name__} has no source.")


def _write_sequence(
    value: list[Any] | tuple[Any, ...], imports: dict[str, set[str]], depth: int, used: int
) -> str:
    """Items on one line, or as many a line as fit."""
    if len(value) > 3 and list(value) == list(range(len(value))):
        return f"{type(value).__name__}(range({len(value)}))"
    texts = [_write(own, imports, depth) for own in value]
    opening, closing = "[]" if type(value) is list else "()"
    ending = "," if type(value) is tuple and len(texts) == 1 else ""
    line = f"{opening}{', '.join(texts)}{ending}{closing}"
    if len(INDENT) * depth + used + len(line) <= LINE or "\n" in line or len(texts) < 2:
        return line
    inner = INDENT * (depth + 1)
    lines = [inner]
    for text in texts:
        if len(lines[-1]) + len(text) + 2 > LINE and lines[-1] != inner:
            lines.append(inner)
        lines[-1] += f"{text}, "
    body = "\n".join(own.rstrip() for own in lines)
    return f"{opening}\n{body}\n{INDENT * depth}{closing}"


def _write_pipeline(value: Pipeline, imports: dict[str, set[str]], depth: int, used: int) -> str:
    """By `make_pipeline`, which names the steps by itself."""
    imports.setdefault("sklearn.pipeline", set()).add("make_pipeline")
    parts = [("", step) for _, step in value.steps]
    return _call("make_pipeline", parts, imports, depth, used)


def _write_columns(
    value: ColumnTransformer, imports: dict[str, set[str]], depth: int, used: int
) -> str:
    """By `make_column_transformer`, as this package makes it."""
    imports.setdefault("sklearn.compose", set()).add("make_column_transformer")
    parts: list[tuple[str, Any]] = [
        ("", (own, list(columns) if isinstance(columns, Iterable) else columns))
        for _, own, columns in value.transformers
    ]
    parts.append(("remainder=", value.remainder))
    source = _call("make_column_transformer", parts, imports, depth, used)
    output = getattr(value, "_sklearn_output_config", {}).get("transform")
    return source if output is None else f'{source}.set_output(transform="{output}")'


def _call(
    name: str,
    parts: list[tuple[str, Any]],
    imports: dict[str, set[str]],
    depth: int,
    used: int,
) -> str:
    """A call on one line where it fits, else an argument a line."""
    texts = [key + _write(own, imports, depth + 1, len(key)) for key, own in parts]
    line = f"{name}({', '.join(texts)})"
    fits = len(INDENT) * depth + used + len(line) <= LINE
    if fits and not any("\n" in text for text in texts):
        return line
    inner = INDENT * (depth + 1)
    body = "".join(f"{inner}{text},\n" for text in texts)
    return f"{name}(\n{body}{INDENT * depth})"


def _differs(value: Any, kind: type, key: str) -> bool:
    """Whether a parameter is not the default one; those of a module have none (``module__hidden``)."""
    known = inspect.signature(kind.__init__).parameters
    if key not in known:
        return True
    default = known[key].default
    if isinstance(value, BaseEstimator) or isinstance(default, BaseEstimator):
        return repr(value) != repr(default)
    return type(value) is not type(default) or repr(value) != repr(default)


def _imported(kind: type, imports: dict[str, set[str]]) -> str:
    """Name of a class, with the shortest public module that it can be imported from."""
    parts = kind.__module__.split(".")
    for k in range(1, len(parts) + 1):
        if parts[k - 1].startswith("_"):
            break
        module = ".".join(parts[:k])
        if module != "__main__" and getattr(_loaded(module), kind.__name__, None) is kind:
            imports.setdefault(module, set()).add(kind.__name__)
            return kind.__name__
    raise NotWritableError(f"{kind.__name__} cannot be imported from a public module.")


def _loaded(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        return None
