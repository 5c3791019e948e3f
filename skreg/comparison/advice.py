"""What the kind of data suggests by known rules, compared with the scores on this table.

The rules are those of the textbooks (Hastie, Tibshirani and Friedman, The Elements of Statistical
Learning, 2nd edition, sections 3.4 and 11.5; Zou and Hastie 2005 on correlated features). None is
taken on trust: each piece of advice says whether the scores of the comparison agree, as the verdict
reads them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from skreg.comparison.order import L1OrL2
from skreg.comparison.profile import Profile
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
        Candidates that it suggests.
    agrees : bool or None
        Whether the scores agree; None where they cannot decide.
    text : str
        The rule, the figures that make it apply, and the figures of the comparison.
    """

    rule: str
    suggests: tuple[str, ...]
    agrees: bool | None
    text: str


def advise(
    frame: pd.DataFrame,
    profile: Profile,
    baseline: str,
    l1_or_l2: L1OrL2 | None,
    *,
    prefer: str | None,
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
    l1_or_l2 : L1OrL2 or None
        The test of L1 against L2; None where they were not compared.
    prefer : {"L1", "L2", None}
        What the verdict says of them.

    Returns
    -------
    list of Advice
        Those whose rules apply.
    """
    found = []
    if profile.share_unrelated >= MANY_UNRELATED and profile.n_features >= ENOUGH_FEATURES:
        found.append(_irrelevant(frame, profile, baseline, prefer))
    if profile.share_correlated >= MANY_CORRELATED:
        scale = frame["mean_score"].abs().max()
        found.append(_correlated(profile, l1_or_l2, prefer, scale))
    per_feature = profile.n_rows / max(1, profile.n_features)
    if profile.n_rows < FEW_ROWS or per_feature < FEW_ROWS_PER_FEATURE:
        found.append(_few_rows(frame, profile, baseline))
    elif profile.n_rows >= MUCH_ROWS and per_feature >= MUCH_ROWS_PER_FEATURE:
        found.append(_much_data(frame, profile, baseline))
    return found


def _ending(agrees: bool | None) -> str:
    return {
        True: "the scores agree",
        False: "the scores disagree",
        None: "the scores cannot decide",
    }[agrees]


def _evidence(
    frame: pd.DataFrame, names: tuple[str, ...], baseline: str
) -> tuple[bool | None, str]:
    """Whether one of some candidates pays, in figures: those of the one that speaks loudest."""
    there = frame.loc[[name for name in frame.index if name in names and name != baseline]]
    there = there[np.isfinite(there["difference"])]
    if there.empty:
        return None, ""
    pays, costs = there["verdict"] == "pays", there["verdict"] == "costs"
    agrees = True if pays.any() else False if costs.all() else None
    shown = pays if pays.any() else ~costs | costs.all()
    row = there[shown].iloc[0]
    mean, difference = row["mean_score"], row["difference"]
    text = (
        f"{row.name} scores {number(mean)}, {signed(difference, mean)} against the {baseline} "
        f"({p_text(row['p_value'])})"
    )
    return agrees, text


def _irrelevant(frame: pd.DataFrame, profile: Profile, baseline: str, prefer: str | None) -> Advice:
    names = ("linear L1", "+ L1")
    agrees, evidence = _evidence(frame, names, baseline)
    if prefer == "L2":
        agrees, evidence = False, f"{evidence}; L2 is preferred to L1" if evidence else ""
    text = (
        f"{profile.n_unrelated} of {profile.n_features} columns show no association with the "
        f"target: this suggests L1. {evidence or 'L1 was not compared'}: {_ending(agrees)}."
    )
    return Advice("irrelevant features", names, agrees, text)


def _correlated(
    profile: Profile, l1_or_l2: L1OrL2 | None, prefer: str | None, scale: float
) -> Advice:
    agrees = None if prefer is None else prefer == "L2"
    evidence = "L1 and L2 were not both compared"
    if l1_or_l2 is not None:
        test = l1_or_l2.test
        evidence = f"L2 minus L1 is {signed(-test.difference, scale)} ({p_text(test.p_value)})"
    text = (
        f"{profile.n_correlated} of {profile.n_features} columns have a near copy among the "
        "others (correlation of 0.8 or more): this suggests L2, which shares the weight among them, "
        f"rather than L1, which picks one. {evidence}: {_ending(agrees)}."
    )
    return Advice("correlated features", ("linear L2", "+ L2"), agrees, text)


def _few_rows(frame: pd.DataFrame, profile: Profile, baseline: str) -> Advice:
    names = ("+ dropout", "+ input dropout", "+ L2", "+ early stopping", "all together")
    agrees, evidence = _evidence(frame, names, baseline)
    per_feature = profile.n_rows / max(1, profile.n_features)
    text = (
        f"{profile.n_rows:,} rows for {profile.n_features} columns ({per_feature:.1f} a column) "
        f"are few: this suggests dropout, or L2 with early stopping. "
        f"{evidence or 'None of them was compared'}: {_ending(agrees)}."
    )
    return Advice("few rows", names, agrees, text)


def _much_data(frame: pd.DataFrame, profile: Profile, baseline: str) -> Advice:
    asked = (frame["kind"] == "net") & (frame["role"] != "contender")
    knobs = frame[asked & (frame.index != baseline)]
    per_feature = profile.n_rows / max(1, profile.n_features)
    text = (
        f"{profile.n_rows:,} rows for {profile.n_features} columns ({per_feature:.0f} a column) "
        "are many: this suggests little regularization. "
    )
    if knobs.empty or baseline not in frame.index:
        return Advice("much data", (baseline,), None, f"{text}No knob was compared.")
    paying = knobs[knobs["verdict"] == "pays"]
    gap = frame.loc[baseline, "overfit_gap"]
    best = (knobs if paying.empty else paying).iloc[0]
    agrees = None if paying.empty else False
    verb = "gains" if best["difference"] > 0 else "changes the score by"
    text += (
        f"The {baseline} has a gap of {number(gap, best['mean_score'])}, and {best.name} {verb} "
        f"{signed(best['difference'], best['mean_score'])} ({p_text(best['p_value'])}): {_ending(agrees)}."
    )
    return Advice("much data", (baseline,), agrees, text)
