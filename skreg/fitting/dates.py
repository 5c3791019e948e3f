"""Dates and times as numbers: how a column writes them, and what a net is given of them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from skreg.comparison.numbers import usual_missing

__all__ = ["date_parts", "find_format"]

# where several read a column, the first is taken
FORMATS = (
    "ISO8601",
    *(
        f"{day}{time}"
        for day in (
            "%Y/%m/%d",
            "%d.%m.%Y",
            "%m/%d/%Y",
            "%d/%m/%Y",
            "%d-%m-%Y",
            "%m-%d-%Y",
            "%d %b %Y",
            "%d-%b-%Y",
            "%d %B %Y",
            "%b %d, %Y",
            "%B %d, %Y",
            "%d.%m.%y",
            "%m/%d/%y",
            "%d/%m/%y",
        )
        for time in ("", " %H:%M", " %H:%M:%S")
    ),
    "%H:%M",
    "%H:%M:%S",
)
# of the cells that are not empty, so many have to be read
READ = 0.95
# months and days change places between these
SWAPPED = str.maketrans("md", "dm")


def find_format(cells: pd.Series) -> tuple[str | None, bool]:
    """How a column writes its dates.

    Parameters
    ----------
    cells : Series of str or datetime
        Stripped cells.

    Returns
    -------
    format : str or None
        As pandas' `to_datetime` takes it; None where none reads nearly all cells.
    clear : bool
        False where months and days could have changed places.
    """
    if cells.dtype.kind == "M" or isinstance(cells.dtype, pd.DatetimeTZDtype):
        return "ISO8601", True
    for form in FORMATS:
        if _reads(cells, form):
            other = form.translate(SWAPPED)
            return form, other == form or other not in FORMATS or not _reads(cells, other)
    return None, True


def _reads(cells: pd.Series, form: str) -> bool:
    present = cells.dropna()
    return bool(len(present)) and bool(_moments(present, form).notna().mean() >= READ)


def _moments(cells: pd.Series, form: str) -> pd.Series:
    """Moments in universal time, without saying so; NaT where there is none."""
    if cells.dtype.kind in "iufb":
        return pd.Series(pd.NaT, index=cells.index, dtype="datetime64[ns]")
    if cells.dtype.kind != "M" and not isinstance(cells.dtype, pd.DatetimeTZDtype):
        cells = cells.mask(usual_missing(cells))
    moments = pd.to_datetime(cells, format=form, errors="coerce", utc=True)
    return moments.dt.tz_localize(None)


def date_parts(cells: pd.Series, name: str, form: str) -> pd.DataFrame:
    """What a net is given of a column of dates.

    Parameters
    ----------
    cells : Series of str or datetime
    name : str
        Of the column.
    form : str
        As `find_format` found it.

    Returns
    -------
    DataFrame of float
        Days since 1970 (for the order of time), day of the year (for the season), weekday and hour; the
        hour alone where there are no days. NaN where a cell is no such date.
    """
    moments = _moments(cells, form)
    hour = moments.dt.hour + moments.dt.minute / 60
    if "%H" in form and "%d" not in form:
        return pd.DataFrame({f"{name}: hour": hour})
    days = (moments - pd.Timestamp("1970-01-01")) / np.timedelta64(1, "D")
    return pd.DataFrame(
        {
            f"{name}: days": days,
            f"{name}: day of the year": moments.dt.day_of_year.astype(float),
            f"{name}: weekday": moments.dt.day_of_week.astype(float),
            f"{name}: hour": hour,
        }
    )
