"""What a comparison says, in plain words, each statement with its figure."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from skreg.comparison.advice import Advice, advise
from skreg.comparison.profile import Profile
from skreg.comparison.scores import DUMMY_LEVEL, LEVEL, PairedScores
from skreg.comparison.statistics import PairedTest
from skreg.comparison.wording import counted, joined, metric_words, number, p_text, signed

__all__ = ["Statement", "Verdict", "judge"]

# from what is simple to explain and cheap to run to what is not
SIMPLICITY = ("linear", "net", "ensemble")
L1_L2_PAIRS = (("linear L1", "linear L2"), ("+ L1", "+ L2"))


@dataclass(frozen=True)
class Statement:
    """One paragraph of the summary.

    Attributes
    ----------
    topic : str
        Its heading.
    text : str
        Lines; those that start with "- " are items of a list.
    """

    topic: str
    text: str


@dataclass(frozen=True)
class Verdict:
    """What can be said with certainty, and what cannot.

    Attributes
    ----------
    best : str
        Candidate with the highest mean score.
    beats_dummy : list of str
        Candidates that beat the dummy; the chance of a false name here is at most 2.5 %.
    pays, costs, undecided : list of str
        Candidates that are better than the baseline, worse, and those that cannot be told apart
        from it, at a family level of 5 %.
    level_with_best : list of str
        Candidates that cannot be told apart from the best.
    prefer : {"L1", "L2", None}
        Which penalty the scores prefer, with certainty; None where they cannot tell.
    advice : list of Advice
        What the kind of data suggests, and whether the scores agree.
    statements : list of Statement
        All of it in words.
    """

    best: str
    beats_dummy: list[str]
    pays: list[str]
    costs: list[str]
    undecided: list[str]
    level_with_best: list[str]
    prefer: str | None
    advice: list[Advice] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)


@dataclass(frozen=True)
class NetAgainstLinear:
    """The question that is asked apart from all others: the best net against the best linear model.

    Attributes
    ----------
    linear, net : str
        Names of the two.
    test : PairedTest
        Of the net's scores minus those of the linear model.
    """

    linear: str
    net: str
    test: PairedTest

    @property
    def net_is_worth_it(self) -> bool:
        """Whether the net is better, with certainty."""
        return self.test.p_value < LEVEL and self.test.difference > 0


def judge(
    frame: pd.DataFrame,
    scores: PairedScores,
    *,
    baseline: str,
    scoring: str,
    profile: Profile | None = None,
    losses: PairedScores | None = None,
) -> Verdict:
    """Put a comparison into words.

    Parameters
    ----------
    frame : DataFrame
        As `Comparison.frame` gives it, best first.
    scores : PairedScores
        Test scores of all splits.
    baseline : str
        The candidate the others are measured against.
    scoring : str
        Name of the metric.
    profile : Profile or None, default=None
        Facts of the table, for the advice.
    losses : PairedScores or None, default=None
        Negative log losses of all splits, for a word on the probabilities.

    Returns
    -------
    Verdict
    """
    rivals = [name for name in frame.index if name in scores]
    best = rivals[0]
    level_with_best = _level_with(best, rivals, scores)
    p_l1, difference_l1 = _l1_against_l2(scores)
    prefer = None
    if p_l1 < LEVEL:
        prefer = "L1" if difference_l1 > 0 else "L2"
    verdict = Verdict(
        best=best,
        beats_dummy=list(frame.index[frame["p_dummy"] < DUMMY_LEVEL]),
        pays=list(frame.index[frame["verdict"] == "pays"]),
        costs=list(frame.index[frame["verdict"] == "costs"]),
        undecided=list(frame.index[frame["verdict"] == "cannot be told apart"]),
        level_with_best=level_with_best,
        prefer=prefer,
        advice=[] if profile is None else advise(frame, profile, baseline, difference_l1, p_l1),
    )
    statements = verdict.statements
    planned = _net_against_linear(frame, scores)
    statements += _headline(frame, verdict, scoring, baseline, planned)
    if (frame["kind"] == "dummy").any() and not verdict.beats_dummy:
        return verdict  # which of several useless models is the better one is no question
    statements += _against_baseline(frame, verdict, baseline, len(scores.table))
    statements += _linear_or_net(frame, planned)
    statements += _l1_or_l2(scores, difference_l1, p_l1)
    statements += _probabilities(frame, losses, baseline)
    statements += _overfit(frame, baseline)
    statements += _advice(verdict)
    return verdict


def _level_with(best: str, rivals: list[str], scores: PairedScores) -> list[str]:
    tests = scores.against(best, rivals)
    return list(tests.index[~(tests["p_value"] < LEVEL)])


def _l1_against_l2(scores: PairedScores) -> tuple[float, float]:
    """p-value and mean of L1 minus L2, the pairs of linear models and nets averaged."""
    pairs = [(a, b) for a, b in L1_L2_PAIRS if a in scores and b in scores]
    if not pairs:
        return np.nan, np.nan
    table = scores.table
    differences = np.mean([(table[a] - table[b]).to_numpy() for a, b in pairs], axis=0)
    test = scores.test_differences(differences)
    return test.p_value, test.difference


def _headline(
    frame: pd.DataFrame,
    verdict: Verdict,
    scoring: str,
    baseline: str,
    planned: NetAgainstLinear | None,
) -> list[Statement]:
    best, mean = verdict.best, frame["mean_score"]
    kinds = frame["kind"]
    has_dummy = bool((kinds == "dummy").any())
    lines = []
    if has_dummy and not verdict.beats_dummy:
        dummy = kinds.index[kinds == "dummy"][0]
        text = (
            f"Nothing beats the dummy ({number(mean[dummy])} {metric_words(scoring)}, without "
            "looking at any feature) beyond chance. "
        )
        if best != dummy:
            text += (
                f"The highest score is that of {best} ({number(mean[best])}); the table gives no "
                "reason to trust it. "
            )
        text += "More rows, other features or another target come before any regularizer."
        return [Statement("Verdict", text)]
    versus = [
        f"{name} {number(mean[name])}"
        for name in (baseline, *kinds.index[kinds == "dummy"])
        if name != best and np.isfinite(mean[name])
    ]
    lines.append(
        f"Best: {best}, {metric_words(scoring)} {number(mean[best])}"
        + (f" ({', '.join(versus)})." if versus else ".")
    )
    level = verdict.level_with_best
    if not level:
        lines.append("It is ahead of every other candidate beyond chance.")
    else:
        lines.append(_level_line(frame, verdict, planned))
    missed = [
        name
        for name in frame.index
        if has_dummy and np.isfinite(frame.loc[name, "p_dummy"]) and name not in verdict.beats_dummy
    ]
    if missed:
        lines.append(f"Not beyond chance above the dummy: {joined(missed)}.")
    return [Statement("Verdict", " ".join(lines))]


def _level_line(frame: pd.DataFrame, verdict: Verdict, planned: NetAgainstLinear | None) -> str:
    level = verdict.level_with_best
    # Among all candidates a linear model may be hard to tell apart from the best one, while the one
    # question whether a net is worth it has an answer: then no linear model is proposed here.
    kinds = SIMPLICITY if planned is None or not planned.net_is_worth_it else SIMPLICITY[1:]
    line = f"It cannot be told apart from {counted(len(level), 'other candidate')}"
    known = [
        name
        for kind in kinds
        for name in sorted(
            frame.index[frame["kind"] == kind], key=lambda name: -frame.loc[name, "mean_score"]
        )
        if name in level or name == verdict.best
    ]
    if known and known[0] != verdict.best:
        simplest = known[0]
        kind = {"linear": "a linear model", "net": "a single net"}.get(
            frame.loc[simplest, "kind"], "an ensemble"
        )
        mean = number(frame.loc[simplest, "mean_score"])
        line += f"; the simplest of them is {simplest} ({mean}), {kind}"
    return line + "."


def _against_baseline(
    frame: pd.DataFrame, verdict: Verdict, baseline: str, n_splits: int
) -> list[Statement]:
    if baseline not in frame.index:
        return []
    nets = frame["kind"].isin(["net", "ensemble", "own"])
    found = []
    for topic, names in (
        (f"Pays against the {baseline}", verdict.pays),
        (f"Costs against the {baseline}", verdict.costs),
    ):
        items = [_difference_item(frame.loc[name]) for name in names if nets[name]]
        if items:
            found.append(Statement(topic, "\n".join(items)))
    undecided = [name for name in verdict.undecided if nets[name]]
    if undecided:
        found.append(
            Statement(
                f"Cannot be told apart from the {baseline}",
                _undecided_text(frame, undecided, n_splits),
            )
        )
    return found


def _difference_item(row: pd.Series) -> str:
    at = f", at {row['strength']}" if row["strength"] else ""
    like = row["mean_score"]
    return (
        f"- {row.name}: {signed(row['difference'], like)} (95 % interval "
        f"{signed(row['difference_low'], like)} to {signed(row['difference_high'], like)}, "
        f"{p_text(row['p_value'])}){at}"
    )


def _undecided_text(frame: pd.DataFrame, names: list[str], n_splits: int) -> str:
    rows = frame.loc[names]
    like = rows["mean_score"].abs().max()
    items = [f"{name} ({signed(rows.loc[name, 'difference'], like)})" for name in names]
    text = f"{joined(items)}."
    half = float(((rows["difference_high"] - rows["difference_low"]) / 2).median())
    if np.isfinite(half):
        text += (
            f" With {n_splits} splits, differences below about {number(half, like)} are out of sight; "
            "more repeats see smaller ones."
        )
    return text


def _net_against_linear(frame: pd.DataFrame, scores: PairedScores) -> NetAgainstLinear | None:
    top = {}
    for kind in ("linear", "net"):
        names = [name for name in frame.index[frame["kind"] == kind] if name in scores]
        if not names:
            return None
        top[kind] = names[0]
    return NetAgainstLinear(**top, test=scores.test(top["net"], top["linear"]))


def _linear_or_net(frame: pd.DataFrame, planned: NetAgainstLinear | None) -> list[Statement]:
    if planned is None:
        return []
    test, like = planned.test, frame.loc[planned.net, "mean_score"]
    text = (
        f"The best net ({planned.net}) scores {signed(test.difference, like)} against the best linear "
        f"model ({planned.linear}), 95 % interval {signed(test.low, like)} to "
        f"{signed(test.high, like)}, {p_text(test.p_value)}: "
    )
    if planned.net_is_worth_it:
        text += "a net is worth it."
    elif test.p_value < LEVEL:
        text += "a net is not worth it."
    else:
        text += "they cannot be told apart, so take the linear model."
    return [Statement("Linear model or net", text)]


def _l1_or_l2(scores: PairedScores, difference: float, p_value: float) -> list[Statement]:
    pairs = [(a, b) for a, b in L1_L2_PAIRS if a in scores and b in scores]
    if not pairs:
        return []
    figures = "; ".join(
        f"{a} {number(scores.mean(a))}, {b} {number(scores.mean(b))}" for a, b in pairs
    )
    like = scores.mean(pairs[0][0])
    if p_value < LEVEL:
        name = "L1" if difference > 0 else "L2"
        text = f"{name} is preferred: L1 minus L2 is {signed(difference, like)}, {p_text(p_value)}"
    else:
        text = f"They cannot be told apart: L1 minus L2 is {signed(difference, like)}, {p_text(p_value)}"
    return [Statement("L1 or L2", f"{text} ({figures}).")]


def _probabilities(
    frame: pd.DataFrame, losses: PairedScores | None, baseline: str
) -> list[Statement]:
    if losses is None or baseline not in losses:
        return []
    names = [n for n in frame.index[frame["kind"].isin(["net", "ensemble"])] if n in losses]
    tests = losses.against(baseline, names)
    if tests.empty:
        return []
    best = tests["difference"].idxmax()
    row, loss = tests.loc[best], frame["log_loss"]
    if row["difference"] <= 0:
        return []
    text = (
        f"By log loss, which judges probabilities rather than decisions, {best} does best among "
        f"the nets: {number(loss[best])} against {number(loss[baseline])} of the {baseline} "
        f"({p_text(row['p_value'])})"
    )
    told = list(tests.index[(tests["p_value"] < LEVEL) & (tests["difference"] > 0)])
    if told:
        text += f". Better than the {baseline} beyond chance: {joined(told)}."
    else:
        text += "; none can be told apart."
    return [Statement("Probabilities", text)]


def _overfit(frame: pd.DataFrame, baseline: str) -> list[Statement]:
    if baseline not in frame.index or not np.isfinite(frame.loc[baseline, "overfit_gap"]):
        return []
    nets = frame[frame["kind"] == "net"]
    row = frame.loc[baseline]
    text = (
        f"The {baseline} scores {number(row['mean_train_score'])} on its training rows and "
        f"{number(row['mean_score'])} on new ones, a gap of {number(row['overfit_gap'], row['mean_score'])}."
    )
    others = nets.drop(index=baseline, errors="ignore")["overfit_gap"].dropna()
    if len(others) and others.min() < row["overfit_gap"]:
        name = others.idxmin()
        text += f" The smallest gap of a net is that of {name}: {number(others[name], row['mean_score'])}."
    return [Statement("Overfit", text)]


def _advice(verdict: Verdict) -> list[Statement]:
    if not verdict.advice:
        return []
    items = [f"- {advice.text}" for advice in verdict.advice]
    return [Statement("What the data suggest", "\n".join(items))]
