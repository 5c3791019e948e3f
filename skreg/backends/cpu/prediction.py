"""The periodic embedding of columns at predict (`skreg.net.periodic`), compiled by numba.

Of k nets: b rows, d columns of which m are embedded, f frequencies each, q features made of them.
numpy computes float64 cosines one by one, and each of its passes goes through memory. Here all that
happens to a column of a net happens to some hundred rows at a time, in the cache, as vector code.
"""

from __future__ import annotations

import functools

import numpy as np
from numba import types

from skreg.backends.cpu.periodic import cosine
from skreg.backends.cpu.pieces import compiled

#: Rows that go through all frequencies of a column before the next ones: what they need fits in the L1
#: cache.
_ROWS = 512


@functools.cache
def embedding_kernel(dtype):
    """From rows to the inputs of the first linear layers of several nets.

    Parameters
    ----------
    dtype : str
        Of all arrays but ``columns``: ``"float64"`` or ``"float32"``.
    """
    F = getattr(np, dtype)
    columns = types.Array(types.int64, 1, "C")
    cube, four = (types.Array(getattr(types, dtype), n, "C") for n in (3, 4))

    @compiled(types.void(cube, columns, cube, cube, four, cube, cube))
    def embed(x, columns, turns, start, weight, bias, out):
        """x (1 or k, b, d) -> out (k, d + m q, b): columns as they are, then what was made of some.

        columns (m,); turns, start (k, m, f), in periods; weight (k, m, q, f); bias (k, m, q).
        """
        (k, m, f), q = turns.shape, bias.shape[2]
        shared, b, d = x.shape[0] == 1, x.shape[1], x.shape[2]
        wave = np.empty(_ROWS, F)
        for net in range(k):
            rows = x[0 if shared else net]
            for low in range(0, b, _ROWS):
                n = min(_ROWS, b - low)
                for j in range(d):
                    line = out[net, j, low : low + n]
                    for i in range(n):
                        line[i] = rows[low + i, j]
                for c in range(m):
                    value = out[net, columns[c], low : low + n]
                    for o in range(q):
                        out[net, d + c * q + o, low : low + n] = bias[net, c, o]
                    for g in range(f):
                        rate, first = turns[net, c, g], start[net, c, g]
                        for i in range(n):
                            wave[i] = cosine(value[i] * rate + first)
                        for o in range(q):
                            w = weight[net, c, o, g]
                            line = out[net, d + c * q + o, low : low + n]
                            for i in range(n):
                                line[i] += w * wave[i]

    return embed
