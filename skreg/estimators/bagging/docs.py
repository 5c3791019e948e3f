"""Parameter texts that the two ensembles share, so that each stands once."""

from __future__ import annotations

PARAMETERS = """
    Parameters
    ----------
    estimator : {net} or None, default=None
        The net that all members are like; None is one with its default parameters. Its
        ``early_stopping``, ``patience``, ``scoring``, ``validation_fraction`` and ``refit`` say how
        the ensemble is stopped; ``random_state``, ``verbose`` and ``warm_start`` have no effect.
    n_estimators : int, default=16
        Number of members.
    max_samples : float in (0, 1] or int, default=1.0
        Share of the rows, or number of rows, that are drawn for each member; with ``groups`` in `fit`, of
        the groups. Rows that are held out for early stopping are then left out.
    max_features : float in (0, 1] or int, default=1.0
        Share or number of the columns that are drawn for each member.
    bootstrap : bool, default=True
        Draw rows with replacement (bagging [1]_). Without replacement and with ``max_samples=1.0``
        members differ only by their seeds: a deep ensemble [2]_.
    bootstrap_features : bool, default=False
        Draw columns with replacement.
    stopping : {{"ensemble", "member"}}, default="ensemble"
        With the net's ``early_stopping``: "ensemble" holds rows out once, and stops all members at
        the epoch at which the mean of their predictions is best on them [3]_. "member" lets each
        member hold out rows of its own and stop by itself, as scikit-learn's bagging does.
{parameters}    oob_score : bool, default=False
        Score each row by the members that were not trained on it. Needs ``bootstrap=True``.
    random_state : int, RandomState or None, default=None
        Seed of the draws, of the rows held out and of the members. With an int the same rows are drawn
        as by scikit-learn's bagging.
    verbose : int, default=0
        1 prints a line when the ensemble is trained.
"""

ATTRIBUTES = """
    Attributes
    ----------
    estimator_ : {net}
        The net that the members are like, not fitted.
    estimators_ : list of {net}
        The members, fitted.
    estimators_samples_ : list of ndarray of int
        Numbers of the rows that were drawn for each member, in the order of the draws and with
        repetitions. They are drawn again at each access.
    estimators_features_ : list of ndarray of int
        Numbers of the columns of each member; with ``max_features`` or ``bootstrap_features`` those of the
        prepared table, which is X unless columns are scaled, encoded or have gaps.
    validation_samples_ : ndarray of int or None
        Rows held out for ``stopping="ensemble"``; None where none were. They are not among the samples
        of any member, unless the net has ``refit=True``.
    oob_score_ : float
        {score} over the rows that at least one member was not trained on.
    {oob}
        What those members predict; NaN for rows that all members were trained on. Rows held out for
        ``stopping="ensemble"`` are in no bag, although they decided which epoch was kept. With ``groups``
        in `fit` these are members that have not seen the group of the row.
    history_ : DataFrame
        Of an ensemble whose members stopped together: epoch, train_loss (mean over members),
        valid_loss and valid_score (of the ensemble), learning_rate, and the ``metrics`` of the
        estimator (of the ensemble; those of training rows are means over members).
    n_iter_, best_iter_ : int
        Epochs run, and the epoch of the weights that were kept, of such an ensemble.
    stopped_by_ : str
        Why the training of such an ensemble ended.
{attributes}    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where X has column names.
"""

REFERENCES = """
    References
    ----------
    .. [1] Breiman, "Bagging Predictors", Machine Learning 24, 1996.
    .. [2] Lakshminarayanan, Pritzel and Blundell, "Simple and Scalable Predictive Uncertainty
       Estimation using Deep Ensembles", NeurIPS 2017.
    .. [3] Gorishniy, Kotelnikov and Babenko, "TabM: Advancing Tabular Deep Learning with
       Parameter-Efficient Ensembling", ICLR 2025.
"""


def describe(head, tail, *, parameters="", attributes="", **words):
    """A numpydoc docstring out of shared and own parts."""
    words |= {"parameters": parameters.lstrip("\n"), "attributes": attributes.lstrip("\n")}
    shared = (PARAMETERS + ATTRIBUTES).format(**words)
    return head.rstrip() + "\n" + shared + REFERENCES + tail
