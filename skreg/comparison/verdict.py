"""What a comparison says, in plain words, each statement with its figures."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from skreg.comparison.advice import Advice, advise
from skreg.comparison.order import Order
from skreg.comparison.profile import Profile
from skreg.comparison.recommend import Recommendation, recommend
from skreg.comparison.scores import LEVEL, PairedScores
from skreg.comparison.wording import counted, joined, metric_words, number, p_text, signed

__all__ = ["Statement", "Verdict", "judge"]


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

    All of it is read from one `Order`, so that no two statements contradict each other.

    Attributes
    ----------
    best : str
        Candidate with the highest mean score.
    recommendation : Recommendation
        What to take, and why.
    beats_dummy : list of str
        Candidates that beat the dummy; the chance of a wrong name here is at most 2.5 %.
    pays, costs, undecided : list of str
        Candidates that are better than the baseline, worse, and those that cannot be told apart
        from it; the chance of a wrong name among the first two is at most 5 %. Contenders are not
        asked about, and stand there only where it follows from other answers.
    level_with_best : list of str
        Candidates that may be as good as the best: nothing is better than them beyond chance.
    prefer : {"L1", "L2", None}
        Which penalty the scores prefer, with certainty; None where they cannot decide.
    advice : list of Advice
        What the kind of data suggests, and whether the scores agree.
    statements : list of Statement
        All of it in words.
    """

    best: str
    recommendation: Recommendation
    beats_dummy: list[str]
    pays: list[str]
    costs: list[str]
    undecided: list[str]
    level_with_best: list[str]
    prefer: str | None
    advice: list[Advice] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)


def judge(
    frame: pd.DataFrame,
    order: Order,
    *,
    baseline: str,
    scoring: str,
    n_splits: int,
    profile: Profile | None = None,
    losses: PairedScores | None = None,
) -> Verdict:
    """Put a comparison into words.

    Parameters
    ----------
    frame : DataFrame
        As `Comparison.frame` gives it, best first.
    order : Order
        Answers of all tests.
    baseline : str
        The candidate that the others are measured against.
    scoring : str
        Name of the metric.
    n_splits : int
        Number of outer splits.
    profile : Profile or None, default=None
        Facts of the table, for the advice.
    losses : PairedScores or None, default=None
        Negative log losses of all splits, for the statement on probabilities.

    Returns
    -------
    Verdict
    """
    best = order.ranking[0]
    verdict = Verdict(
        best=best,
        recommendation=recommend(frame, order, scoring),
        beats_dummy=[name for name in order.ranking if order.beats_dummy(name)],
        pays=list(frame.index[frame["verdict"] == "pays"]),
        costs=list(frame.index[frame["verdict"] == "costs"]),
        undecided=list(frame.index[frame["verdict"] == "cannot be told apart"]),
        level_with_best=[name for name in order.may_be_best if name != best],
        prefer=_preference(order),
    )
    if profile is not None:
        verdict.advice.extend(
            advise(frame, profile, baseline, order.l1_or_l2, prefer=verdict.prefer)
        )
    statements, recommended = verdict.statements, verdict.recommendation
    text = f"{recommended.headline} {recommended.details}"
    statements.append(Statement("Recommendation", text))
    statements += _headline(frame, verdict, order, scoring, baseline)
    if order.of_kind("dummy") and not verdict.beats_dummy:
        return verdict  # which of several useless models is the better one does not matter
    statements += _against_baseline(frame, verdict, order, baseline, n_splits)
    statements += _linear_or_net(frame, order, recommended.name)
    statements += _l1_or_l2(frame, order, verdict.prefer)
    if scoring != "neg_log_loss":  # else the same scores would be asked twice
        statements += _probabilities(frame, losses, baseline)
    statements += _overfit(frame, baseline)
    statements += _advice(verdict)
    return verdict


def _preference(order: Order) -> str | None:
    """The penalty that is ahead in every pair beyond chance (pairs with equal scores aside)."""
    found = order.l1_or_l2
    if found is None or found.leader is None:
        return None
    unequal = [p for p, mean in zip(found.pairs, found.differences, strict=True) if mean != 0]
    decided = all(order.p_value(*pair) < LEVEL for pair in unequal)
    return found.leader if decided else None


def _headline(
    frame: pd.DataFrame, verdict: Verdict, order: Order, scoring: str, baseline: str
) -> list[Statement]:
    best, mean = verdict.best, frame["mean_score"]
    dummies = order.of_kind("dummy")
    if dummies and not verdict.beats_dummy:
        return []  # the recommendation has said it
    versus = [
        f"{name} {number(mean[name])}"
        for name in dict.fromkeys((baseline, *dummies))
        if name != best and name in order.ranking
    ]
    lines = [
        f"Best: {best}, {metric_words(scoring)} {number(mean[best])}"
        + (f" ({', '.join(versus)})." if versus else "."),
        _level_line(verdict),
    ]
    others = [name for name in order.ranking if name not in dummies]
    missed = [name for name in others if name not in verdict.beats_dummy]
    if dummies and missed:
        lines.append(f"Not beyond chance above the dummy: {joined(missed)}.")
    return [Statement("Verdict", " ".join(lines))]


def _level_line(verdict: Verdict) -> str:
    n_level = len(verdict.level_with_best)
    if not n_level:
        return "It is ahead of every other candidate beyond chance."
    return f"{counted(n_level, 'other candidate')} may be as good."


def _against_baseline(
    frame: pd.DataFrame, verdict: Verdict, order: Order, baseline: str, n_splits: int
) -> list[Statement]:
    if baseline not in order.ranking:
        return []
    shown = [n for n in order.of_kind("net", "ensemble", "own") if order.role(n) != "contender"]
    found = []
    for topic, names in (
        (f"Pays against the {baseline}", verdict.pays),
        (f"Costs against the {baseline}", verdict.costs),
    ):
        items = [_difference_item(frame.loc[name]) for name in names if name in shown]
        if items:
            found.append(Statement(topic, "\n".join(items)))
    undecided = [name for name in verdict.undecided if name in shown]
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
            f" Their intervals reach about {number(half, like)} to either side, so {n_splits} splits "
            "cannot show differences smaller than that; more repeats would."
        )
    return text


def _linear_or_net(frame: pd.DataFrame, order: Order, taken: str | None) -> list[Statement]:
    asked = order.net_against_linear
    if asked is None:
        return []
    net, linear, test = asked.net, asked.linear, asked.test
    like = frame.loc[net, "mean_score"]
    models = (
        f"the linear model ({linear[0]})"
        if len(linear) == 1
        else f"the best linear model of each split ({' or '.join(linear)})"
    )
    figures = (
        f"The best net ({net}) scores {signed(test.difference, like)} against {models}, 95 % interval "
        f"{signed(test.low, like)} to {signed(test.high, like)}"
    )
    nets = order.of_kind("net")
    if order.all_beaten_by(linear, nets):
        # where the question about the baseline found it, its p-value is the one that counts
        weakest = max(min(order.p_values.at[n, name] for n in nets) for name in linear)
        p_value, conclusion = weakest, "a net is worth it"
    else:
        p_value, conclusion = test.p_value, _no_net(order, nets, linear, taken)
    return [Statement("Linear model or net", f"{figures}, {p_text(p_value)}: {conclusion}.")]


def _no_net(order: Order, nets: list[str], linear: list[str], taken: str | None) -> str:
    """What follows where no net is better than all linear models beyond chance."""
    if order.all_beaten_by(nets, linear):
        return "a net is not worth it"
    if not order.is_no_dummy(linear[0]):
        if order.beats_dummy(nets[0]):
            return (
                "they cannot be told apart, but only the net is better than the dummy beyond "
                "chance, so of the two take the net"
            )
        return "they cannot be told apart, and neither beats the dummy beyond chance"
    if order.is_beaten(linear[0]):
        winner = next(name for name in order.ranking if order.better(name, linear[0]))
        return f"they cannot be told apart, but {winner} is better than {linear[0]} beyond chance"
    if taken == linear[0]:
        return "they cannot be told apart, so take the linear model"
    return "they cannot be told apart, so of the two the linear model, which is simpler"


def _l1_or_l2(frame: pd.DataFrame, order: Order, prefer: str | None) -> list[Statement]:
    asked = order.l1_or_l2
    if asked is None:
        return []
    mean = frame["mean_score"]
    figures = "; ".join(f"{a} {number(mean[a])}, {b} {number(mean[b])}" for a, b in asked.pairs)
    p_value, difference = asked.test.p_value, signed(asked.test.difference, mean[asked.pairs[0][0]])
    average = f"L1 minus L2 is {difference}" + (" on average" if len(asked.pairs) > 1 else "")
    if prefer is not None:
        p_value = min(p_value, np.nanmax([order.p_value(*pair) for pair in asked.pairs]))
        text = f"{prefer} is preferred: {average}, {p_text(p_value)}"
    elif p_value < LEVEL or any(order.p_value(*pair) < LEVEL for pair in asked.pairs):
        text = f"That depends on the model: {average}, {p_text(p_value)}"
    else:
        text = f"They cannot be told apart: {average}, {p_text(p_value)}"
    return [Statement("L1 or L2", f"{text} ({figures}).")]


def _probabilities(
    frame: pd.DataFrame, losses: PairedScores | None, baseline: str
) -> list[Statement]:
    if losses is None or baseline not in losses:
        return []
    asked = frame["kind"].isin(["net", "ensemble"]) & (frame["role"] != "contender")
    names = [name for name in frame.index[asked] if name in losses]
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
    better = list(tests.index[(tests["p_value"] < LEVEL) & (tests["difference"] > 0)])
    if better:
        text += f". Better than the {baseline} beyond chance: {joined(better)}."
    else:
        text += f". No net can be told apart from the {baseline} by it."
    return [Statement("Probabilities", text)]


def _overfit(frame: pd.DataFrame, baseline: str) -> list[Statement]:
    if baseline not in frame.index or not np.isfinite(frame.loc[baseline, "overfit_gap"]):
        return []
    nets = frame[(frame["kind"] == "net") & (frame["role"] != "contender")]
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
