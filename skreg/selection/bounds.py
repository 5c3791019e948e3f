"""How many columns without use stability selection lets through in the mean, at most."""

from __future__ import annotations

import math

#: Bounds by name.
BOUNDS = ("unimodal", "worst-case")

#: Slack of comparisons, since shares such as 0.6 are not exact in floating point.
_SLACK = 1e-9


def false_selections(q, n_features, threshold, n_pairs, bound="unimodal"):
    """Bound on the expected number of false selections.

    With q columns selected by a half sample in the mean, of p, and theta = q / p:

    - "worst-case" [1]_, [2]_::

          q^2 / ((2 tau - 1) p)

    - "unimodal" [2]_, theorem 2::

          C(tau, B) theta q,   C(tau, B) = 1 / (2 (2 tau - 1 - 1 / (2 B)))           for tau <= 3/4
                                           4 (1 - tau + 1 / (2 B)) / (1 + 1 / B)     above

      for B pairs, theta <= 1 / sqrt(3) and tau > min(1/2 + theta^2, 1/2 + 1 / (2 B) + 3/4 theta^2). Where
      q is too large for it, the worst case is all that is known.

    Shares of half samples are multiples of 1 / (2 B), so that ``threshold`` stands for the next of them,
    tau.

    Parameters
    ----------
    q : float
        Columns that a half sample selects, in the mean.
    n_features : int
        p.
    threshold : float in (0.5, 1]
        Share of half samples from which on a column is selected.
    n_pairs : int
        B.
    bound : {"unimodal", "worst-case"}

    Returns
    -------
    float
        At most p: no more can be selected.

    References
    ----------
    .. [1] Meinshausen, N. and Buehlmann, P. (2010). "Stability selection." Journal of the Royal Statistical
       Society B 72(4), 417-473, theorem 1.
    .. [2] Shah, R. and Samworth, R. (2013). "Variable selection with error control: another look at
       stability selection." Journal of the Royal Statistical Society B 75(1), 55-80.

    Examples
    --------
    >>> from skreg.selection.bounds import false_selections
    >>> round(false_selections(10, 1000, 0.6, 50, "worst-case"), 6)
    0.5
    >>> round(false_selections(10, 1000, 0.6, 50), 6)
    0.263158
    """
    p, theta = n_features, q / n_features
    tau = math.ceil(2 * n_pairs * threshold - _SLACK) / (2 * n_pairs)
    if bound == "unimodal" and _is_unimodal_known(theta, tau, n_pairs):
        constant = _unimodal_constant(tau, n_pairs)
    else:
        constant = 1.0 / (2.0 * tau - 1.0)
    return min(float(p), constant * theta * q)


def _is_unimodal_known(theta, tau, n_pairs):
    """Whether theorem 2 covers this threshold and this share of columns."""
    least = min(0.5 + theta**2, 0.5 + 1 / (2 * n_pairs) + 0.75 * theta**2)
    # It is stated for tau from 1/2 + 1/B on.
    first = 0.5 + 1 / n_pairs
    return theta <= 1 / math.sqrt(3) and tau > least and tau >= first - _SLACK


def _unimodal_constant(tau, n_pairs):
    if tau <= 0.75:
        return 1.0 / (2.0 * (2.0 * tau - 1.0 - 1.0 / (2 * n_pairs)))
    return 4.0 * (1.0 - tau + 1.0 / (2 * n_pairs)) / (1.0 + 1.0 / n_pairs)
