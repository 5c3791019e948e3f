"""The group lasso on the weights that leave a column: what takes a whole column out of a net, exactly.

A group is all inputs of the first linear layer that were made of one column of the user's table, or of
the columns that ``feature_groups`` puts together. With W_g its weights (units, inputs of the group) and
p_g the number of its inputs the penalty is, for a linear model, that of Yuan and Lin (2006),

    P(W) = sum_g sqrt(p_g) * ||W_g||

In a net with hidden layers the length of a weight means nothing: a batch norm undoes it, and so does the
next layer, so that all weights could shrink, and the penalty with them, while no column goes. What cannot
be undone is what a column can do to the outputs. With G_u the strength of all paths from unit u of the first
layer to the outputs, the sum of the products of their squared weights (`Net.paths`; Neyshabur et al. 2015),
and h units, the penalty is

    P(W) = sum_g sqrt(p_g) * sqrt(h * sum_u G_u * ||W_ug||^2)

which is the same whatever factor moves from one layer to the next. To G a tenth of its mean is added, so
that units which the outputs do not look at let columns go as well. For one unit and G = 1 it is the penalty
of the linear model; strengths mean about the same there and here.

Only what a unit looks at is penalised and not how much it says: in each step G is a constant, and the
gradient gets what keeps the length ||W_u|| of each unit from shrinking (`pull`). So one column always stays.

It is not differentiated where it has a kink. With s_u = 1 / sqrt(h G_u) the penalty is a group lasso of
W / s, whose proximal step in the metric of the solver takes columns out. A fixed point of training satisfies
the condition of optimality of loss and penalty among all weights of such lengths, whatever the metric. In a
diagonal metric H the proximal point of a group has no closed form: with v = w / s, D = H s^2 and
a = D z / s it is v = a rho / (D rho + c), where rho = ||v|| solves

    || a / (D rho + c) || = 1

and zero where ||a|| <= c. One over the left side is concave in rho, so Newton's method from the left
never overshoots (Conn, Gould and Toint 2000, section 7.3).

Before a net has learned anything, all columns look alike, and the penalty would keep those that were drawn
large. So its strength grows from zero over the first part of training (`RAMP`): of five columns that
count by products, among 200, three were found without it and five with it.

Minibatches are noisy: a column at zero would come back by chance, and go again. So it only comes back where
the mean of its gradients over many steps asks for it (`MEMORY`), as the condition of optimality does.
"""

from __future__ import annotations

import numpy as np
import torch

from skreg.net.block import Block
from skreg.net.knob import Knob
from skreg.net.parameter import Parameter, Role

#: Share of a new gradient in the mean that a column comes back by, after as many steps as it is one over.
MEMORY = 0.01

#: Steps of Newton's method at most; of 200 random groups none took more than 7 where metrics differed by 1e6.
MOST_STEPS = 50

#: Share of all steps in which the strength grows to what it is. 0.25 found more of five sines among 200
#: columns (20 of 20 in four tables, for 17) and left more useless columns in where effects are linear.
RAMP = 0.4

#: Share of the mean over units that is added to the strength of the paths of each; least that is allowed.
FLOOR, LEAST = 0.1, 1e-12

#: Name of the mean of gradients.
MEAN = "group_gradient"


class GroupLasso(Block):
    """What ``group_l1`` does to the weights of the first linear layer; rows pass it as they are.

    Parameters
    ----------
    n_columns : int
        Of the table.
    groups : ndarray of int, shape (d,)
        Number of the group, from 0, of each input of the first linear layer.
    units : int
        Of that layer.
    scaled : bool
        Whether weights count by the paths behind their unit: where there are hidden layers.
    """

    knobs = (
        Knob(
            "group_l1",
            "strength",
            """\
    group_l1 : float >= 0, default=0.0
        Strength of the group lasso on all weights that leave a column of X, with all that was made of
        it: its embedding, its levels, its indicator of gaps [7]_ [8]_. Proximal steps in the metric of the
        optimiser take columns out exactly: ``selected_features_``. Without hidden layers the penalty is
        sum_g sqrt(p_g) ||W_g||, with p_g inputs made of column g. In a net it is
        sum_g sqrt(p_g) sqrt(h sum_u G_u ||W_ug||^2) over the h units u of the first layer, with G_u the
        squared strength of all paths from u to the outputs, so that neither a batch norm nor another layer
        can undo it. It acts on which columns a unit looks at and not on how much it says, so that one
        column always stays. It is in units of the loss; 0.003 to 0.1 are usual. Columns go in the course
        of training: a net that is stopped early keeps more of them.
    feature_groups : array-like or None, default=None
        Columns that ``group_l1`` takes out together: a label for each column of X, or a list of lists of
        column numbers or names, where columns that are not named are groups of their own. None makes each
        column a group. Leave it out in RFE and its like, which fit to a part of the columns.
""",
            splits=True,
        ),
    )

    def __init__(self, n_columns, groups, units, *, scaled):
        self.n_columns = self.n_out = n_columns
        self.groups, self.units, self.scaled = groups, units, scaled
        #: What the strength of each group is multiplied by.
        self.factors = np.sqrt(np.bincount(groups))
        self.steps = "weight_0"

    def parameters(self):
        """See `Block.parameters`: the mean of gradients is tracked."""
        return [Parameter(MEAN, (self.units, len(self.groups)), Role.TRACKED)]

    def init(self, rng, spec):
        """See `Block.init`."""
        return {MEAN: np.zeros((self.units, len(self.groups)))}

    def train(self, p, a, minibatch):
        """See `Block.train`."""
        return a

    def evaluate(self, p, a):
        """See `Block.evaluate`."""
        return a

    def emit(self, program, a):
        """See `Block.emit`."""
        return a

    def predict(self, params, steps):
        """See `Block.predict`."""

    def step(self, step):
        """See `Block.step`."""
        p, grown = step.p, np.minimum(1.0, step.t / (RAMP * step.total))
        c = self._strengths(step.knobs["group_l1"] * torch.as_tensor(grown).to(step.p), p)
        groups, n = torch.as_tensor(self.groups, device=p.device), len(self.factors)
        lengths = torch.ones_like(p[:, :, 0])
        if self.scaled:
            lengths = lengths_of(step.paths)
            step.gradient = step.gradient - pull(p, lengths, c, groups)
        mean, fresh = step.running[MEAN], np.maximum(1 / step.t, MEMORY)
        mean.lerp_(step.gradient, torch.as_tensor(fresh).to(p).view(-1, 1, 1))
        asked = norms(mean * lengths.unsqueeze(2), groups, n)
        stays_out = (norms(p, groups, n) == 0) & (asked <= c)

        def prox(w, metric):
            w = proximal_point(w, metric.expand_as(w), lengths, c, groups)
            return w.masked_fill(stays_out[:, groups].unsqueeze(1), 0)

        step.solve(prox)

    def _strengths(self, strength, like):
        """That of each group (k, g), by those of the members (k,)."""
        return strength.view(-1, 1) * torch.as_tensor(self.factors).to(like)

    def emit_step(self, program, step):
        """See `Block.emit_step`."""
        from skreg.backends.cpu import group_lasso

        group_lasso.emit(self, program, step)

    def missing_on_cuda(self, kernels, sparse):
        """See `Block.missing_on_cuda`."""
        return "the group lasso (group_l1)"


def group_numbers(owner, feature_groups=None):
    """Number of the group of each input, from 0 and without gaps.

    Parameters
    ----------
    owner : sequence of int, shape (d,)
        The column of the user's table that each input was made of.
    feature_groups : sequence of int or None
        Label of each of the user's columns; None where each is a group of its own.

    Returns
    -------
    ndarray of int, shape (d,)

    Examples
    --------
    >>> group_numbers([0, 2, 2, 3]).tolist()
    [0, 1, 1, 2]
    >>> group_numbers([0, 2, 2, 3], (5, 5, 5, 1)).tolist()
    [1, 1, 1, 0]
    """
    owner = np.asarray(owner)
    labels = owner if feature_groups is None else np.asarray(feature_groups)[owner]
    return np.unique(labels, return_inverse=True)[1]


def lengths_of(paths):
    """What the weights of each unit count in units of (k, h), by the paths behind it (k, h)."""
    square = paths + FLOOR * paths.mean(dim=1, keepdim=True)
    return (paths.shape[1] * square.clamp(min=LEAST)).rsqrt()


def norms(weight, groups, n):
    """Norms (k, g) of the n groups of weights (k, h, d)."""
    squares = (weight**2).sum(dim=1)
    return squares.new_zeros(len(squares), n).index_add_(1, groups, squares).sqrt()


def value(weight, lengths, c, groups):
    """The penalty of each member (k,).

    Parameters
    ----------
    weight : tensor, shape (k, h, d)
    lengths : tensor, shape (k, h)
    c : tensor, shape (k, g)
        Strength of each group.
    groups : int64 tensor, shape (d,)

    Examples
    --------
    >>> import torch
    >>> weight, one = torch.tensor([[[3.0, 0.0], [4.0, 2.0]]]), torch.ones(1, 2)
    >>> value(weight, one, one, torch.tensor([0, 1])).item()
    7.0
    """
    return (c * norms(weight / lengths.unsqueeze(2), groups, c.shape[1])).sum(dim=1)


def pull(weight, lengths, c, groups):
    """What keeps the weights of each unit as long as they are (k, h, d), of the arguments of `value`.

    Along the weights of a unit it is as strong as the gradient of the penalty.
    """
    v = weight / lengths.unsqueeze(2)
    norm = norms(v, groups, c.shape[1])
    share = torch.where(norm > 0, c / norm, torch.zeros_like(norm))
    of_unit = (v**2 * share[:, groups].unsqueeze(1)).sum(dim=2)
    square = (weight**2).sum(dim=2)
    return torch.where(square > 0, of_unit / square, torch.zeros_like(square)).unsqueeze(2) * weight


def proximal_point(w, metric, lengths, c, groups):
    """The minimiser over x of ``sum(metric * (x - w)^2) / 2 + sum_g c_g * ||x_g / lengths||``.

    Parameters
    ----------
    w, metric : tensor, shape (k, h, d)
    lengths : tensor, shape (k, h)
    c : tensor, shape (k, g)
    groups : int64 tensor, shape (d,)

    Returns
    -------
    tensor, shape (k, h, d)

    Examples
    --------
    In one metric for all it is the closed form, which takes the same length from each group:

    >>> import torch
    >>> w, one = torch.tensor([[[3.0, 0.1], [4.0, 0.1]]]), torch.ones(1, 2)
    >>> proximal_point(w, torch.ones(1, 2, 2), one, one, torch.tensor([0, 1])).tolist()
    [[[2.4000000953674316, 0.0], [3.200000047683716, 0.0]]]
    """
    n, s = c.shape[1], lengths.unsqueeze(2)
    d = metric * s**2
    a = d * (w / s)
    size = norms(a, groups, n)
    largest = d.amax(dim=1)
    places = groups.expand(len(c), -1)
    bound = torch.zeros_like(c).scatter_reduce_(1, places, largest, "amax", include_self=False)
    rho = ((size - c) / bound).clamp(min=0)
    enough = 4 * torch.finfo(w.dtype).eps
    for _ in range(MOST_STEPS):
        below = d * rho[:, groups].unsqueeze(1) + c[:, groups].unsqueeze(1)
        q = a / below
        square = norms(q, groups, n) ** 2
        slope = norms(q * (d / below).sqrt(), groups, n) ** 2
        more = square * (square.sqrt() - 1) / slope
        more = torch.where((size > c) & (more > 0), more, torch.zeros_like(more))
        rho = rho + more
        if not bool((more > enough * rho).any()):
            break
    wide = rho[:, groups].unsqueeze(1)
    x = a * wide / (d * wide + c[:, groups].unsqueeze(1)) * s
    return torch.where((size > c)[:, groups].unsqueeze(1), x, torch.zeros_like(x))
