"""The course of a fit, as a net goes through it by itself and as a member of an ensemble.

Targets are encoded, rows are held out, a job is made of the others; `skreg.estimators.fitted.set_fitted`
writes what comes back into the net.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from skreg.estimators.columns import PreparedRows, prepare, within_precision
from skreg.estimators.feature_groups import group_labels
from skreg.estimators.resolve import MOST_EMBEDDED, resolve
from skreg.estimators.rows import numeric_columns, sampled, warn_of_scales
from skreg.estimators.split import hold_out
from skreg.estimators.target import KNOWN
from skreg.estimators.weights import normalised
from skreg.net.net import DEFAULT_EMBEDDING, SHARED
from skreg.train.feed import batches_of, n_batches
from skreg.train.job import Job

# -- a member of an ensemble, before it has rows ------------------------------------------------------


def checked(net):
    """Parts of a spec that follow from the parameters of a net, which are found valid.

    Raises
    ------
    ValueError, TypeError
        Where they are not.
    """
    net._validate_params()
    return net._check_parameters()


def sibling(template, random_state, columns=None):
    """A net with the parameters of another, that knows the same of its table and its target.

    Parameters
    ----------
    template : BaseRegularizedMLP
    random_state : int
        Its own.
    columns : ndarray of int, optional
        Those of the prepared table that it is given; by default it prepares the table as the other does.
    """
    net = like(template, random_state)
    if columns is not None:
        net._levels = {}
        net._group_labels = _labels_of_part(template, columns)
        vars(net).pop("feature_names_in_", None)
    take_preparation(net, template._columns if columns is None else template._columns.part(columns))
    return net


def like(template, random_state, **changes):
    """A net with the parameters of another but some, that knows the same of its target and its columns.

    Parameters
    ----------
    template : BaseRegularizedMLP
    random_state : int
        Its own.
    **changes
        Parameters with other values.
    """
    net = clone(template).set_params(random_state=random_state, **changes)
    net._levels = template._levels
    if net._levels and hasattr(template, "feature_names_in_"):
        net.feature_names_in_ = template.feature_names_in_
    for name in KNOWN:
        if hasattr(template, name):
            setattr(net, name, getattr(template, name))
    return net


# -- the target ---------------------------------------------------------------------------------------


def check_given(estimator, y):
    """Refuse a fit without a target, in the words that scikit-learn's checks look for."""
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the target y is None."
        )


def check_target(net, y):
    """Targets in the user's terms: labels or numbers, found fit for this net."""
    return net._check_target(y)


def encode(net, y, *, first=True, classes=None):
    """Checked targets as the net is trained on them; the first time it learns what they are."""
    return net._encode(y, first=first, classes=classes)


def factors_of(net, y, weight, *, partial=False):
    """Weight of each class, shape (n_classes,); None where all count the same, as numbers do."""
    return net._class_factors(y, weight, partial=partial)


def strata_of(net, y):
    """What rows are held out in proportion to; None for no matter."""
    return net._strata(y)


def fix_scale(net, y, weight):
    """Let a net, and its siblings made later, scale the target by these rows."""
    net._set_target_scale(y, weight)


# -- the table ----------------------------------------------------------------------------------------


def prepare_rows(net, numbers, weight, *, first=True, one_hot=False):
    """The table that a net is trained on, of numbers with gaps; the first time it learns what to do.

    Parameters
    ----------
    net : BaseRegularizedMLP
    numbers : ndarray of shape (n, n_features) or CSR matrix
    weight : ndarray of shape (n,) or None
    first : bool
    one_hot : bool
        Whether no category is to be embedded.

    Raises
    ------
    ValueError
        Where a value is too large for the precision of training.
    """
    if first:
        settings = column_settings(net, one_hot=one_hot)
        net._columns, table = prepare(numbers, weight, net._levels, settings)
    else:
        table = net._columns(numbers, np.dtype(net.dtype))
    names = getattr(net, "feature_names_in_", None)
    return within_precision(table, numbers, net._columns, names)


def column_settings(net, *, one_hot=False):
    """What the parameters of a net say of its table."""
    return net._column_settings(one_hot)


def take_preparation(net, columns):
    """Let a net prepare tables as another one learned to."""
    net._columns = columns
    net.n_features_in_ = columns.n_columns


def take_columns(net, levels, names):
    """Let a net read tables as an ensemble does: which columns hold categories, and their names."""
    net._levels = levels
    if names is not None:
        net.feature_names_in_ = names


def columns_of(net):
    """The `Preparation` that a net learned."""
    return net._columns


def warn_of_columns(net, X, given):
    """Warn of columns whose scales harm training, where they are taken as they are.

    Parameters
    ----------
    net : BaseRegularizedMLP
    X : ndarray or CSR matrix
        The prepared table.
    given : array-like or DataFrame
        What it was made of.
    """
    columns = net._columns
    if columns.scale is None:
        called = columns.called(getattr(net, "feature_names_in_", None))
        numbers = sampled(X)[:, : len(columns.numeric)]
        warn_of_scales(numbers, called, given, columns.numeric)


def forward_rows(net, numbers):
    """Rows as the fitted net predicts from them, prepared where they are looked at."""
    return numbers if net._columns.takes(numbers) else PreparedRows(net._columns, numbers)


# -- rows and jobs ------------------------------------------------------------------------------------


def fresh_seeds():
    """Seeds by the operating system's entropy: what `random_state=None` starts from."""
    return np.random.SeedSequence()


def seed_of(net):
    """A seed for this fit; None draws fresh entropy and does not touch the global generator."""
    if net.random_state is None:
        return int(fresh_seeds().generate_state(1)[0])
    return int(check_random_state(net.random_state).randint(np.iinfo(np.int32).max))


def generator_of(random_state):
    """A generator of random numbers; None draws fresh entropy and does not touch the global generator."""
    if random_state is None:
        return np.random.RandomState(fresh_seeds().generate_state(4))
    return check_random_state(random_state)


def held_out(net, rows, seed, groups=None):
    """Training rows, and validation rows where early stopping wants some.

    Parameters
    ----------
    net : BaseRegularizedMLP
    rows : tuple of arrays
        X and encoded targets, and whatever goes with them; None for what there is not.
    seed : int
    groups : ndarray of int, shape (n,), optional
        Rows of one group are all held out, or none is.
    """
    if not net.early_stopping:
        return rows, None
    n, strata = rows[0].shape[0], strata_of(net, rows[1])
    split = hold_out(n, net.validation_fraction, seed, strata, groups)
    if split is None:
        return rows, None
    return tuple(tuple(None if part is None else part[index] for part in rows) for index in split)


def make_job(net, rows, valid, parts, seed, start=None, *, scaled=False, more=False, **overrides):
    """The job of this fit.

    Parameters
    ----------
    net : BaseRegularizedMLP
        Learns its spec, and what its target is scaled by.
    rows, valid : tuple of X, y and weight
        Training rows with encoded targets, and validation rows or None.
    parts : dict
        What `skreg.estimators.resolve.check_parameters` returned.
    seed : int
    start : dict, optional
        Where training goes on: the parameters that it starts from.
    scaled : bool
        Whether the scale of the target is known.
    more : bool
        Whether the rows come on top of those of earlier calls, as in a partial fit.
    **overrides
        Fields of the spec that are set to other values than the estimator's.
    """
    X, y, weight = rows
    if start is None and not scaled:
        fix_scale(net, y, weight)
    net._count_classes(y, weight, more=more)
    net._see_targets([y] if valid is None else [y, valid[1]], first=start is None)
    spec = resolve(
        net,
        parts,
        loss=net._loss_name(),
        n_outputs=net._n_outputs(),
        n_rows=X.shape[0],
        n_features=X.shape[1],
        **{**net._wiring(X, parts, start), **overrides},
    )
    if start is not None:
        _check_continues(net, spec, "optimiser" in start)
    net._spec = spec
    net._seed_drawn = seed
    job = Job(
        spec,
        X,
        net._engine_target(y),
        normalised(weight),
        seed,
        start=start,
        label=type(net).__name__,
    )
    if valid is not None:
        job.X_val, job.y_val = valid[0], net._engine_target(valid[1])
        job.sample_weight_val = valid[2]
    return job


def _groups_of_columns(net):
    """The group of each column of the user's table, for ``group_l1``; None where each is one."""
    if hasattr(net, "_group_labels"):  # given a part of a prepared table
        return net._group_labels
    names = getattr(net, "feature_names_in_", None)
    return group_labels(net.feature_groups, net._columns.n_columns, names)


def _labels_of_part(template, columns):
    """The groups of a net that is given these columns of the table that another one prepares."""
    labels = _groups_of_columns(template)
    if labels is None or template._columns.owners is not None:
        return labels  # owners are the user's columns
    return tuple(labels[j] for j in columns)


def wiring_of_table(net, X, parts, start):
    """Fields of the spec of a net that follow from its prepared table."""
    choice = net.numeric_embedding
    return {
        "embedded": _columns_to_embed(net, X, start, parts["hidden"]),
        "embedding": DEFAULT_EMBEDDING if choice in (None, "auto") else choice,
        "owners": net._columns.owners,
        "levels": net._columns.levels,
        "feature_groups": _groups_of_columns(net),
    }


def share_spec(net, job, **changes):
    """Change the spec of a net and of its job, so that members of an ensemble have one shape."""
    net._spec = job.spec = dataclasses.replace(job.spec, **changes)


def _columns_to_embed(net, X, start, hidden):
    """Columns that get an embedding; those of the fitted net where training goes on."""
    choice = net.numeric_embedding
    if choice is None:
        return None
    if start is not None:
        return net._spec.embedded if choice == "auto" else net._spec.embedded or ()
    if choice == "auto" and not hidden:
        return None
    columns = numeric_columns(X[:, : X.shape[1] - len(net._columns.levels)])
    return None if choice == "auto" and len(columns) > MOST_EMBEDDED else columns


def embeds_by_default(numbers, levels):
    """Whether ``numeric_embedding="auto"`` embeds any column of a table of numbers with gaps.

    Parameters
    ----------
    numbers : ndarray or CSR matrix
    levels : collection of int
        Columns of categories.
    """
    others = [j for j in range(numbers.shape[1]) if j not in levels]
    x = numbers[:, others] if levels else numbers
    if isinstance(x, np.ndarray):
        x = np.where(np.isnan(x), np.fmin.reduce(x, axis=0), x)  # a gap is no value of its own
    return 0 < len(numeric_columns(x)) <= MOST_EMBEDDED


#: Parts of a spec that parameters have another name for.
_CALLED = {"hidden": "hidden_layer_sizes"}


def _check_continues(net, spec, optimiser):
    names = ["hidden", "module", "n_outputs", *SHARED, "loss", "numeric_embedding"]
    names += ["solver"] if optimiser else []
    for name in names:
        now, then = getattr(spec, name), getattr(net._spec, name)
        if now != then:
            called = _CALLED.get(name, name)
            raise ValueError(
                f"The fitted net has {called}={then!r} and cannot go on with {called}={now!r}. "
                f"Set {called} back, or fit from the start with warm_start=False."
            )


def refit_job(net, job, rows, result):
    """A job that trains again on all rows, for as many steps as the best epoch had taken, or None."""
    X, y, weight = rows
    spec = job.spec
    left = None if spec.max_time is None else spec.max_time - result.seconds
    validated = net.refit and job.X_val is not None and result.best_step
    if not validated or result.interrupted or (left is not None and left <= 0):
        return None
    spec = for_steps(spec, X.shape[0], result.best_step, batches_of(job), max_time=left)
    net._count_classes(y, weight)
    y, weight = net._engine_target(y), normalised(weight)
    return Job(spec, X, y, weight, job.seed, start=job.start, label=job.label)


def for_steps(spec, n_rows, steps, batches, max_time=None):
    """A spec that trains on so many rows for so many steps, without validation.

    Parameters
    ----------
    spec : Spec
    n_rows, steps : int
    batches : int
        Minibatches an epoch of the training that the number of steps is from.
    max_time : float, optional
    """
    now = n_batches(n_rows, spec.batch_size, spec.batch_norm)
    return dataclasses.replace(
        spec,
        max_steps=steps,
        # The schedule counts epochs, which have another number of steps now.
        max_iter=max(1, round(spec.max_iter * batches / now)),
        max_time=max_time,
        early_stopping=False,
        tol=None,
    )


def take_refit(result, again):
    """Take the weights of a training on all rows, unless it did not get so far.

    ``max_time`` or an interrupt leave the first training's weights.
    """
    if again.stopped_by == "max_iter":
        result.params = again.params
    else:
        result.stopped_by = again.stopped_by
    result.interrupted = result.interrupted or again.interrupted


def give_up_without_weights(results):
    """Pass an interrupt on where a net has no weights yet that would be worth keeping."""
    if any(result.interrupted and not result.best_step for result in results):
        raise KeyboardInterrupt
