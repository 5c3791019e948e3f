"""Dates become numbers by the format that the column has."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skreg.fitting.dates import date_parts, find_format


@pytest.mark.parametrize(
    ("cells", "form", "clear"),
    [
        (["2020-01-31", "2021-12-01"], "ISO8601", True),
        (["2020-01-31 12:30:00", "2021-12-01 01:00:00"], "ISO8601", True),
        (["31.01.2020", "01.12.2021"], "%d.%m.%Y", True),
        (["01/31/2020", "12/01/2021"], "%m/%d/%Y", True),
        (["31/01/2020", "01/12/2021"], "%d/%m/%Y", True),
        (["01/02/2020", "12/01/2021"], "%m/%d/%Y", False),
        (["31 Jan 2020", "01 Dec 2021"], "%d %b %Y", True),
        (["12:30", "23:59"], "%H:%M", True),
        (["Monday", "in May"], None, True),
        ([None, None], None, True),
    ],
)
def test_the_format_of_a_column(cells, form, clear):
    assert find_format(pd.Series(cells, dtype=object)) == (form, clear)


def test_parts_of_a_date():
    cells = pd.Series(["31.12.1970 18:30", None, "nonsense", "01.01.1970 00:00"], dtype=object)
    parts = date_parts(cells, "t", "%d.%m.%Y %H:%M")
    assert list(parts) == ["t: days", "t: day of the year", "t: weekday", "t: hour"]
    np.testing.assert_allclose(parts.iloc[0], [364 + 18.5 / 24, 365, 3, 18.5])
    np.testing.assert_allclose(parts.iloc[3], [0, 1, 3, 0])
    assert parts.iloc[[1, 2]].isna().all(axis=None)


def test_times_of_the_day_have_hours_alone():
    parts = date_parts(pd.Series(["06:30", "12:00"]), "t", "%H:%M")
    assert parts.to_dict("list") == {"t: hour": [6.5, 12.0]}


def test_moments_of_a_zone_are_those_of_the_whole_world():
    cells = pd.Series(pd.to_datetime(["2020-01-01 00:30"]).tz_localize("Europe/Berlin"))
    assert find_format(cells) == ("ISO8601", True)
    assert date_parts(cells, "t", "ISO8601")["t: hour"].tolist() == [23.5]
