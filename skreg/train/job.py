"""What one fit asks for (`Spec`, `Job`) and what it gets back (`Result`)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, make_dataclass
from typing import Any

import numpy as np

from skreg.net.net import KNOBS, WIRING
from skreg.net.own import OwnModule
from skreg.train.checkpoint import Checkpoint, check

#: Fields of `Spec` that have to be equal for members of one stack; all others may differ.
SHAPE_FIELDS = (
    *WIRING,
    "loss",
    "solver",
    "momentum",
    "nesterov",
    "beta_1",
    "beta_2",
    "epsilon",
    "batch_size",
    "shuffle",
    "dtype",
    "device",
)

#: A field for each knob of a block; tuples hold one number a layer.
_OfBlocks = make_dataclass("_OfBlocks", [(k.name, Any, k.off) for k in KNOBS], frozen=True)


@dataclass(frozen=True)
class Spec(_OfBlocks):
    """Resolved hyperparameters of one network: the knobs of its blocks (`skreg.net.net.KNOBS`) and these.

    Attributes
    ----------
    embedded : tuple of int or None
        Columns that have an embedding, ascending. None is a net without embeddings, an empty tuple one
        that found no column for them.
    embedding : str
        Which one (`skreg.net.net.EMBEDDINGS`).
    owners : tuple of int or None
        The column of the user's table that each column of the net's table was made of, ascending within
        each kind of column but not over all; None where each was made of its own.
    levels : tuple of int
        Levels of each of the last columns of the net's table, which hold the numbers of levels, 0 to
        levels - 1, and get a trained embedding.
    feature_groups : tuple of int or None
        The group of each column of the user's table, for ``group_l1``; None where each is one.
    hidden : tuple of int
        Units of each hidden layer, L in all.
    n_outputs : int
    module : skreg.net.own.OwnModule or None
        A module of the user's, which is then the whole net: ``dropout`` has a number for each of its layers
        of dropout, ``l1`` and ``l2`` one for each that has penalised weights, and ``batch_norm`` says whether
        it has any.
    activation, loss, solver, learning_rate, dtype, device : str
    ema_decay : float
        Of the average over epochs of the parameters, which is what is validated and kept; 0 for none.
    max_steps : int or None
        Ends training after so many minibatches, in the middle of an epoch if need be.
    """

    embedded: tuple[int, ...] | None = None
    embedding: str = "periodic"
    owners: tuple[int, ...] | None = None
    levels: tuple[int, ...] = ()
    feature_groups: tuple[int, ...] | None = None
    hidden: tuple[int, ...] = ()
    n_outputs: int = 1
    activation: str = "relu"
    module: OwnModule | None = None
    loss: str = "squared_error"
    quantile: float = 0.5
    label_smoothing: float = 0.0
    solver: str = "adam"
    learning_rate_init: float = 1e-3
    learning_rate: str = "constant"
    power_t: float = 0.5
    momentum: float = 0.9
    nesterov: bool = True
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    ema_decay: float = 0.0
    batch_size: int = 200
    shuffle: bool = True
    max_iter: int = 100
    max_steps: int | None = None
    max_time: float | None = None
    tol: float | None = None
    early_stopping: bool = False
    patience: int = 10
    min_delta: float = 0.0
    dtype: str = "float32"
    device: str = "cpu"

    @property
    def n_layers(self):
        """Number of linear layers; of a module of the user's, of those with penalised weights."""
        return len(self.hidden) + 1 if self.module is None else len(self.l1)

    @property
    def n_places(self):
        """Number of masks: for the inputs and each hidden layer, or each layer of dropout of a module."""
        return len(self.hidden if self.module is None else self.dropout) + 1

    @property
    def n_embedded(self):
        """Number of embedded columns."""
        return len(self.embedded or ())

    @property
    def numeric_embedding(self):
        """What the estimators call it."""
        return None if self.embedded is None else self.embedding


@dataclass
class Measure:
    """A number that is taken of a net at the end of each epoch, and has no part in its training.

    Attributes
    ----------
    name : str
        Of its column in the history.
    score : callable
        As `Job.score`, of the outputs of the validation rows or, where ``of_training``, of the training
        rows, which are then those that its nets show.
    shows_nets : bool
        As `Job.shows_nets`.
    of_training : bool
        Whether it looks at training rows. In a cohort each net is measured by itself then, and not
        their mean.
    """

    name: str
    score: Callable
    shows_nets: bool = False
    of_training: bool = False


@dataclass
class Job:
    """One network to train.

    Attributes
    ----------
    spec : Spec
    X : ndarray or CSR matrix, shape (n, d), of the dtype of the spec
    y : ndarray
        Class numbers, int64, shape (n,), for the multinomial loss; else floats, shape (n, o).
    sample_weight : ndarray or None, shape (n,)
        Positive; mean 1.
    seed : int
    X_val, y_val, sample_weight_val : as above or None
    score : callable or None
        ``score(raw)`` with the raw outputs of the validation rows, float64, shape (n_val, o); a larger
        score is better. It raises `skreg.train.validation.Undefined` in an epoch in which the metric has
        no value. None scores by the validation loss.
    shows_nets : bool
        Whether ``score`` is called as ``score(raw, nets)``. ``nets()`` gives a `Standing` of the net, or
        of each member of a cohort that still counts.
    measures : tuple of Measure
        What the history tells of each epoch besides. Epochs are closed one at a time then; by whom, and so
        the trained net, is the same with and without.
    start : dict or None
        Parameters to start from, under "optimiser" its state and under "epoch" the number of epochs
        behind it, so that the random bits go on.
    keep_optimiser : bool
        Whether the result carries the state of the optimiser.
    driver : callable or None
        ``driver(stack)`` runs through ``stack.epochs()`` in place of the engine, so that callbacks
        see each epoch; such a job trains alone.
    label : str
        How warnings name this job.
    n_batches : int or None
        Minibatches an epoch; None follows from the batch size.
    cohort : str or None
        Names the ensemble that this net is a member of. Its members are trained in one stack and
        stop together at the epoch at which the mean of their predictions is best; they share the
        targets and weights of the validation rows. Their shapes and ``n_batches`` must be equal.
    pause : int or None
        Epochs, counted from the very start of this training, after which the job hands back what it has
        come to (`Result.checkpoint`) unless it has ended before. The schedule is that of ``max_iter``.
    resume : Checkpoint or None
        Goes on from there, as if it had not been paused. Job and spec are else those that it was paused
        with. Members of a cohort and those with a driver can do neither.
    deadline : float
        By `time.perf_counter`: training ends with the best weights so far, as at ``max_time``, whenever it
        began. Unlike that limit it leaves epochs to a step that closes them.
    """

    spec: Spec
    X: Any
    y: np.ndarray
    sample_weight: np.ndarray | None = None
    seed: int = 0
    X_val: Any = None
    y_val: np.ndarray | None = None
    sample_weight_val: np.ndarray | None = None
    score: Callable | None = None
    shows_nets: bool = False
    measures: tuple[Measure, ...] = ()
    start: dict | None = None
    keep_optimiser: bool = False
    driver: Callable | None = None
    label: str = ""
    n_batches: int | None = None
    cohort: str | None = None
    pause: int | None = None
    resume: Checkpoint | None = None
    deadline: float = math.inf

    def __post_init__(self):
        check(self)

    @property
    def epochs_behind(self):
        """Epochs of this training before the stack that it enters now."""
        return 0 if self.resume is None else self.resume.epochs

    @property
    def alone(self):
        """Whether this job can not share a stack: kernels of other devices know one clock a stack."""
        return self.driver is not None or (self.start is not None and self.spec.device != "cpu")


@dataclass
class Result:
    """A trained network.

    Attributes
    ----------
    params : dict of ndarray
        By the names of the parameters of the net's blocks: ``weight_0 ... weight_L`` (units, inputs);
        ``bias_l`` or, in front of a batch norm, ``gain_l``, ``shift_l``, ``mean_l``, ``variance_l``
        (units,); of m columns with periodic embeddings ``embed_frequency``, ``embed_phase`` (m, 16),
        ``embed_weight`` (m, 3, 16) and ``embed_bias`` (m, 3); and what was measured in the rows:
        ``input_std``, ``input_mean`` (d,), ``embed_edges`` (m, 17). Of embedded categories
        ``category_vectors``, the tables of all columns one behind the other, each (levels, width).
    history : dict of list
        ``epoch``, ``train_loss``, ``valid_loss``, ``valid_score``, ``learning_rate``, and a column for
        each of the job's measures; in a cohort also ``ensemble_loss``, and the score and what is
        measured in validation rows are the ensemble's.
    n_iter, best_iter, n_steps, best_step : int
    stopped_by : str
    optimiser : dict or None
    checkpoint : Checkpoint or None
        To go on from, where it was paused (``stopped_by="paused"``). All else is as if training had
        ended there.
    seconds : float
        Of the stack that it was trained in, and of those before a pause.
    error : Exception or None
        What the job's own ``score`` raised; it ended that job alone.
    undefined : str or None
        Why the metric had no value in the last epoch that it had none.
    interrupted : bool
        Whether the user interrupted while this was trained (`skreg.parallel.trainer`).
    """

    params: dict
    history: dict = field(default_factory=dict)
    n_iter: int = 0
    best_iter: int = 0
    best_loss: float = math.inf
    n_steps: int = 0
    best_step: int = 0
    stopped_by: str = "max_iter"
    optimiser: dict | None = None
    checkpoint: Checkpoint | None = None
    seconds: float = 0.0
    error: Exception | None = None
    undefined: str | None = None
    interrupted: bool = False


@dataclass
class Standing:
    """A net at the end of an epoch, as a scorer that asks for nets is shown it.

    Attributes
    ----------
    job : Job
    outputs : ndarray of float64, shape (n_val, o)
        Raw outputs of the validation rows.
    result : callable
        ``result()`` gives the `Result` that there would be if training ended with this epoch and its
        weights were kept.
    """

    job: Job
    outputs: np.ndarray
    result: Callable
