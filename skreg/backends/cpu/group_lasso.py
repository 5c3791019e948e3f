"""Kernels of the group lasso, for `skreg.net.group_lasso`, where the mathematics stands."""

from __future__ import annotations

import functools

import numpy as np

from skreg.backends.constants import TINY
from skreg.backends.cpu.optimisers import finish_kernel, point_kernel, solver_kernel
from skreg.backends.cpu.pieces import (
    RATES,
    STEP,
    STEPS,
    entry,
    kernel,
    matrix,
    numbers,
    part,
    vector,
)

_WHOLE, _DOUBLE = np.int64(0), np.float64(0)


def emit(block, program, step):
    """Append the step of the weights that the block acts on to the program of a minibatch.

    Parameters
    ----------
    block : skreg.net.group_lasso.GroupLasso
    program : skreg.backends.cpu.program.Training
    step : dict of int
        What the row of a solver holds (`skreg.backends.cpu.optimisers`).
    """
    from skreg.net.group_lasso import FLOOR, LEAST, MEAN, MEMORY, MOST_STEPS, RAMP

    solver, dtype = program.model.spec.solver, program.dtype
    h, d, n = block.units, len(block.groups), len(block.factors)
    order = np.argsort(block.groups, kind="stable")
    starts = np.searchsorted(block.groups[order], np.arange(n + 1))
    tables = np.concatenate([block.groups, order, starts]).astype(np.int64)
    shared = {"h": h, "d": d, "n": n, "tables": program.address(tables)}
    shared["factors"] = program.address(block.factors.astype(dtype))
    shared |= {
        "lengths": program.floats(h),
        "outs": program.floats(n),
        "strength": program.floats(1),
    }
    knobs, told = program.model.knobs, program.address(np.array([MEMORY, FLOOR, LEAST, RAMP]))
    program.add(
        units_kernel(dtype),
        **{"h": h, "paths": program.paths() if block.scaled else 0, "told": told},
        **{"lengths": shared["lengths"], "strength": shared["strength"]},
        **{"strengths": program.knob(knobs.group_l1), "max_iters": program.address(knobs.max_iter)},
    )
    program.add(
        before_kernel(dtype),
        **shared,
        **{"w": step["p"], "g": step["g"], "mean": program.parameter(MEAN), "told": told},
        **{"scaled": block.scaled, "work": program.floats(2 * n + 2 * d)},
    )
    # The point that SGD takes the proximal step from is a buffer of the thread; that of Adam stands
    # where the weights of all members do.
    point, bytes_ = step["p"], h * d * program.item
    if solver == "sgd":
        point, bytes_ = program.floats(h * d), 0
        program.add(point_kernel(dtype), **step, point=point)
    else:
        program.add(solver_kernel(solver, dtype), **step)
    metric = program.floats(h * d)
    told = {"n": h * d, "v": step["v"], "options": step["options"]}
    program.add(metric_kernel(solver, dtype), **told, metric=metric)
    program.add(
        proximal_kernel(dtype),
        **shared,
        **{"w": point, "w_bytes": bytes_, "metric": metric},
        **{"most": MOST_STEPS, "work": program.floats(3 * h * d + 4 * d)},
    )
    if solver == "sgd":
        program.add(finish_kernel(dtype), **step, point=point)


@functools.cache
def metric_kernel(solver, dtype):
    """What the entries of a step were divided by, (n,): of Adam by their second moments."""
    return _metric_of_sgd(dtype) if solver == "sgd" else _metric_of_adam(dtype)


def _metric_of_sgd(dtype):
    ZERO, ONE = (getattr(np, dtype)(number) for number in (0, 1))

    @kernel("n v options metric")
    def metric_of_sgd(frame, row, k):
        n, _v, _options, metric = numbers(row, 4)
        metric, value = vector(ZERO, metric, n), ONE / entry(ZERO, frame[RATES], k)
        for i in range(n):
            metric[i] = value

    return metric_of_sgd


def _metric_of_adam(dtype):
    F = getattr(np, dtype)
    ZERO, ITEM = F(0), np.dtype(dtype).itemsize

    @kernel("n v options metric")
    def metric_of_adam(frame, row, k):
        n, v, options, metric = numbers(row, 4)
        v, options = vector(ZERO, v + k * n * ITEM, n), vector(_DOUBLE, options, 5)
        metric, rate = vector(ZERO, metric, n), entry(ZERO, frame[RATES], k)
        eps, c2 = F(options[2]), F(options[4])
        for i in range(n):
            metric[i] = (np.sqrt(v[i] * c2) + eps) / rate

    return metric_of_adam


@part
def _squares(rows, lengths, divide, groups, columns, out):
    """Sums of the squares of a matrix (h, d), lines times or over ``lengths`` (h,), by group (n,).

    Those of the inputs come first, in ``columns`` (d,): what goes to the place of a group is no vector code.
    """
    zero, one = rows.dtype.type(0), rows.dtype.type(1)
    columns[:], out[:] = zero, zero
    for u in range(rows.shape[0]):
        scale = one / lengths[u] if divide else lengths[u]
        for j in range(rows.shape[1]):
            value = rows[u, j] * scale
            columns[j] += value * value
    for j in range(rows.shape[1]):
        out[groups[j]] += columns[j]


@functools.cache
def units_kernel(dtype):
    """The strength at this step, and what the weights of each unit count in units of.

    ``paths`` (h,) as of `skreg.net.net.Net.paths`, 0 where weights count as they are.
    """
    F = getattr(np, dtype)
    ZERO, ONE = F(0), F(1)

    @kernel("h paths told lengths strength strengths max_iters")
    def group_units(frame, row, k):
        h, paths, told, lengths, strength, strengths, max_iters = numbers(row, 7)
        told, lengths = vector(_DOUBLE, told, 4), vector(ZERO, lengths, h)
        ramp = told[3] * entry(_WHOLE, max_iters, k) * frame[STEPS]
        grown = F(min(1.0, frame[STEP] / ramp))
        vector(ZERO, strength, 1)[0] = entry(ZERO, strengths, k) * grown
        if paths == 0:
            lengths[:] = ONE
            return
        paths, mean = vector(ZERO, paths, h), ZERO
        for u in range(h):
            mean += paths[u]
        more, least = F(told[1]) * mean / F(h), F(told[2])
        for u in range(h):
            square = paths[u] + more
            lengths[u] = ONE / np.sqrt(F(h) * (square if square > least else least))

    return group_units


@functools.cache
def before_kernel(dtype):
    """Before the solver: what keeps units as long as they are, and which groups may not come back.

    ``outs`` (n,): 1 for groups that are out and stay out; ``tables``: the group of each input (d,), the
    inputs group by group (d,), and where each group begins (n + 1,).
    """
    F = getattr(np, dtype)
    ZERO, ONE, ITEM = F(0), F(1), np.dtype(dtype).itemsize
    SMALL = F(TINY[dtype])

    @kernel("h d n tables factors lengths outs strength scaled work w g mean told")
    def group_before(frame, row, k):
        h, d, n, tables, factors, lengths, outs, strength, scaled, work, w, g, mean, told = numbers(
            row, 14
        )
        groups, own = vector(_WHOLE, tables, d), k * h * d * ITEM
        w, g = matrix(ZERO, w + own, h, d), matrix(ZERO, g, h, d)
        mean, factors = matrix(ZERO, mean + own, h, d), vector(ZERO, factors, n)
        lengths, outs, told = (
            vector(ZERO, lengths, h),
            vector(ZERO, outs, n),
            vector(_DOUBLE, told, 4),
        )
        work, strength = vector(ZERO, work, 2 * (n + d)), entry(ZERO, strength, 0)
        size, asked, share, columns = (
            work[:n],
            work[n : 2 * n],
            work[2 * n : 2 * n + d],
            work[2 * n + d :],
        )
        _squares(w, lengths, True, groups, columns, size)
        if scaled:
            for j in range(d):
                norm = np.sqrt(size[groups[j]])
                share[j] = strength * factors[groups[j]] / norm if norm > ZERO else ZERO
            for u in range(h):
                per, total, square = ONE / lengths[u], ZERO, ZERO
                for j in range(d):
                    value = w[u, j] * per
                    square += w[u, j] * w[u, j]
                    total += value * value * share[j]
                total = total / square if square > ZERO else ZERO
                for j in range(d):
                    g[u, j] -= total * w[u, j]
        fresh = F(max(1.0 / frame[STEP], told[0]))
        for u in range(h):
            for j in range(d):
                value = mean[u, j] + fresh * (g[u, j] - mean[u, j])
                mean[u, j] = ZERO if abs(value) < SMALL else value
        _squares(mean, lengths, False, groups, columns, asked)
        for i in range(n):
            stays = size[i] == ZERO and np.sqrt(asked[i]) <= strength * factors[i]
            outs[i] = ONE if stays else ZERO

    return group_before


@part
def _root(a, d, c, size, largest, enough, most):
    """The length of the proximal point of a group whose numbers are these, by Newton's method."""
    one, zero = a.dtype.type(1), a.dtype.type(0)
    rho = (size - c) / largest
    for _ in range(most):
        square, slope = zero, zero
        for i in range(a.shape[0]):
            below = one / (d[i] * rho + c)
            q = a[i] * below
            square += q * q
            slope += q * q * d[i] * below
        more = square * (np.sqrt(square) - one) / slope
        if not more > enough * rho:
            break
        rho += more
    return rho


@functools.cache
def proximal_kernel(dtype):
    """The proximal step of a member's weights (h, d), in place; ``metric`` (h, d) is written over.

    Most groups are out of it at a glance, by the squares of their inputs; the numbers of the others are put
    side by side for Newton's method.
    """
    F = getattr(np, dtype)
    ZERO, ITEM = F(0), np.dtype(dtype).itemsize
    ENOUGH = F(4 * np.finfo(dtype).eps)

    @kernel("h d n tables factors lengths outs strength work most w w_bytes metric")
    def group_proximal(frame, row, k):
        h, d, n, tables, factors, lengths, outs, strength, work, most, w, w_bytes, metric = numbers(
            row, 13
        )
        order, starts = vector(_WHOLE, tables + 8 * d, d), vector(_WHOLE, tables + 16 * d, n + 1)
        w, metric = matrix(ZERO, w + k * w_bytes, h, d), matrix(ZERO, metric, h, d)
        lengths, outs = vector(ZERO, lengths, h), vector(ZERO, outs, n)
        factors, strength = vector(ZERO, factors, n), entry(ZERO, strength, 0)
        values, work = matrix(ZERO, work, h, d), work + h * d * ITEM
        own, own_metric = vector(ZERO, work, h * d), vector(ZERO, work + h * d * ITEM, h * d)
        columns = matrix(ZERO, work + 2 * h * d * ITEM, 4, d)
        squares, largest, roots, strengths = columns[0], columns[1], columns[2], columns[3]
        squares[:] = ZERO
        largest[:] = ZERO
        for u in range(h):
            s = lengths[u]
            for j in range(d):
                scale = metric[u, j] * s
                value = scale * w[u, j]
                scale *= s
                values[u, j], metric[u, j] = value, scale
                squares[j] += value * value
                largest[j] = scale if scale > largest[j] else largest[j]
        for i in range(n):
            c, square, highest, rho, at = strength * factors[i], ZERO, ZERO, ZERO, 0
            for m in range(starts[i], starts[i + 1]):
                square += squares[order[m]]
                highest = max(highest, largest[order[m]])
            size = np.sqrt(square)
            # NaN is larger than nothing, and stays.
            if not (size <= c or outs[i] != ZERO):
                for m in range(starts[i], starts[i + 1]):
                    j = order[m]
                    for u in range(h):
                        own[at], own_metric[at] = values[u, j], metric[u, j]
                        at += 1
                rho = _root(own[:at], own_metric[:at], c, size, highest, ENOUGH, most)
            for m in range(starts[i], starts[i + 1]):
                roots[order[m]], strengths[order[m]] = rho, c
        for u in range(h):
            s = lengths[u]
            for j in range(d):
                rho = roots[j]
                x = values[u, j] * rho / (metric[u, j] * rho + strengths[j]) * s
                w[u, j] = ZERO if rho == ZERO else x

    return group_proximal
