"""What the kind of data speaks for, by known rules, held against this table's scores.

The rules are those of the textbooks (Hastie, Tibshirani and Friedman, The Elements of Statistical
Learning, 2nd edition, sections 3.4 and 11.5; Zou and Hastie 2005 on correlated features). None is
taken on trust: each piece of advice says whether the scores of the comparison agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from skreg.comparison.profile import Profile
from skreg.comparison.scores import LEVEL
from skreg.comparison.wording import number, p_text, signed

__all__ = ["Advice", "advise"]

MANY_UNRELATED, ENOUGH_FEATURES = 0.5, 10
MANY_CORRELATED = 0.3
FEW_ROWS, FEW_ROWS_PER_FEATURE = 1000, 10
MUCH_ROWS, MUCH_ROWS_PER_FEATURE = 10_000, 50


@dataclass(frozen=True)
class Advice:
    """One rule that applies to this table.

    Attributes
    ----------
    rule : {"irrelevant features", "correlated features", "few rows", "much data"}
        Which one.
    suggests : tuple of str
        Candidates it speaks for.
    agrees : bool or None
        Whether the scores agree; None where they cannot tell.
    text : str
        The rule, the figure that makes it apply, and the figures of the comparison.
    """

    rule: str
    suggests: tuple[str, ...]
    agrees: bool | None
    text: str


def advise(
    frame: pd.DataFrame, profile: Profile, baseline: str, l1_minus_l2: float, p_l1: float
) -> list[Advice]:
    """Apply the rules to a table.

    Parameters
    ----------
    frame : DataFrame
        As `Comparison.frame` gives it.
    profile : Profile
        Facts of the table.
    baseline : str
        The net without regularizers.
    l1_minus_l2, p_l1 : float
        Difference between L1 and L2 and its p-value, NaN where they were not compared.

    Returns
    -------
    list of Advice
        Only of rules that apply.
    """
    found = []
    if profile.share_unrelated >= MANY_UNRELATED and profile.n_features >= ENOUGH_FEATURES:
        found.append(_irrelevant(frame, profile, baseline))
    if profile.share_correlated >= MANY_CORRELATED:
        scale = frame["mean_score"].abs().max()
        found.append(_correlated(profile, l1_minus_l2, p_l1, scale))
    per_feature = profile.n_rows / max(1, profile.n_features)
    if profile.n_rows < FEW_ROWS or per_feature < FEW_ROWS_PER_FEATURE:
        found.append(_few_rows(frame, profile, baseline))
    elif profile.n_rows >= MUCH_ROWS and per_feature >= MUCH_ROWS_PER_FEATURE:
        found.append(_much_data(frame, profile, baseline))
    return found


def _ending(agrees: bool | None) -> str:
    return {True: "the scores agree", False: "the scores disagree", None: "the scores cannot tell"}[
        agrees
    ]


def _evidence(
    frame: pd.DataFrame, names: tuple[str, ...], baseline: str
) -> tuple[bool | None, str]:
    """Whether the best of some candidates is ahead of the baseline, in figures."""
    there = [name for name in frame.index if name in names and name != baseline]
    there = [name for name in there if np.isfinite(frame.loc[name, "difference"])]
    if not there:
        return None, ""
    row = frame.loc[there[0]]
    agrees = None
    if row["p_value"] < LEVEL:
        agrees = bool(row["difference"] > 0)
    mean, difference = row["mean_score"], row["difference"]
    text = (
        f"{row.name} scores {number(mean)}, {signed(difference, mean)} against the {baseline} "
        f"({p_text(row['p_value'])})"
    )
    return agrees, text


def _irrelevant(frame: pd.DataFrame, profile: Profile, baseline: str) -> Advice:
    names = ("linear L1", "+ L1")
    agrees, evidence = _evidence(frame, names, baseline)
    used = frame.loc[[name for name in frame.index if name in names], "n_features_used"]
    if evidence and np.isfinite(used.iloc[0]):
        evidence += f", with {used.iloc[0]:.0f} features in use"
    text = (
        f"{profile.n_unrelated} of {profile.n_features} features show no association with the "
        f"target: this speaks for L1. {evidence or 'L1 was not compared'}: {_ending(agrees)}."
    )
    return Advice("irrelevant features", names, agrees, text)


def _correlated(profile: Profile, l1_minus_l2: float, p_l1: float, scale: float) -> Advice:
    agrees = bool(l1_minus_l2 < 0) if p_l1 < LEVEL else None
    evidence = "L1 and L2 were not both compared"
    if np.isfinite(l1_minus_l2):
        evidence = f"L2 minus L1 is {signed(-l1_minus_l2, scale)} ({p_text(p_l1)})"
    text = (
        f"{profile.n_correlated} of {profile.n_features} features are nearly repeated by another "
        "one (correlation of 0.8 or more): this speaks for L2, which shares the weight among them, "
        f"rather than L1, which picks one. {evidence}: {_ending(agrees)}."
    )
    return Advice("correlated features", ("linear L2", "+ L2"), agrees, text)


def _few_rows(frame: pd.DataFrame, profile: Profile, baseline: str) -> Advice:
    names = ("+ dropout", "+ input dropout", "+ L2", "+ early stopping", "all together")
    agrees, evidence = _evidence(frame, names, baseline)
    per_feature = profile.n_rows / max(1, profile.n_features)
    text = (
        f"{profile.n_rows:,} rows for {profile.n_features} features ({per_feature:.1f} a feature) "
        f"are few: this speaks for dropout, or L2 with early stopping. "
        f"{evidence or 'None of them was compared'}: {_ending(agrees)}."
    )
    return Advice("few rows", names, agrees, text)


def _much_data(frame: pd.DataFrame, profile: Profile, baseline: str) -> Advice:
    knobs = frame[(frame["kind"] == "net") & (frame.index != baseline)]
    per_feature = profile.n_rows / max(1, profile.n_features)
    text = (
        f"{profile.n_rows:,} rows for {profile.n_features} features ({per_feature:.0f} a feature) "
        "are many: this speaks for little regularization. "
    )
    if knobs.empty or baseline not in frame.index:
        return Advice("much data", (baseline,), None, f"{text}No knob was compared.")
    paying = knobs[knobs["verdict"] == "pays"]
    gap = frame.loc[baseline, "overfit_gap"]
    best = knobs.iloc[0]
    agrees = None if paying.empty else False
    text += (
        f"The {baseline} has a gap of {number(gap, best['mean_score'])}, and {best.name} gains "
        f"{signed(best['difference'], best['mean_score'])} ({p_text(best['p_value'])}): {_ending(agrees)}."
    )
    return Advice("much data", (baseline,), agrees, text)
