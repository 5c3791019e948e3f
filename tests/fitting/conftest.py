"""A small table as people keep them, in a file, and models of it that are fitted once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skreg.comparison.tables import load_table
from skreg.fitting import fit_table


def make_frame(n=120, seed=0):
    """Text with gaps, thousands separators, dates, true and false, ticks, and a number for each row."""
    random = np.random.RandomState(seed)
    visits = random.poisson(5, size=n)
    job = random.choice(["clerk", "cook", "nurse"], size=n)
    income = random.lognormal(10, 0.5, size=n)
    days = random.randint(0, 900, size=n)
    strength = 0.8 * (visits - 5) + np.where(job == "cook", -2.0, 1.0) + 0.3 * random.normal(size=n)
    frame = pd.DataFrame(
        {
            "id": [f"C-{1000 + i}" for i in range(n)],
            "visits": visits,
            "income": [f"{value:,.2f}" for value in income],
            "job": job,
            "joined": [
                f"{day:%d.%m.%Y}"
                for day in pd.Timestamp("2019-01-15") + pd.to_timedelta(days, unit="D")
            ],
            "news": random.choice(["true", "false"], size=n),
            "tick": random.choice(["x", ""], size=n),
            "price": np.round(50 + 10 * strength, 2),
            "churn": np.where(strength > 0, "yes", "no"),
        }
    )
    frame.loc[::7, "job"] = ""
    frame.loc[::9, "income"] = "n.a."
    return frame


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    make_frame().drop(columns="price").to_csv(folder / "classes.csv", index=False)
    make_frame().drop(columns="churn").to_csv(folder / "numbers.csv", index=False)
    make_frame(20, seed=1).drop(columns=["price", "churn"]).to_csv(folder / "new.csv", index=False)
    return folder


@pytest.fixture(scope="session")
def classes(folder):
    """A report on two classes."""
    table = load_table(folder / "classes.csv", target="churn")
    return fit_table(table, n_settings=2, random_state=0)


@pytest.fixture(scope="session")
def numbers(folder):
    """A report on numbers."""
    table = load_table(folder / "numbers.csv", target="price")
    return fit_table(table, n_settings=2, nested=2, random_state=0, look=False)
