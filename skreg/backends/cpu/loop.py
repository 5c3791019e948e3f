"""The loop over minibatches and epochs, without Python: gather, forward, loss, backward, update.

A member's step touches its own numbers alone, so the loop takes the members one after the other, each
through several minibatches: its weights, moments and activations stay in the cache, and a stack of any
size needs the activations of one member only. What the members share is gathered once.
"""

from __future__ import annotations

import functools

import numba as nb
import numpy as np
from numba import types
from numba.extending import overload

from skreg.backends.cpu.closing import close_epoch
from skreg.backends.cpu.optimisers import project_max_norm
from skreg.backends.cpu.pieces import call, compiled, float_types, matrix, part, vector
from skreg.backends.cpu.products import pointer_to, product
from skreg.backends.cpu.tables import (
    BACKWARD,
    BOUNDS_NORMS,
    DROPS_INPUTS,
    EMBED,
    EMBED_BACKWARD,
    EMBEDDED,
    FORWARD,
    GAIN,
    GAIN_SLOT,
    GEMM,
    INPUT_DROPOUT,
    LOSS,
    MEAN,
    OPTIMISER,
    ROWS,
    SHIFT,
    SHIFT_SLOT,
    SLOTS,
    STARTS,
    UNITS,
    VARIANCE,
    WEIGHT,
    WEIGHT_SLOT,
    embedding_of,
)
from skreg.train.watch import ENDED, GOES_ON


@part
def _gather_rows(address, length, order, stream, first, stop, out):
    """Rows of a stream for the minibatches first to stop: out (steps, b, d)."""
    d = out.shape[2]
    X = nb.carray(pointer_to(address, out.dtype.type(0)), (length, d))
    for j in range(first, stop):
        for i in range(out.shape[1]):
            row = order[j, stream, i]
            for c in range(d):
                out[j - first, i, c] = X[row, c]


def _gather_targets(address, length, order, stream, first, stop, out):
    """Targets for the minibatches first to stop: ``out`` (steps, b) ints or (steps, o, b) floats."""
    raise NotImplementedError("only called from compiled code")


@overload(_gather_targets)
def _overload_gather_targets(address, length, order, stream, first, stop, out):
    if out.ndim == 2:

        def gather(address, length, order, stream, first, stop, out):
            y = nb.carray(pointer_to(address, out.dtype.type(0)), (length,))
            for j in range(first, stop):
                for i in range(out.shape[1]):
                    out[j - first, i] = y[order[j, stream, i]]
    else:

        def gather(address, length, order, stream, first, stop, out):
            o = out.shape[1]
            y = nb.carray(pointer_to(address, out.dtype.type(0)), (o, length))
            for j in range(first, stop):
                for q in range(o):
                    for i in range(out.shape[2]):
                        out[j - first, q, i] = y[q, order[j, stream, i]]

    return gather


@part
def _forward(x, by_row, share, keys, step, k, sizes, layers, theta, running, work, knobs, calls):
    """All layers of one member on one minibatch; the raw outputs without bias come last in z.

    The inputs are ``x`` (b, d), or (d, b) where they are not ``by_row``.
    """
    z_flat, a_flat, means, spreads = work
    threshold, scale = knobs
    n_layers, b = sizes.shape[0] - 1, share.shape[0]
    for i in range(n_layers):
        d, h = sizes[i], sizes[i + 1]
        at = layers[i, WEIGHT] + k * h * d
        weight = matrix(theta, at, h, d)
        rows = layers[i, ROWS]
        z = matrix(z_flat, rows, h, b)
        if i == 0:
            product(calls[GEMM], weight, False, x, by_row, z)
        else:
            before = layers[i - 1, ROWS]
            product(calls[GEMM], weight, False, matrix(a_flat, before, d, b), False, z)
        if i == n_layers - 1:
            return
        u = layers[i, UNITS]
        gain, mean, variance = vector(theta, 0, 0), vector(theta, 0, 0), vector(theta, 0, 0)
        if layers[i, GAIN] >= 0:
            at = layers[i, GAIN] + k * h
            gain = vector(theta, at, h)
            at = layers[i, MEAN] + k * h
            mean = vector(running, at, h)
            at = layers[i, VARIANCE] + k * h
            variance = vector(running, at, h)
        at = layers[i, SHIFT] + k * h
        call(
            calls[FORWARD],
            (
                z,
                matrix(a_flat, rows, h, b),
                share,
                gain,
                vector(theta, at, h),
                vector(means, u, h),
                vector(spreads, u, h),
                mean,
                variance,
                threshold[k, i + 1],
                scale[k, i + 1],
                keys[0, step, i + 1, k],
                keys[1, step, i + 1, k],
            ),
        )


@part
def _backward(x, by_row, share, keys, step, k, sizes, layers, theta, slope, work, knobs, calls):
    """Gradient of all parameters of one member but the output bias, from that of its raw outputs.

    The gradient of an activation overwrites it once the gradient of the weights has used it. Returns
    the gradient of the product of the first layer.
    """
    z_flat, a_flat, means, spreads = work
    threshold, scale = knobs
    last, b = sizes.shape[0] - 2, share.shape[0]
    for i in range(last, -1, -1):
        d, h = sizes[i], sizes[i + 1]
        rows = layers[i, ROWS]
        dz = matrix(z_flat if i == last else a_flat, rows, h, b)
        at = layers[i, WEIGHT_SLOT]
        dweight = matrix(slope, at, h, d)
        if i == 0:
            product(calls[GEMM], dz, False, x, not by_row, dweight)
            return dz
        before, u = layers[i - 1, ROWS], layers[i - 1, UNITS]
        a = matrix(a_flat, before, d, b)
        product(calls[GEMM], dz, False, a, True, dweight)
        at = layers[i, WEIGHT] + k * h * d
        product(calls[GEMM], matrix(theta, at, h, d), True, dz, False, a)
        gain, dgain = vector(theta, 0, 0), vector(slope, 0, 0)
        if layers[i - 1, GAIN] >= 0:
            at = layers[i - 1, GAIN] + k * d
            gain = vector(theta, at, d)
            at = layers[i - 1, GAIN_SLOT]
            dgain = vector(slope, at, d)
        at, slot = layers[i - 1, SHIFT] + k * d, layers[i - 1, SHIFT_SLOT]
        call(
            calls[BACKWARD],
            (
                a,
                matrix(z_flat, before, d, b),
                share,
                gain,
                vector(theta, at, d),
                vector(means, u, d),
                vector(spreads, u, d),
                dgain,
                vector(slope, slot, d),
                threshold[k, i],
                scale[k, i],
                keys[0, step, i, k],
                keys[1, step, i, k],
            ),
        )


@part
def _any_left(counts, start, stop):
    """Whether any of these members goes on."""
    left = False
    for k in range(start, stop):
        left |= counts[ENDED, k] == GOES_ON
    return left


def _array(kind, dimensions):
    return types.Array(kind, dimensions, "C")


@functools.cache
def minibatch_loop(dtype, classes):
    """The compiled loop for a precision.

    Parameters
    ----------
    dtype : {"float32", "float64"}
    classes : bool
        Whether targets are numbers of classes, else floats.

    Returns
    -------
    callable
        Trains the members ``low`` to ``high`` that have not ended on minibatches ``first`` to ``stop``,
        after ``t`` steps of the optimiser. ``gathered`` is 1 where the minibatch is in its place already.
        Where ``closed`` is not 0, the minibatches are those of so many epochs, each of which is closed:
        averaged, validated, judged. ``before`` is the number of epochs before them.
        Its other arguments in their order, for k members, s streams, t targets, v groups of members that
        share validation rows:

        - epoch: order (steps, s, b), coef and share (steps, s, b) or those of one epoch for all, keys (2,
          steps, layers, k), rates (steps, k), as of `skreg.train.feed.Epoch`;
        - tables: addresses and lengths of rows (s,) and of targets (t,), stream and target of a member
          (k,);
        - net: sizes, layers, blocks of parameters, calls, the embedding and its columns, the constants
          of `tables` and `optimisers` being their columns and places;
        - numbers of the stack: parameters, two moments, running statistics, total of the losses (k,);
        - knobs: threshold, scale, l1, l2, a row a member; decay, bound, smoothing, quantile (k,);
          numbers of the solver; switches;
        - workspace: x (1, steps, b, d) and y, of one stream and target (but s and t of them where they
          are gathered already), inputs of one member, gradient of what its embedding made,
          that of its parameters, z, a, means and inverse deviations of its units;
        - closing: numbers and counts of the watch (3, k), (7, k); losses of the epochs (2, epochs, k);
          validation rows (v, 4) and the group of a member (k,), -1 for none; blocks of what is tracked
          (n, 4); what an average keeps of itself (k,), none where there is no average;
          parameters and statistics that are validated, and the best ones; embedded inputs and targets of
          a chunk of validation rows, a place for a loss.
    """
    f, row, table, u, nothing = float_types(dtype)
    i1, i2 = _array(types.int64, 1), _array(types.int64, 2)
    epoch = _array(types.int64, 3), _array(f, 3), _array(f, 3), _array(u, 4), table
    tables = [i1] * 6
    numbers = [*[row] * 5, _array(u, 2), table, table, table, *[row] * 4]
    targets = _array(types.int64, 3) if classes else _array(f, 4)
    workspace = [_array(f, 4), targets, table, table, *[row] * 5]
    watch = types.Tuple([_array(types.float64, 2), i2, _array(types.float64, 3)])
    valid = types.Tuple([i2, i1, i2, _array(types.float64, 1)])
    nets = types.UniTuple(row, 4)
    chunk = types.Tuple([row, i1 if classes else row, row])

    @compiled(
        nothing(
            *[types.int64] * 8,
            *epoch,
            *tables,
            *(i1, i2, i2, i1, i1, i1),
            *numbers,
            *(_array(types.float64, 1), i1),
            *workspace,
            *(watch, valid, nets, chunk),
        )
    )
    def run(
        first,
        stop,
        low,
        high,
        t,
        gathered,
        closed,
        before,
        order,
        coef,
        share,
        keys,
        rates,
        x_at,
        x_length,
        y_at,
        y_length,
        stream_of,
        target_of,
        sizes,
        layers,
        blocks,
        calls,
        embedding,
        columns,
        theta,
        moment,
        second,
        running,
        total,
        threshold,
        scale,
        l1,
        l2,
        decay,
        bound,
        smoothing,
        quantile,
        solver,
        switches,
        x_block,
        y_block,
        x_own,
        x_slope,
        slope,
        z_flat,
        a_flat,
        means,
        spreads,
        watch,
        valid,
        nets,
        chunk,
    ):
        last = sizes.shape[0] - 2
        o, b = sizes[last + 1], x_block.shape[2]
        context = (z_flat, a_flat, means, spreads), (threshold, scale), calls
        embedded = embedding[EMBEDDED] > 0
        own = embedded or switches[DROPS_INPUTS] != 0
        rows, bias = layers[last, ROWS], layers[last, SHIFT_SLOT]
        counts = watch[1]
        steps, per_epoch = (stop - first) // max(1, closed), order.shape[0] // max(1, closed)
        # Members of a stream are neighbours.
        start = low
        while start < high:
            s, after = stream_of[start], start + 1
            while after < high and stream_of[after] == s:
                after += 1
            for number in range(max(1, closed)):
                if not _any_left(counts, start, after):
                    break
                opening, closing = first + number * steps, first + (number + 1) * steps
                for begin in range(opening, closing, x_block.shape[1]):
                    end, held = min(closing, begin + x_block.shape[1]), -1
                    if gathered == 0:
                        _gather_rows(x_at[s], x_length[s], order, s, begin, end, x_block[0])
                    for k in range(start, after):
                        if counts[ENDED, k] != GOES_ON:
                            continue
                        target = target_of[k]
                        if gathered == 0 and target != held:
                            at_y, n_y = y_at[target], y_length[target]
                            _gather_targets(at_y, n_y, order, s, begin, end, y_block[0])
                            held = target
                        x_steps = x_block[s if gathered != 0 else 0]
                        y_steps = y_block[target if gathered != 0 else 0]
                        at = layers[last, SHIFT] + k * o
                        limit, factor = threshold[k, 0], scale[k, 0]
                        for j in range(begin, end):
                            x, part_of = x_steps[j - begin], share[j % share.shape[0], s]
                            key0, key1 = keys[0, j, 0, k], keys[1, j, 0, k]
                            if embedded:
                                learned = embedding_of(theta, embedding[STARTS], k, embedding)
                                call(
                                    calls[EMBED],
                                    (x, x_own, columns, *learned, limit, factor, key0, key1),
                                )
                            elif switches[DROPS_INPUTS] != 0:
                                call(calls[INPUT_DROPOUT], (x, x_own, limit, factor, key0, key1))
                            inputs = x_own if own else x
                            net = sizes, layers, theta
                            _forward(
                                inputs, not embedded, part_of, keys, j, k, *net, running, *context
                            )
                            call(
                                calls[LOSS],
                                (
                                    matrix(z_flat, rows, o, b),
                                    vector(theta, at, o),
                                    y_steps[j - begin],
                                    coef[j % coef.shape[0], s],
                                    smoothing[k],
                                    quantile[k],
                                    vector(total, k, 1),
                                    vector(slope, bias, o),
                                    np.int64(1),
                                ),
                            )
                            dz = _backward(
                                inputs, not embedded, part_of, keys, j, k, *net, slope, *context
                            )
                            if embedded:
                                at_weight = layers[0, WEIGHT] + k * sizes[0] * sizes[1]
                                weight = matrix(theta, at_weight, sizes[1], sizes[0])
                                made = weight[:, x.shape[1] :]
                                product(calls[GEMM], made, True, dz, False, x_slope)
                                idle = layers[0, GAIN] >= 0 and limit == 0
                                call(
                                    calls[EMBED_BACKWARD],
                                    (
                                        x_slope,
                                        x,
                                        columns,
                                        *learned[:3],
                                        limit,
                                        factor,
                                        key0,
                                        key1,
                                        np.int64(idle),
                                        *embedding_of(slope, embedding[SLOTS], 0, embedding),
                                    ),
                                )
                            call(
                                calls[OPTIMISER],
                                (
                                    theta,
                                    slope,
                                    moment,
                                    second,
                                    blocks,
                                    np.int64(k),
                                    rates[j, k],
                                    decay[k],
                                    l1[k],
                                    l2[k],
                                    solver,
                                    np.int64(t + j - first + 1),
                                ),
                            )
                            if switches[BOUNDS_NORMS] != 0:
                                for i in range(last + 1):
                                    d, h = sizes[i], sizes[i + 1]
                                    place = layers[i, WEIGHT] + k * h * d
                                    project_max_norm(matrix(theta, place, h, d), bound[k])
                for k in range(start, after):
                    if closed > 0 and counts[ENDED, k] == GOES_ON:
                        close_epoch(
                            k,
                            before + number,
                            number,
                            np.float64(total[k]) / per_epoch,
                            *(watch, valid, nets, theta, running),
                            *(sizes, layers, blocks, embedding, columns, quantile[k], calls),
                            (z_flat, *chunk, means, spreads),
                        )
                        total[k] = 0
            start = after

    return run
