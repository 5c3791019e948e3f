"""What is made of equal rows is made once: the tasks of a round bring copies of the same rows."""

from __future__ import annotations

import threading
import weakref

_lock = threading.Lock()
#: What was learned of rows and a reference to their table, as long as some task holds that.
_made = {}


def shared(settings, arrays, make):
    """What ``make()`` returns, or what it returned for the same settings and arrays in this round.

    What trains in rounds is imported here, since linear models do without it, and without torch.

    Parameters
    ----------
    settings : hashable
    arrays : sequence of ndarray, CSR matrix or None
        What is made depends on their content.
    make : callable
        Returns what was learned, and a table. Those who share them change neither.
    """
    from skreg.parallel import in_a_round
    from skreg.train.feed import digest

    if not in_a_round():
        return make()
    key = settings, *map(digest, arrays)
    with _lock:  # so that tasks that come together make it once
        learned, reference = _made.get(key, (None, lambda: None))
        table = reference()
        if table is None:
            learned, table = make()
            _made[key] = learned, weakref.ref(table, lambda _: _made.pop(key, None))
    return learned, table
