"""The file of a model: an estimator and the columns of its table, in a form that runs no foreign code.

skops writes arrays and the attributes of objects, and no code. What it reads are types of scikit-learn, numpy
and scipy that it holds harmless, and those of `TRUSTED`; a file with any other type is refused.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

import skreg
from skreg.comparison.wording import counted
from skreg.estimators.search.parts import made_whole, to_predict
from skreg.fitting.columns import Column, NewRows, read_rows

__all__ = ["TRUSTED", "Model", "ModelFileError", "load_model"]

#: Types of this package that a model is made of.
TRUSTED = (
    "skreg.estimators.columns.levels.Levels",
    "skreg.estimators.columns.preparation.Category",
    "skreg.estimators.columns.preparation.Preparation",
    "skreg.estimators.columns.preparation.Settings",
    "skreg.estimators.columns.scales.NormalScores",
    "skreg.estimators.columns.scales.Shifted",
    "skreg.estimators.mlp.RegularizedMLPClassifier",
    "skreg.estimators.mlp.RegularizedMLPRegressor",
    "skreg.estimators.search.classifier.RegularizedMLPClassifierCV",
    "skreg.estimators.search.regressor.RegularizedMLPRegressorCV",
    "skreg.train.job.Spec",
)

KIND, FORMAT = "model of a table by skreg", 1


class ModelFileError(ValueError):
    """The file holds no model that can be used; the message is one line that says what to do."""


@dataclass
class Model:
    """A fitted search, and what it takes to read new rows for it.

    Attributes
    ----------
    estimator : RegularizedMLPClassifierCV or RegularizedMLPRegressorCV
        Fitted. Loaded from a file it has what predicting takes, and no records of the search.
    columns : list of Column
        What each column of the table is.
    target : str
        Name of what is predicted.
    task : {"classification", "regression"}
    missing : list of str
        Words that stand for a missing value, besides the usual ones.
    decimal : {".", ","} or None
        The decimal mark of the table, where it showed it.
    version : str
        Of the package that fitted it.
    """

    estimator: Any
    columns: list[Column]
    target: str
    task: str
    missing: list[str] = field(default_factory=list)
    decimal: str | None = None
    version: str = skreg.__version__

    def read(
        self,
        path: str | Path,
        *,
        missing: Sequence[str] = (),
        decimal: str | None = None,
        encoding: str | None = None,
    ) -> NewRows:
        """Read a file of new rows by the columns of the model.

        Parameters
        ----------
        path : str or Path
            CSV (also compressed), Parquet or a spreadsheet; "-" is standard input.
        missing : sequence of str, default=()
            Further words that stand for a missing value.
        decimal : {".", ","} or None, default=None
            The decimal mark; None finds out.
        encoding : str or None, default=None
            Of a text file; None finds out.

        Returns
        -------
        NewRows
            Its ``X`` is what `predict` and the estimator take.

        Raises
        ------
        TableError
            If the file cannot be read, lacks a column, or a column holds other values than in training.
        """
        return read_rows(
            path,
            self.columns,
            target=self.target,
            missing=[*self.missing, *missing],
            decimal=decimal,
            usual_decimal=self.decimal,
            encoding=encoding,
        )

    def predict(self, X: pd.DataFrame) -> pd.DataFrame:
        """Predictions of rows.

        Parameters
        ----------
        X : DataFrame
            As `read` returns them.

        Returns
        -------
        DataFrame
            The column ``prediction``, and for classes the probability ``P(label)`` of each label.
        """
        if self.task == "regression":
            return pd.DataFrame({"prediction": self.estimator.predict(X)})
        table = pd.DataFrame({"prediction": self.estimator.predict(X)})
        shares = self.estimator.predict_proba(X)
        for k, label in enumerate(self.estimator.classes_):
            table[f"P({label})"] = shares[:, k]
        return table

    def save(self, path: str | Path) -> Path:
        """Write the model to a file.

        Parameters
        ----------
        path : str or Path

        Returns
        -------
        Path

        Raises
        ------
        ImportError
            If skops is not installed.
        OSError
            If the file cannot be written.
        """
        sio, path = skops_io(), Path(path)
        content = {
            "kind": KIND,
            "format": FORMAT,
            "skreg": self.version,
            "target": self.target,
            "task": self.task,
            "missing": list(self.missing),
            "decimal": self.decimal,
            "columns": [asdict(column) for column in self.columns],
            "estimator": to_predict(self.estimator),
        }
        # Zeros and texts pack well, weights hardly.
        data = sio.dumps(content, compression=zipfile.ZIP_DEFLATED)
        path.write_bytes(data)
        return path


def load_model(path: str | Path) -> Model:
    """Load a model that `skreg fit` has written. No code of the file is run.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Model
        Its ``estimator`` predicts as any other.

    Raises
    ------
    ModelFileError
        If there is no such file, if it holds no such model, or holds types that this package does not write.
    ImportError
        If skops is not installed.

    See Also
    --------
    RegularizedMLPClassifierCV : What a model for classes holds.
    RegularizedMLPRegressorCV : What a model for numbers holds.

    Examples
    --------
    >>> import skreg
    >>> model = skreg.load_model("model.skops")  # doctest: +SKIP
    >>> rows = model.read("new.csv")  # doctest: +SKIP
    >>> model.predict(rows.X)  # doctest: +SKIP
    """
    sio, path = skops_io(), Path(path)
    if path.is_dir() or not path.exists():
        what = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise ModelFileError(f"{path} {what}. Give a file that `skreg fit` has written.")
    foreign = f"{path} is no model of `skreg fit`"
    remedy = "Give a file that `skreg fit --output` has written."
    if not zipfile.is_zipfile(path):
        raise ModelFileError(f"{foreign}, or is damaged: it is no skops file. {remedy}")
    try:
        unknown = sorted(set(sio.get_untrusted_types(file=path)) - set(TRUSTED))
    except Exception as error:
        raise ModelFileError(
            f"{foreign}, or is damaged ({_first_line(error)}). {remedy}"
        ) from error
    if unknown:
        shown = ", ".join(unknown[:4]) + (", ..." if unknown[4:] else "")
        raise ModelFileError(
            f"{path} is refused: it holds {counted(len(unknown), 'type')} that no model of skreg "
            f"{skreg.__version__} has, and that could run code: {shown}. {remedy}"
        )
    try:
        content = sio.load(path, trusted=list(TRUSTED))
    except Exception as error:
        raise _not_loaded(path, error) from error
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise ModelFileError(f"{foreign}: it holds something else. {remedy}")
    if content.get("format") != FORMAT:
        raise ModelFileError(
            f"{path} was written by skreg {content.get('skreg')} in the format {content.get('format')}, and "
            f"skreg {skreg.__version__} reads the format {FORMAT}. Use that version, or fit the model again."
        )
    try:
        return Model(
            made_whole(content["estimator"]),
            [Column(**column) for column in content["columns"]],
            content["target"],
            content["task"],
            content["missing"],
            content["decimal"],
            content["skreg"],
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _not_loaded(path, error) from error


def _not_loaded(path: Path, error: BaseException) -> ModelFileError:
    return ModelFileError(
        f"{path} cannot be loaded by skreg {skreg.__version__}: it is damaged, or of another version "
        f"({_first_line(error)}). Fit the model again."
    )


def skops_io() -> Any:
    """skops.io, or an error that names the remedy."""
    try:
        import skops.io
    except ImportError as error:
        raise ImportError(
            "Files of models are read and written by skops, which is not installed. Run `pip install "
            "skreg[cli]`."
        ) from error
    return skops.io


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:120] if text else type(error).__name__


def file_size(path: Path) -> str:
    """The size of a file as a reader wants to see it."""
    size = os.path.getsize(path)
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{max(1, round(size / 1e3))} kB"
