"""Parameters for a net without anything that skreg adds to one by default."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from typing import TYPE_CHECKING

from skreg.estimators.mlp import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.net.net import KNOBS

if TYPE_CHECKING:
    from typing import Any

#: Value at which a knob does nothing, by kind. Of the others ("share", "scale") a knob says what another
#: one does, and is at rest with it; shares that act by themselves are named below.
_OFF = {"flag": False, "flags": False, "rate": 0.0, "strength": 0.0, "bound": None}

#: What else is done to the table, to the weights, to the rate or to the rows. ``tol=None`` is the default.
_OTHERS = {
    "cutmix": 0.0,
    "cutout": 0.0,
    "scale_features": None,
    "numeric_embedding": None,
    "ema_decay": 0.0,
    "learning_rate": "constant",
    "early_stopping": False,
    "tol": None,
}


def plain(**changes: Any) -> dict[str, Any]:
    """Parameters of a plain net: all that skreg does beside minimising the loss is switched off.

    The net that is left has linear layers and an activation between them, takes the columns as they are, is
    trained on all rows for ``max_iter`` epochs at one learning rate, and has the weights of the last epoch:
    what ten lines of torch or of Keras make. It is where to begin where one thing at a time is to be switched
    on.

    Parameters
    ----------
    **changes
        Parameters with other values; any of the two estimators.

    Returns
    -------
    params : dict
        A new dict at each call. Optimiser, sizes and numbers of epochs are not in it unless named: they are
        the defaults of the estimators (AdamW with a rate of 0.002, ``beta_2=0.95``), as are
        `RegularizedMLPClassifier`'s ``label_smoothing=0`` and `RegularizedMLPRegressor`'s
        ``scale_target=True`` and ``clip=True``.

    Raises
    ------
    TypeError
        For a name that is no parameter of the estimators.

    See Also
    --------
    RegularizedMLPClassifier, RegularizedMLPRegressor : What takes them.
    compare : Which of what is switched off here pays on a table.

    Examples
    --------
    >>> from pprint import pprint
    >>> import skreg
    >>> pprint(skreg.plain())
    {'batch_norm': False,
     'cutmix': 0.0,
     'cutout': 0.0,
     'dropout': 0.0,
     'early_stopping': False,
     'ema_decay': 0.0,
     'group_l1': 0.0,
     'input_dropout': 0.0,
     'input_noise': 0.0,
     'l1': 0.0,
     'l2': 0.0,
     'layer_norm': False,
     'learning_rate': 'constant',
     'max_norm': None,
     'mixup': 0.0,
     'numeric_embedding': None,
     'residual': False,
     'scale_features': None,
     'tol': None,
     'weight_decay': 0.0}

    One thing at a time:

    >>> net = skreg.RegularizedMLPClassifier((64, 64), **skreg.plain(dropout=0.3))
    >>> net.dropout, net.batch_norm
    (0.3, False)
    """
    known = _parameters()
    unknown = [name for name in changes if name not in known]
    if unknown:
        near = get_close_matches(unknown[0], known, n=1)
        raise TypeError(
            f"plain() was given {unknown[0]}={changes[unknown[0]]!r}, which is no parameter of "
            f"RegularizedMLPClassifier or RegularizedMLPRegressor."
            f"{f' Do you mean {near[0]!r}?' if near else ''}"
        )
    off = {knob.name: _OFF[knob.kind] for knob in KNOBS if knob.kind in _OFF}
    return {**off, **_OTHERS, **changes}


def _parameters():
    """Names of the parameters of either estimator."""
    both = RegularizedMLPClassifier, RegularizedMLPRegressor
    names = (list(inspect.signature(one).parameters) for one in both)
    return list(dict.fromkeys(name for some in names for name in some))
