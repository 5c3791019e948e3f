"""Which candidate to take: the simplest one that nothing is better than with certainty.

Candidates stand on steps, from what is easiest to explain and cheapest to run to what is least so
(`STEPS`). On each step the one with the highest mean score speaks for it. The lowest step is taken whose
speaker nothing has beaten beyond chance, and which beats the dummy. So what is simpler wins unless the
scores say with certainty that it loses, and of two that are equally simple the higher mean wins.

The contenders are asked first. Where each of their speakers is beaten, as by a net with one knob, all
candidates are asked.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from skreg.comparison.order import Order
from skreg.comparison.scores import PairedScores
from skreg.comparison.wording import metric_words, number, p_text, signed

__all__ = ["STEPS", "Recommendation", "ask_about_taken", "called", "recommend"]

STEPS = (("linear",), ("net", "boosting", "own"), ("ensemble",), ("search",))
NAMES = {
    "linear L1": "the linear model with L1",
    "linear L2": "the linear model with L2",
    "all together": "the plain net with all knobs together",
    "gradient boosting": "gradient boosting",
    "dropout as ensemble": "the plain net with dropout as an ensemble",
}


@dataclass(frozen=True)
class Recommendation:
    """What to take, and why.

    Attributes
    ----------
    name : str or None
        The candidate; None where nothing beats the dummy with certainty.
    headline : str
        What to take, in one sentence, with its reason.
    details : str
        Its score, and what may be as good.
    over : str or None
        The best of the simpler candidates that are not taken; None where nothing is simpler.
    difference, p_value : float or None
        Mean score minus that of `over`, and the p-value of that as corrected for the question; None
        where there is no `over`, or where another candidate than `name` has beaten it.
    """

    name: str | None
    headline: str
    details: str
    over: str | None = None
    difference: float | None = None
    p_value: float | None = None


def recommend(frame: pd.DataFrame, order: Order, scoring: str) -> Recommendation:
    """Choose what to take.

    Parameters
    ----------
    frame : DataFrame
        As `Comparison.frame` gives it, best first.
    order : Order
        Answers of all tests.
    scoring : str
        Name of the metric.

    Returns
    -------
    Recommendation
    """
    choice = _choose(order)
    if choice is None:
        return _none(frame, order, scoring)
    return _recommendation_of(frame, order, scoring, choice)


def ask_about_taken(order: Order, scores: PairedScores) -> None:
    """The last question of the plan: is what is taken better than the best of what is simpler?

    Where another candidate has beaten the simpler one, this has not been asked. It is one test, one-sided,
    times the number of the rivals that either could have been.

    Parameters
    ----------
    order : Order
        Answers of all other questions; the one to this is added. It does not change what is taken.
    scores : PairedScores
        Test scores of all splits.
    """
    choice = _choose(order)
    if choice is None or choice.over is None or order.better(choice.name, choice.over):
        return
    test = scores.test(choice.name, choice.over, "greater")
    if test.difference > 0:
        n_rivals = len(choice.pool) - 1
        order.settle(choice.name, choice.over, min(1.0, n_rivals * test.p_value))
        order.complete()


@dataclass(frozen=True)
class _Choice:
    """What is taken, the best of the simpler ones that are not, and what it was chosen among."""

    name: str
    over: str | None
    pool: list[str]


def _choose(order: Order) -> _Choice | None:
    pools = [order.contenders, [n for n in order.ranking if order.kinds[n] != "dummy"]]
    for pool in pools:
        speakers = _speakers(order, pool)
        for k, name in enumerate(speakers):
            if not order.is_beaten(name) and order.is_no_dummy(name):
                over = min(speakers[:k], key=order.ranking.index, default=None)
                return _Choice(name, over, pool)
    # erratic candidates speak for their steps: what is left is the best that is no dummy for certain
    for name in order.ranking:
        if order.kinds[name] != "dummy" and order.is_no_dummy(name):
            return _Choice(name, None, pools[-1])
    return None


def _speakers(order: Order, pool: list[str]) -> list[str]:
    """The candidate with the highest mean of each step, simplest first."""
    found = []
    for kinds in STEPS:
        found += [name for name in pool if order.kinds[name] in kinds][:1]
    return found


def called(name: str, order: Order) -> str:
    """How a sentence speaks of a candidate."""
    if order.kinds[name] == "own":
        return name
    if order.kinds[name] == "linear" and name in NAMES:
        rivals = [other for other in order.of_kind("linear") if other in order.contenders]
        return "the linear model" if rivals[:1] == [name] else NAMES[name]
    if name in NAMES:
        return NAMES[name]
    return f"the plain net with {name[2:]}" if name.startswith("+ ") else f"the {name}"


def _recommendation_of(
    frame: pd.DataFrame, order: Order, scoring: str, choice: _Choice
) -> Recommendation:
    """The recommendation of a candidate in words."""
    name, over = choice.name, choice.over
    mean, taken = frame["mean_score"], called(name, order)
    details = _details(frame, order, scoring, name, choice.pool)
    if over is None:
        higher = [other for other in order.ranking if mean[other] > mean[name]]
        reason = "nothing is better with certainty" if higher else "nothing scores higher"
        return Recommendation(name, f"Take {taken}: {reason}.", details)
    difference = float(mean[name] - mean[over])
    gain = f"{signed(difference, mean[name])} {metric_words(scoring)} over {called(over, order)}"
    if order.better(name, over):
        p_value = order.p_value(name, over)
        headline = f"Take {taken}: {gain}, {p_text(p_value)}."
        return Recommendation(name, headline, details, over, difference, p_value)
    if order.is_beaten(over):
        winner = next(other for other in order.ranking if order.better(other, over))
        headline = (
            f"Take {taken}: {called(winner, order)} is better than {called(over, order)} "
            f"({p_text(order.p_value(winner, over))}), and nothing is better than {taken} with "
            "certainty."
        )
    else:
        headline = (
            f"Take {taken}: nothing is better with certainty, and {called(over, order)} is not even "
            "better than the dummy with certainty."
        )
    return Recommendation(name, headline, details, over)


def _details(frame: pd.DataFrame, order: Order, scoring: str, name: str, pool: list[str]) -> str:
    """Score of what is taken, and what may be as good as it or better."""
    mean = frame["mean_score"]
    strength = f" at {frame.loc[name, 'strength']}" if frame.loc[name, "strength"] else ""
    dummies = order.of_kind("dummy")
    guess = f" (the dummy, which looks at no column: {number(mean[dummies[0]])})" if dummies else ""
    parts = [
        f"In the table it is {name}{strength}, with {number(mean[name])} {metric_words(scoring)} on rows "
        f"that it was not trained on{guess}."
    ]
    best = pool[0]
    if best != name:
        p_value = order.p_value(best, name)
        chance = f" ({p_text(p_value)})" if p_value == p_value else ""
        parts.append(
            f"The highest score of what one may take is that of {best} ({number(mean[best])}); chance "
            f"explains the difference as well{chance}."
        )
    first = order.ranking[0]
    if first not in pool and first != name and mean[first] > mean[best]:
        parts.append(
            f"Of all candidates {first} has the highest score ({number(mean[first])}), which is no certain "
            "gain either."
        )
    alike = [other for other in pool if _step(order, other) == _step(order, name) and other != name]
    alike = [other for other in alike if not order.is_beaten(other) and order.is_no_dummy(other)]
    if alike and best == name:
        parts.append(
            f"As simple, and not worse with certainty: {', '.join(alike)}. Of these, the one with the "
            "highest score is taken."
        )
    return " ".join(parts)


def _step(order: Order, name: str) -> int:
    return next(k for k, kinds in enumerate(STEPS) if order.kinds[name] in kinds)


def _none(frame: pd.DataFrame, order: Order, scoring: str) -> Recommendation:
    dummies, best = order.of_kind("dummy"), order.ranking[0]
    mean = frame["mean_score"]
    details = (
        f"The dummy has {number(mean[dummies[0]])} {metric_words(scoring)}. More rows, other columns or "
        "another target come before any choice of a model."
    )
    if best not in dummies:
        details = (
            f"The highest score is that of {best} ({number(mean[best])}); the table gives no reason to "
            f"trust it. {details}"
        )
    return Recommendation(
        None,
        "Take none of them: nothing beats the dummy, which looks at no column, with certainty.",
        details,
    )
