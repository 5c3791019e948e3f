"""A net as a list of blocks: whoever needs to know what a net is walks the list."""

from __future__ import annotations

import functools
import math
from types import SimpleNamespace

from skreg.net.activation import KINDS, Activation
from skreg.net.batch_norm import BatchNorm
from skreg.net.block import Block
from skreg.net.categories import Categories
from skreg.net.cutout import CutOut
from skreg.net.dropout import Dropout, InputDropout, owners_of
from skreg.net.group_lasso import GroupLasso, group_numbers
from skreg.net.input_noise import InputNoise
from skreg.net.layer_norm import LayerNorm
from skreg.net.linear import Linear
from skreg.net.mixing import Mixing
from skreg.net.own import OwnNet
from skreg.net.parameter import Role
from skreg.net.periodic import Periodic
from skreg.net.piecewise import Piecewise
from skreg.net.residual import Residual

#: The blocks that can be told something, in the order in which the estimators document it.
BLOCKS = (
    *(Periodic, Dropout, InputDropout, InputNoise, Mixing, CutOut),
    *(BatchNorm, LayerNorm, Residual, GroupLasso, Linear),
)

#: All knobs of nets.
KNOBS = tuple(knob for block in BLOCKS for knob in block.knobs)

#: Embeddings of numeric columns, by the name that ``numeric_embedding`` has for them.
EMBEDDINGS = {block.kind: block for block in (Periodic, Piecewise)}

#: What "auto" stands for where it embeds columns.
DEFAULT_EMBEDDING = Periodic.kind

#: Names of those that members of a stack share.
SHARED = tuple(knob.name for knob in KNOBS if knob.shared)

#: Those whose being on sets nets apart.
SPLITTING = tuple(knob for knob in KNOBS if knob.splits)

#: Names of those that initial values depend on.
STARTING = tuple(knob.name for knob in KNOBS if knob.starts)

#: Fields of a spec that say what the blocks of a net are.
WIRING = (
    *("embedded", "embedding", "owners", "levels", "feature_groups"),
    *("hidden", "n_outputs", "activation", "module", *SHARED),
)


class Net:
    """The wiring of a net, the same for all members of a stack.

    Parameters
    ----------
    blocks : list of Block

    Attributes
    ----------
    blocks : tuple of Block
        What rows go through.
    parts : tuple of Block
        The same with those that blocks hold (`Block.parts`).
    parameters : list of Parameter
        All of them: first those that are penalised, then the free ones, then those that are tracked,
        then those that are fixed.
    sizes : tuple of int
        Inputs of the first linear layer, hidden units, outputs.
    n_numbers : int
        Of one member: the entries of all parameters.
    work, flops : int
        Multiply-adds of a row on its way forward, and floating-point operations of its products in
        training; see `Block`.
    widest : int
        Entries a row of the widest activation, periodic functions included.
    owner : ndarray of int
        The column of the user's table that each input of the first linear layer was made of.
    front_width : int
        Those of the widest block in front of the first linear layer.
    launched : bool
        Whether all blocks can be launched on CUDA.
    mixes : bool
        Whether rows, and with them targets, are mixed with others of their minibatch.
    penalised : dict of str to int
        Number of the linear layer by the name of each penalised parameter.
    stepped : dict of str to Block
        The block that carries out the steps of a parameter, where it is not the solver alone.
    axes : dict of str to int
        Axis of the units of each parameter.
    """

    def __init__(self, blocks):
        self.blocks = tuple(blocks)
        self.parts = tuple(part for block in self.blocks for part in block.parts())
        roles = list(Role)
        found = [parameter for part in self.parts for parameter in part.parameters()]
        self.parameters = sorted(found, key=lambda parameter: roles.index(parameter.role))
        self.n_numbers = sum(math.prod(parameter.shape) for parameter in found)
        self.work = sum(part.work for part in self.parts)
        self.widest = max(part.width for part in self.parts)
        linear = [part for part in self.parts if isinstance(part, Linear)]
        if linear:
            self._measure_layers(linear)
        else:
            self._measure_module(self.blocks[0])
        self.penalised = {p.name: p.layer for p in found if p.role is Role.PENALISED}
        self.axes = {p.name: p.axis for p in found}
        self.stepped = {part.steps: part for part in self.parts if part.steps is not None}
        self.launched = all(type(part).launch is not Block.launch for part in self.parts)
        self.mixes = any(part.mixes for part in self.parts)
        self._normed = {part.layer for part in self.parts if isinstance(part, BatchNorm)}

    def _measure_layers(self, linear):
        """Sizes and costs of a net of linear layers."""
        self.sizes = (linear[0].n_in, *(block.n_out for block in linear))
        front = self.parts[: self.parts.index(linear[0])]
        trained = [sum(block.made for block in front), *self.sizes[1:-1]]
        products = (block.flops(n) for block, n in zip(linear, trained, strict=True))
        self.flops = sum(block.flops(0) for block in front) + sum(products)
        self.owner, self._first = front[-1].owner, front[-1]
        self.front_width = max(block.width for block in front)

    def _measure_module(self, block):
        """Those of a module of the user's."""
        self.sizes = block.n_columns, block.n_outputs
        self.flops, self.owner, self._first = block.flops(0), block.owner, block
        self.front_width = block.n_columns

    @classmethod
    def of(cls, spec, n_columns):
        """The net of a spec for a table of so many columns.

        Parameters
        ----------
        spec : Spec
            Of any member: only what the members of a stack share is read.
        n_columns : int

        Returns
        -------
        Net
            The same object for equal nets.
        """
        return _net(n_columns, *(getattr(spec, name) for name in WIRING), *switches(spec).values())

    @property
    def n_columns(self):
        """Columns of the tables that it takes."""
        return self.blocks[0].n_columns

    @property
    def n_layers(self):
        """Number of linear layers."""
        return len(self.sizes) - 1

    def input_names(self, columns):
        """Names of the inputs of the first linear layer, by those of the columns of the net's table."""
        return self._first.input_names(list(columns))

    def normed(self, layer):
        """Whether batch norm follows this linear layer."""
        return layer in self._normed

    def learned(self):
        """Pairs of name and shape of what is learned."""
        return [(p.name, p.shape) for p in self.parameters if p.role.learned]

    def tracked(self):
        """Pairs of name and shape of what is tracked."""
        return [(p.name, p.shape) for p in self.parameters if p.role is Role.TRACKED]

    def fixed(self):
        """Names of what is measured in the training rows."""
        return [p.name for p in self.parameters if p.role is Role.FIXED]

    def carried(self):
        """Pairs of name and shape of what is not learned: it is tracked, or fixed."""
        return [(p.name, p.shape) for p in self.parameters if not p.role.learned]

    def measure(self, X, weight):
        """Values of what is fixed, float64 arrays by name; see `Block.measure`."""
        return {n: v for part in self.parts for n, v in part.measure(X, weight).items()}

    def init(self, generator_of, spec):
        """Starting point of one member, float64 arrays by name, without what is fixed.

        Parameters
        ----------
        generator_of : callable
            Gives a new generator for the name of a purpose (`Block.draws`).
        spec : Spec
            Of the member; of the knobs those are read that initial values depend on (`STARTING`).
        """
        generators, params = {}, {}
        for part in self.parts:
            if part.draws not in generators:
                generators[part.draws] = generator_of(part.draws)
            params |= part.init(generators[part.draws], spec)
        return params

    def train(self, p, rows, minibatch):
        """Raw outputs (k, o, b) of the rows of a minibatch, as `Block.train`."""
        a = rows
        for block in self.blocks:
            a = block.train(p, a, minibatch)
        return a

    def evaluate(self, p, x):
        """Raw outputs (k, o, b) at predict of rows x (b, d)."""
        a = x.unsqueeze(0)
        for block in self.blocks:
            a = block.evaluate(p, a)
        return a

    def behind_first(self):
        """The blocks behind the first linear layer, from the last to the first."""
        first = next(i for i, block in enumerate(self.blocks) if isinstance(block, Linear))
        return self.blocks[:first:-1]

    def paths(self, p):
        """Squared strength (k, h) of the paths from each unit of the first linear layer to the outputs.

        The sum over all paths of the product of their squared weights, norms included (Neyshabur,
        Tomioka and Srebro, "Norm-Based Capacity Control in Neural Networks", COLT 2015).

        Parameters
        ----------
        p : dict of tensor
            All parameters by name, shape (k, ...).
        """
        weight = p["weight_0"]
        strength = weight.new_ones(len(weight), self.sizes[-1])
        for block in self.behind_first():
            strength = block.paths(p, strength)
        return strength

    def memory(self, drops_inputs):
        """Floats a row that a member needs for itself in training; see `Block.memory`."""
        return sum(part.memory(drops_inputs) for part in self.parts)

    def predict(self, params):
        """Steps in numpy of k nets, in their order; see `Block.predict`."""
        steps = []
        for block in self.blocks:
            block.predict(params, steps)
        return steps

    def modules(self, params, spec):
        """The torch modules of one net, in their order; see `Block.modules`."""
        return [module for block in self.blocks for module in block.modules(params, spec)]

    def describe(self, spec):
        """Rows of the summary: name, units, number of learned parameters, regularizers."""
        rows = []
        for part in self.parts:
            learned = (p for p in part.parameters() if p.role.learned)
            n = sum(math.prod(p.shape) for p in learned)
            for name, units, knobs in part.describe(spec):
                rows.append((name, units, n, knobs))
                n = 0  # the parameters stand in the first row of a block
        return rows

    def one_by_one(self, device, rows):
        """Whether members are trained faster one after the other, as `Block.one_by_one`."""
        return any(part.one_by_one(device, rows) for part in self.parts)

    def is_random(self, spec):
        """Whether Monte-Carlo prediction of such a net draws random numbers."""
        return any(part.is_random(spec) for part in self.parts)

    def idle(self, knobs):
        """Parameters that some members leave where they start, bool arrays (k,) by name."""
        return {name: mask for part in self.parts for name, mask in part.idle(knobs).items()}


def switches(spec):
    """Which of the knobs that set nets apart are on, bools by name."""
    return {knob.name: getattr(spec, knob.name) != knob.off for knob in SPLITTING}


def normed_layers(spec):
    """Which hidden layers have batch norm, a tuple of bools."""
    each = spec.batch_norm
    return each if isinstance(each, tuple) else (bool(each),) * len(spec.hidden)


@functools.lru_cache(maxsize=256)
def _net(n_columns, *wiring):
    """The net for so many columns. Nets are not changed once they are made, so they are shared."""
    names = *WIRING, *(knob.name for knob in SPLITTING)
    return Net(_blocks(n_columns, SimpleNamespace(**dict(zip(names, wiring, strict=True)))))


def _blocks(n_columns, spec):
    """The blocks of a net in their order; of knobs that set nets apart, spec says whether they are on."""
    if spec.module is not None:
        return [OwnNet(spec.module, n_columns, spec.n_outputs)]
    last, first = len(spec.hidden), _first(n_columns, spec)
    blocks, n_in = (
        [*_selecting(n_columns, spec, first), *_augmenting(n_columns, spec), first],
        first.n_out,
    )
    gain = KINDS[spec.activation].gain
    normed = normed_layers(spec)
    for layer, units in enumerate(spec.hidden):
        own = [Linear(layer, n_in, units, gain=gain, bias=not normed[layer])]
        if normed[layer]:
            own.append(BatchNorm(layer, units))
        if spec.layer_norm:
            own.append(LayerNorm(layer, units, n_in))
        own += [Activation(spec.activation, units), Dropout(layer, units)]
        if spec.residual and Residual.around(layer, spec.hidden):
            own = [Residual(units, own)]
        blocks += own
        n_in = units
    # A linear model starts at zero: its objective is convex.
    return [*blocks, Linear(last, n_in, spec.n_outputs, gain=1.0 if last else 0.0)]


def _first(n_columns, spec):
    """The block that makes inputs of the columns; see `_blocks`."""
    n_numeric, owners = n_columns - len(spec.levels), owners_of(n_columns, spec.owners)
    own = None if spec.owners is None else tuple(owners[:n_numeric].tolist())
    if spec.embedded:
        before_norm = any(normed_layers(spec)[:1])
        embedding = EMBEDDINGS[spec.embedding]
        first = embedding(spec.embedded, n_numeric, before_norm=before_norm, owners=own)
    else:
        first = InputDropout(n_numeric, own)
    return Categories(spec.levels, first, owners[n_numeric:]) if spec.levels else first


def _selecting(n_columns, spec, first):
    """The block that takes columns out, by what the first linear layer is given."""
    if not spec.group_l1:
        return []
    groups, scaled = group_numbers(first.owner, spec.feature_groups), len(spec.hidden) > 0
    units = (*spec.hidden, spec.n_outputs)[0]
    return [GroupLasso(n_columns, groups, units, scaled=scaled)]


def _augmenting(n_columns, spec):
    """The blocks that change rows in training, in front of all that is made of their columns."""
    blocks = []
    if spec.mixup or spec.cutmix:
        blocks.append(Mixing(n_columns, spec.owners, len(spec.levels)))
    if spec.cutout:
        blocks.append(CutOut(n_columns, spec.owners, spec.levels))
    if spec.input_noise:
        blocks.append(InputNoise(n_columns, len(spec.levels)))
    return blocks
