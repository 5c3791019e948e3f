"""The plan of tests of a comparison: which questions are asked, and what follows from the answers.

Every statement of the summary is read from one `Order`, which holds what is certainly better than
what. Six questions fill it, one after the other, each with a level of its own:

1. What beats the dummy?
2. Is a net worth it, that is, better than every linear model?
3. Which knob is better or worse than the baseline?
4. L1 or L2?
5. Which contender is worse than the best contender?
6. What is worse than the best of all?

A seventh follows from what is recommended (`skreg.comparison.recommend.ask_about_taken`): is it better than
the best of what is simpler?

After each answer the order is completed: if a is better than b, and b better than c, then a is
better than c. A pair that is settled is not tested again. As every test sides with the higher mean
score, the order never runs against the ranking, so no two answers can contradict each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from skreg.comparison.scores import LEVEL, PairedScores
from skreg.comparison.statistics import PairedTest

__all__ = ["L1OrL2", "NetAgainstLinear", "Order", "ask_in_order"]

L1_L2_PAIRS = (("linear L1", "linear L2"), ("+ L1", "+ L2"))


@dataclass(frozen=True)
class NetAgainstLinear:
    """Question 2: the best net against the linear models.

    Attributes
    ----------
    net : str
        The net with the highest mean score.
    linear : list of str
        All linear models, best first.
    test : PairedTest
        Of the net's score minus that of the best linear model of each split. As no linear model
        scores higher than that on any split, a net that is ahead of it is ahead of all of them.
    """

    net: str
    linear: list[str]
    test: PairedTest


@dataclass(frozen=True)
class L1OrL2:
    """Question 4: the models with L1 against the same models with L2.

    Attributes
    ----------
    pairs : list of (str, str)
        The candidates with L1 and with L2 that were both compared.
    differences : list of float
        Mean of L1 minus L2, one a pair.
    test : PairedTest
        Of the mean of the pairs, split by split.
    """

    pairs: list[tuple[str, str]]
    differences: list[float]
    test: PairedTest

    @property
    def leader(self) -> str | None:
        """Which penalty is ahead in every pair; None where the pairs disagree."""
        if min(self.differences) >= 0 and max(self.differences) > 0:
            return "L1"
        if max(self.differences) <= 0 and min(self.differences) < 0:
            return "L2"
        return None


class Order:
    """What is certainly better than what.

    Parameters
    ----------
    ranking : list of str
        Candidates, the highest mean score first; those that failed are left out.
    kinds : mapping of str to str
        Kind of each candidate.
    roles : mapping of str to str, default=None
        Role of each candidate, "both" where it is not given.

    Attributes
    ----------
    contenders : list of str
        What one may take, the highest mean score first: all candidates but the dummies where fewer
        than two were compared as contenders.
    p_values : DataFrame of shape (n_candidates, n_candidates)
        Adjusted p-value of "the row is better than the column", on the scale of a two-sided test;
        NaN where it was not asked.
    baseline_tests : DataFrame
        Differences to the baseline with their intervals and raw p-values, a row a candidate.
    net_against_linear : NetAgainstLinear or None
        None where no net or no linear model was compared.
    l1_or_l2 : L1OrL2 or None
        None where no pair was compared.
    """

    def __init__(
        self,
        ranking: list[str],
        kinds: Mapping[str, str],
        roles: Mapping[str, str] | None = None,
    ) -> None:
        self.ranking, self.kinds, self.roles = list(ranking), dict(kinds), dict(roles or {})
        rivals = _rivals(self)
        contenders = [name for name in rivals if self.role(name) != "knob"]
        self.contenders = contenders if len(contenders) > 1 else rivals
        self.p_values = pd.DataFrame(np.nan, index=self.ranking, columns=self.ranking)
        self.baseline_tests = pd.DataFrame(columns=["difference", "low", "high", "p_raw"])
        self.net_against_linear: NetAgainstLinear | None = None
        self.l1_or_l2: L1OrL2 | None = None

    def role(self, name: str) -> str:
        """What a candidate is compared for: "knob", "contender" or "both"."""
        return self.roles.get(name, "both")

    def of_kind(self, *kinds: str) -> list[str]:
        """Candidates of some kinds, best first."""
        return [name for name in self.ranking if self.kinds[name] in kinds]

    def better(self, name: str, other: str) -> bool:
        """Whether `name` is better than `other` beyond chance."""
        return bool(self.p_values.at[name, other] < LEVEL)

    def p_value(self, name: str, other: str) -> float:
        """Adjusted p-value of a difference between two candidates, whichever is the better."""
        return float(np.fmin(self.p_values.at[name, other], self.p_values.at[other, name]))

    def is_beaten(self, name: str) -> bool:
        """Whether any candidate is better than this one beyond chance."""
        return bool((self.p_values[name] < LEVEL).any())

    def beats_dummy(self, name: str) -> bool:
        """Whether a candidate is better than every dummy beyond chance."""
        dummies = self.of_kind("dummy")
        return bool(dummies) and all(self.better(name, dummy) for dummy in dummies)

    def is_no_dummy(self, name: str) -> bool:
        """Whether a candidate beats the dummies, or none was compared."""
        return self.beats_dummy(name) or not self.of_kind("dummy")

    @property
    def may_be_best(self) -> list[str]:
        """Candidates that nothing is better than beyond chance, the highest mean score first."""
        return [name for name in self.ranking if not self.is_beaten(name)]

    def all_beaten_by(self, losers: list[str], winners: list[str]) -> bool:
        """Whether each of some candidates is beaten by one or more of some others."""
        return all(any(self.better(name, loser) for name in winners) for loser in losers)

    def settle(self, name: str, other: str, p_value: float) -> None:
        """Write down the answer of one test: `name`, which has the higher mean, against `other`."""
        self.p_values.at[name, other] = np.fmin(self.p_values.at[name, other], p_value)

    def complete(self) -> None:
        """Add what follows: better than a better one is better, with the weaker p-value of the two."""
        known = self.p_values.to_numpy(copy=True)
        for k in range(len(known)):
            implied = np.maximum(known[:, k, None], known[None, k, :])
            adds = (implied < LEVEL) & ~(known <= implied)
            known = np.where(adds, implied, known)
        self.p_values = pd.DataFrame(known, index=self.ranking, columns=self.ranking)


def ask_in_order(
    scores: PairedScores,
    kinds: Mapping[str, str],
    baseline: str,
    roles: Mapping[str, str] | None = None,
) -> Order:
    """Ask all questions of a comparison.

    Parameters
    ----------
    scores : PairedScores
        Test scores of all splits.
    kinds : mapping of str to str
        Kind of each candidate.
    baseline : str
        The candidate that the others are measured against.
    roles : mapping of str to str, default=None
        Role of each candidate, "both" where it is not given.

    Returns
    -------
    Order
    """
    there = [name for name in kinds if name in scores]
    order = Order(sorted(there, key=lambda name: -scores.mean(name)), kinds, roles)
    for question in (_dummy, _net_or_linear, _baseline, _l1_or_l2, _best_contender, _best_of_all):
        question(order, scores, baseline)
        order.complete()
    return order


def _dummy(order: Order, scores: PairedScores, baseline: str) -> None:
    """Each candidate against the best dummy of each split: one-sided, Holm."""
    # a dummy that is the baseline is met in the question about the baseline
    dummies = [name for name in order.of_kind("dummy") if name != baseline]
    if not dummies:
        return
    tests = scores.against(dummies, _rivals(order), "greater")
    for name, p_value in tests["p_value"].items():
        for dummy in dummies:
            order.settle(name, dummy, 2 * p_value)


def _net_or_linear(order: Order, scores: PairedScores, baseline: str) -> None:
    """The best net against the best linear model of each split: one test."""
    nets, linear = order.of_kind("net"), order.of_kind("linear")
    if not nets or not linear:
        return
    test = scores.test(nets[0], linear)
    order.net_against_linear = NetAgainstLinear(nets[0], linear, test)
    if test.difference > 0:
        for name in linear:
            order.settle(nets[0], name, test.p_value)


def _baseline(order: Order, scores: PairedScores, baseline: str) -> None:
    """Each knob against the baseline: two-sided, Holm over the pairs that are not settled.

    Contenders are asked about in another question, and do not make this family larger.
    """
    if baseline not in order.ranking:
        return
    names = [name for name in _rivals(order) if _asks(order, name) and name != baseline]
    order.baseline_tests = scores.against(baseline, names)
    open_names = [name for name in names if not order.p_value(name, baseline) < LEVEL]
    tests = scores.against(baseline, open_names)
    for name, test in tests.iterrows():
        pair = (name, baseline) if test["difference"] > 0 else (baseline, name)
        order.settle(*pair, test["p_value"])


def _l1_or_l2(order: Order, scores: PairedScores, baseline: str) -> None:
    """L1 minus L2, averaged over linear models and nets: one test.

    The question supposes that linear models and nets have the same answer, so where both point the
    same way, the answer holds for either pair; where they do not, there is none.
    """
    pairs = [(a, b) for a, b in L1_L2_PAIRS if a in order.ranking and b in order.ranking]
    if not pairs:
        return
    table = np.array([scores.column(a) - scores.column(b) for a, b in pairs])
    means = [scores.mean(a) - scores.mean(b) for a, b in pairs]
    found = L1OrL2(pairs, means, scores.test_differences(table.mean(axis=0)))
    order.l1_or_l2 = found
    if found.leader is None:
        return
    for (l1, l2), mean in zip(pairs, means, strict=True):
        if mean != 0:  # no test may set an order among equal means
            pair = (l1, l2) if found.leader == "L1" else (l2, l1)
            order.settle(*pair, found.test.p_value)


def _best_contender(order: Order, scores: PairedScores, baseline: str) -> None:
    """The best contender against the others, as in `_against_best`."""
    if len(order.contenders) < len(_rivals(order)):  # else it is the question about the best of all
        _against_best(order, scores, baseline, order.contenders)


def _best_of_all(order: Order, scores: PairedScores, baseline: str) -> None:
    """The best of all candidates against the others, as in `_against_best`."""
    rivals = _rivals(order)
    if order.ranking[:1] == rivals[:1]:  # no dummy has the highest mean
        _against_best(order, scores, baseline, rivals)


def _against_best(order: Order, scores: PairedScores, baseline: str, rivals: list[str]) -> None:
    """The best against what nothing has beaten so far: one-sided, times the number of its rivals.

    The factor is not stepped down as Holm's is: it pays for having picked the best by the same
    scores. Whichever candidate is truly the best has that many rivals to lose against by chance.
    Pairs of a knob and the baseline have been asked about already.
    """
    if not rivals:
        return
    best = rivals[0]
    for name in order.may_be_best:
        if name not in rivals or name == best:
            continue
        if baseline in (best, name) and _asks(order, best) and _asks(order, name):
            continue
        test = scores.test(best, name, "greater")
        if test.difference > 0:
            order.settle(best, name, min(1.0, (len(rivals) - 1) * test.p_value))


def _asks(order: Order, name: str) -> bool:
    """Whether a candidate is asked about in the question about the baseline."""
    return order.role(name) != "contender"


def _rivals(order: Order) -> list[str]:
    """All candidates but the dummies."""
    return [name for name in order.ranking if order.kinds[name] != "dummy"]
