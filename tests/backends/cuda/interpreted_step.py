"""The CUDA step equals the reference, its kernels run by Triton's interpreter on the CPU.

Not collected by itself: the interpreter has to be chosen before triton is imported, so `test_step`
runs this file in a process of its own. The interpreter is slow, and the nets are tiny.
"""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import pytest
import torch
import triton
import triton.language as tl

from skreg.backends import self_check
from skreg.backends.cuda import kernels as kernels
from skreg.backends.cuda.recording import ATTEMPTS, WARM_UP, Sequence
from skreg.backends.cuda.step import FusedCudaStep
from skreg.backends.reference import ReferenceStep
from skreg.net.activation import NUMBERS, Activation
from skreg.net.batch_norm import BatchNorm
from skreg.net.dropout import Dropout, InputDropout
from skreg.net.linear import Linear
from skreg.net.net import Net
from skreg.train import stack as stack_module
from skreg.train.feed import Epoch, Feed, Fingerprint
from skreg.train.knobs import Knobs
from skreg.train.state import State, initial_parameters
from tests.backends.test_oracle import LOSSES, SOLVERS
from tests.train.helpers import assert_same_result, fit, make_job

assert os.environ.get("TRITON_INTERPRET") == "1", "run by test_step"

#: The most that results may differ by. In float32 few steps and a smooth objective keep rounding small.
ATOL = {"float64": 1e-10, "float32": 1e-5}


def tiny(n=9, d=3, **options):
    """Two minibatches of an epoch of a net with five hidden units."""
    options = {"hidden": (3, 2), "batch_size": 5, "max_iter": 1, **options}
    return make_job(n=n, d=d, **options)


def settings(**shared):
    """Two members on tables of 9 and 8 rows that differ in every knob that may differ."""
    own = (
        {"dropout": (0.0, 0.4), "l1": (0.01, 0.0, 0.2), "max_norm": 0.7},
        {"dropout": (0.5, 0.0), "l2": (0.0, 0.3, 0.1), "weight_decay": 0.3, "input_dropout": 0.3},
    )
    sizes = ({"n": 9}, {"n": 8, "table": 1, "seed": 1, "label_smoothing": 0.2})
    rates = ({"learning_rate_init": 0.01}, {"learning_rate_init": 0.003, "quantile": 0.3})
    parts = zip(own, sizes, rates, strict=True)
    return [tiny(weighted=True, **{**shared, **a, **b, **c}) for a, b, c in parts]


def kernel_results(jobs):
    """Results of jobs that are trained by the CUDA step."""
    return fit(jobs, FusedCudaStep)


def assert_equals_reference(jobs):
    atol = ATOL[jobs[0].spec.dtype]
    for one, other in zip(kernel_results(jobs), fit(jobs), strict=True):
        assert_same_result(one, other, atol=atol)


#: The activations that the kernels have; nets with others are left to the reference.
CUDA_ACTIVATIONS = [name for name, i in NUMBERS.items() if i <= kernels.LAST_ACTIVATION]


def mix(i, names):
    """Entry i of a table of options, from the start again behind its end."""
    return dict(names[list(names)[i % len(names)]])


@pytest.mark.parametrize("activation", CUDA_ACTIVATIONS)
def test_activations_losses_and_solvers(activation):
    """Each with one of the others, every second one with batch norm."""
    i = NUMBERS[activation]
    loss = list(LOSSES)[i % len(LOSSES)]
    options = {**mix(i, LOSSES), **mix(i, SOLVERS), "loss": loss, "batch_norm": i % 2 == 1}
    assert_equals_reference(settings(activation=activation, **without_own(options)))


def without_own(options):
    """Options that the two members do not set for themselves."""
    return {key: value for key, value in options.items() if key not in ("weight_decay", "quantile")}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ATOL)
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch_norm"])
@pytest.mark.parametrize("activation", CUDA_ACTIVATIONS)
def test_activations_in_full(activation, batch_norm, dtype):
    options = {"activation": activation, "batch_norm": batch_norm, "dtype": dtype}
    assert_equals_reference(settings(epsilon=0.1, **options))


@pytest.mark.slow
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch_norm"])
@pytest.mark.parametrize("loss", LOSSES)
def test_losses_in_full(loss, batch_norm):
    options = without_own({"loss": loss, "batch_norm": batch_norm, **LOSSES[loss]})
    assert_equals_reference(settings(**options))


@pytest.mark.slow
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch_norm"])
@pytest.mark.parametrize("name", SOLVERS)
def test_solvers_in_full(name, batch_norm):
    assert_equals_reference(settings(batch_norm=batch_norm, **without_own(SOLVERS[name])))


@pytest.mark.parametrize(("loss", "solver"), [("multinomial", "adam"), ("binomial", "sgd")])
def test_float32(loss, solver):
    # With a small epsilon Adam would turn a gradient that is zero but for rounding into a full step.
    options = {"loss": loss, "solver": solver, "n_outputs": 3, "epsilon": 0.1}
    jobs = settings(dtype="float32", activation="gelu", batch_norm=True, **options)
    assert kernel_results(jobs)[0].params["weight_0"].dtype == np.float32
    assert_equals_reference(jobs)


#: Table of each member: all of one stream, streams of as many, streams of unequal numbers.
STREAMS = {"one": (0, 0, 0), "all differ": (0, 1), "unequal": (0, 0, 1)}


@pytest.mark.parametrize("streams", STREAMS.values(), ids=STREAMS)
def test_streams(streams):
    """Members of a stream share their inputs where none are dropped."""
    jobs = [
        tiny(n=9 - table, table=table, hidden=(2,), learning_rate_init=0.01 * (i + 1))
        for i, table in enumerate(streams)
    ]
    assert_equals_reference(jobs)


@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch_norm"])
def test_embedded_columns(batch_norm):
    """One member drops its columns with all that was made of them, and has fewer rows."""
    assert_equals_reference(settings(embedded=(0, 2), batch_norm=batch_norm))


@pytest.mark.parametrize("embedded", [None, (0, 2)], ids=["plain", "embedded"])
def test_columns_of_one_owner_are_dropped_together(embedded):
    assert_equals_reference(settings(embedded=embedded, owners=(4, 0, 4)))


def test_biases_that_a_batch_norm_takes_off_are_left_where_they_are():
    """To the last bit, as their gradient would be of rounding alone; the other member drops inputs."""
    jobs = settings(embedded=(0, 2), batch_norm=True)
    for job, result, stays in zip(jobs, kernel_results(jobs), (True, False), strict=True):
        start = initial_parameters(Net.of(job.spec, 3), job.spec, job.seed)["embed_bias"]
        assert (result.params["embed_bias"] == start).all() == stays


def test_embedded_columns_in_float32():
    jobs = settings(embedded=(0, 2), batch_norm=True, dtype="float32", epsilon=0.1)
    assert kernel_results(jobs)[0].params["embed_weight"].dtype == np.float32
    assert_equals_reference(jobs)


@pytest.mark.parametrize("hidden", [(), (2,)], ids=["linear", "hidden"])
def test_embedded_columns_of_streams(hidden):
    """Each member has inputs of its own, made of the minibatch of its stream."""
    jobs = [
        tiny(n=9 - table, table=table, hidden=hidden, embedded=(1,), solver="sgd", max_norm=1.0)
        for table in STREAMS["unequal"]
    ]
    assert_equals_reference(jobs)


@pytest.mark.parametrize("dtype", ATOL)
def test_waves_of_arguments_of_any_size(dtype):
    """What is asked for is the function at the very argument, which has few digits behind its point."""

    @triton.jit
    def waves(u, cosine, sine, BLOCK: tl.constexpr):
        i = tl.arange(0, BLOCK)
        value = tl.load(u + i)
        tl.store(cosine + i, kernels._cosine(value))
        tl.store(sine + i, kernels._sine(value))

    scales = torch.tensor([1e-30, 1e-3, 0.25, 0.5, 1.0, 3.0, 1e3, 1e12])
    steps = torch.linspace(-1, 1, 32, dtype=torch.float64)
    u = (scales.unsqueeze(1) * steps).flatten().to(getattr(torch, dtype))
    found = torch.empty_like(u), torch.empty_like(u)
    waves[(1,)](u, *found, BLOCK=len(u))
    exact = u.numpy().astype(np.longdouble)
    turn = 2 * np.longdouble(np.pi) * (exact - np.round(exact))
    atol = {"float32": 2e-7, "float64": 1e-14}[dtype]
    for values, function in zip(found, (np.cos, np.sin), strict=True):
        np.testing.assert_allclose(values.numpy(), function(turn), rtol=0, atol=atol)


def test_targets_of_one_stream_may_differ():
    jobs = [tiny(hidden=(2,), n_outputs=2) for _ in range(2)]
    jobs[1].y = jobs[1].y[:, ::-1].copy()
    assert_equals_reference(jobs)


def test_all_that_can_be_one_is():
    """One member, one column, one unit, one row a minibatch."""
    for embedded in (None, (0,)):
        options = {"hidden": (1,), "batch_size": 1, "max_norm": 1.0, "embedded": embedded}
        assert_equals_reference([tiny(n=3, d=1, **options)])


def test_linear_model_with_ties():
    """Residuals are exactly zero where the target is: the loss has a kink there."""
    job = tiny(hidden=(), loss="pinball", quantile=0.2)
    job.y[::2] = 0.0
    assert_equals_reference([job])


def test_rows_wider_than_a_program(monkeypatch):
    """Rows, inputs and weights in several pieces, the last of them not full."""
    monkeypatch.setattr(kernels, "WIDEST", 16)
    jobs = [
        tiny(n=40, d=18, hidden=(2,), batch_size=20, batch_norm=True, dropout=0.3, **own)
        for own in ({"max_norm": 0.5, "input_dropout": 0.2}, {"l1": 0.01, "input_dropout": 0.1})
    ]
    assert_equals_reference(jobs)


def test_embedded_rows_wider_than_a_program(monkeypatch):
    """What is added up of an embedding is of all pieces of the rows."""
    monkeypatch.setattr(kernels, "WIDEST", 16)
    options = {"hidden": (2,), "batch_size": 40, "dropout": 0.3, "embedded": (0, 2)}
    jobs = [tiny(n=40, **options, input_dropout=rate) for rate in (0.0, 0.2)]
    assert_equals_reference(jobs)


def test_members_end_at_different_epochs():
    """The others go on as if nothing had been: the stack is built again without the gap."""
    jobs = [tiny(n_val=5, max_iter=i + 1, hidden=(2,), seed=i) for i in range(2)]
    assert_equals_reference(jobs)


def test_members_are_judged_on_the_device(monkeypatch):
    """Validated by an average, ended by patience, the best kept; several epochs without a look."""
    ran, run_epochs = [], FusedCudaStep.run_epochs

    def noted(step, number, count, *others):
        ran.append(count)
        return run_epochs(step, number, count, *others)

    monkeypatch.setattr(FusedCudaStep, "run_epochs", noted)
    monkeypatch.setattr(stack_module, "_PAUSE", 1e3)
    options = {"early_stopping": True, "patience": 2, "ema_decay": 0.8, "max_iter": 6}
    options |= {"hidden": (2,), "learning_rate_init": 0.3, "n_outputs": 2, "batch_size": 9}
    options |= {"loss": "multinomial"}
    jobs = [tiny(n_val=5, seed=seed, **options) for seed in range(3)]
    jobs[2].X_val = None
    assert_equals_reference(jobs)
    assert ran[0] == 5
    assert {r.stopped_by for r in kernel_results(jobs)} == {"patience", "max_iter"}


def test_a_pause_changes_nothing(monkeypatch):
    """The clock of a stack is that of what was paused, for its averages too; none is trained on."""
    monkeypatch.setattr(stack_module, "_PAUSE", 1e3)
    options = {
        "early_stopping": True,
        "patience": 9,
        "ema_decay": 0.8,
        "max_iter": 6,
        "hidden": (2,),
    }
    jobs = [tiny(n_val=5, seed=i, dropout=0.3, keep_optimiser=True, **options) for i in range(2)]
    whole, resume = kernel_results(jobs), [None, None]
    for pause in (2, 3, None):
        changes = [{"pause": pause, "resume": r} for r in resume]
        part = [dataclasses.replace(j, **c) for j, c in zip(jobs, changes, strict=True)]
        results = kernel_results(part)
        resume = [result.checkpoint for result in results]
    for one, other in zip(results, whole, strict=True):
        assert_same_result(one, other, atol=0)
        assert one.optimiser["t"] == other.optimiser["t"] == 12


def test_a_step_limit_in_the_middle_of_an_epoch():
    assert_equals_reference([tiny(hidden=(2,), max_steps=3, max_iter=4)])


def test_a_member_that_diverges_leaves_the_others_alone():
    jobs = [tiny(hidden=(2,), learning_rate_init=rate, solver="sgd") for rate in (0.01, 1e300)]
    with np.errstate(all="ignore"):
        one, other = kernel_results(jobs)
    assert other.stopped_by == "diverged"
    assert_same_result(one, fit(jobs[0]), atol=1e-10)


@pytest.mark.parametrize("embedded", [None, (0,)], ids=["plain", "embedded"])
def test_the_self_check_finds_nothing(monkeypatch, embedded):
    monkeypatch.setattr(self_check, "_EPOCHS", 1)
    spec = tiny(batch_norm=True, loss="multinomial", n_outputs=3, embedded=embedded).spec
    assert self_check.verdict(FusedCudaStep, spec) == ""


class Taped:
    """Stands for a CUDA graph: what was recorded is replayed, and nothing else is looked at."""

    def __init__(self, launches, device=None):
        self.launches, self.taped, self.log = launches, None, []

    def launch(self):
        self.log.append("launch")
        for launch in self.launches:
            launch()

    def capture(self):
        self.log.append("capture")
        self.taped = tuple(self.launches)

    def replay(self):
        self.log.append("replay")
        for launch in self.taped:
            launch()


def prepared(step_type, jobs, net=None):
    """A step of a fresh stack, and its parameters."""
    spec = jobs[0].spec
    net = Net.of(spec, 3) if net is None else net
    feed = Feed(jobs, [Fingerprint.of(job) for job in jobs], torch.device("cpu"), {})
    state = State(net, len(jobs), spec.solver, spec.dtype, torch.device("cpu"))
    for k, job in enumerate(jobs):
        state.load(k, initial_parameters(net, job.spec, job.seed))
    return step_type(state, Knobs([job.spec for job in jobs]), feed, spec), state, feed


def train(step, feed, k, epochs=2, after_first=None):
    for number in range(epochs):
        rates = np.full((feed.steps, k), 0.01 / (number + 1))
        step.run(Epoch(*feed.epoch(number), rates), 0, feed.steps)
        if number == 0 and after_first is not None:
            after_first()


def recorded_jobs(**options):
    options = {"hidden": (2,), "n": 12, "batch_size": 4, "batch_norm": True, "l1": 0.01, **options}
    return [tiny(dropout=rate, **options) for rate in (0.0, 0.4)]


@pytest.mark.parametrize("embedded", [None, (0, 2)], ids=["plain", "embedded"])
def test_a_minibatch_is_a_fixed_sequence_that_reads_nothing_of_the_host(embedded):
    """Replayed for the second epoch, with new rates, orders and masks, when all the host knows is gone."""
    # With a small epsilon Adam turns what is nearly zero of an embedded bias into a full step.
    jobs = recorded_jobs(embedded=embedded, input_dropout=0.3 if embedded else 0.0, epsilon=0.1)
    reference, expected, feed = prepared(ReferenceStep, jobs)
    train(reference, feed, 2)
    step, state, feed = prepared(FusedCudaStep, jobs)
    step.minibatch.recording = Taped(step.launches)

    def forget():
        step.launches.clear()
        step.knobs = step.gradient = step.idle = None

    train(step, feed, 2, after_first=forget)
    launches = ["launch"] * WARM_UP
    assert step.minibatch.recording.log == [*launches, "capture", *["replay"] * (6 - WARM_UP)]
    assert (state.theta.flat - expected.theta.flat).abs().max() < 1e-10
    assert (state.running.flat - expected.running.flat).abs().max() < 1e-10
    np.testing.assert_allclose(step.take_losses(), reference.take_losses(), rtol=1e-10)


#: Hidden layers that no spec asks for: norm behind the activation and behind a bias, dropout in front of
#: both, two norms, two activations, none; and what stands behind the last product.
WIRINGS = {
    "norm behind an activation": ((Activation("tanh", 4), BatchNorm(0, 4), Dropout(0, 4)), ()),
    "norm behind a bias": ((BatchNorm(0, 4), Activation("tanh", 4)), ()),
    "dropout in front": ((Dropout(0, 4), BatchNorm(0, 4), Activation("silu", 4)), ()),
    "two norms": ((BatchNorm(0, 4), BatchNorm(1, 4), Dropout(0, 4)), ()),
    "two activations": ((Activation("tanh", 4), Activation("gelu", 4)), ()),
    "two linear layers": ((), ()),
    "outputs with an activation": ((Activation("tanh", 4),), (Activation("tanh", 2),)),
    "outputs with a norm": ((Activation("tanh", 4),), (BatchNorm(1, 2),)),
}


@pytest.mark.parametrize("wiring", WIRINGS.values(), ids=WIRINGS)
def test_the_wiring_is_that_of_the_blocks(wiring):
    hidden, behind = wiring
    linear = Linear(0, 3, 4, gain=1.0), Linear(1, 4, 2, gain=1.0, bias=not behind)
    net = Net([InputDropout(3), linear[0], *hidden, linear[1], *behind])
    options = {"hidden": (4,), "n_outputs": 2, "l1": 0.01, "epsilon": 0.1}
    jobs = [tiny(dropout=rate, input_dropout=rate / 2, **options) for rate in (0.0, 0.4)]
    (reference, expected, feed), (step, state, _) = (
        prepared(kind, jobs, net) for kind in (ReferenceStep, FusedCudaStep)
    )
    for each in (reference, step):
        train(each, feed, 2)
    assert (state.theta.flat - expected.theta.flat).abs().max() < 1e-10
    if len(state.running.flat):
        assert (state.running.flat - expected.running.flat).abs().max() < 1e-10
    np.testing.assert_allclose(step.take_losses(), reference.take_losses(), rtol=1e-10)


def fails(times):
    """A recording that fails so many times before it succeeds, in all."""
    left = [times]

    class Broken(Taped):
        def capture(self):
            if left[0]:
                left[0] -= 1
                raise RuntimeError("operation not permitted when stream is capturing")
            super().capture()

    return Broken


def trained_by(recording_type, monkeypatch):
    """A step of two epochs whose minibatches are recorded so; it ends where the reference does."""
    monkeypatch.setattr(Sequence, "recording_type", recording_type)
    jobs = recorded_jobs()
    reference, expected, feed = prepared(ReferenceStep, jobs)
    train(reference, feed, 2)
    step, state, feed = prepared(FusedCudaStep, jobs)
    step.minibatch.recording = recording_type(step.launches)
    train(step, feed, 2)
    assert (state.theta.flat - expected.theta.flat).abs().max() < 1e-10
    return step


def test_without_a_graph_the_launches_go_on_one_by_one(monkeypatch):
    with pytest.warns(RuntimeWarning, match="could not be captured .*not permitted.* one by one"):
        step = trained_by(fails(ATTEMPTS), monkeypatch)
    assert Sequence.recording_type is None
    assert not step.minibatch.recorded


def test_a_graph_that_others_broke_off_is_recorded_again(monkeypatch):
    broken = fails(ATTEMPTS - 1)
    step = trained_by(broken, monkeypatch)
    assert Sequence.recording_type is broken
    assert step.minibatch.recorded
    assert step.minibatch.recording.log == ["launch", "capture", "replay", "replay"]


def test_kernels_are_given_what_they_take():
    """Tensors and whole numbers: a float would be rounded to float32 on its way."""
    step, _, _ = prepared(FusedCudaStep, recorded_jobs(embedded=(0, 2)))
    launches = [launch for launch in step.launches if isinstance(launch, kernels.Launch)]
    assert {launch.kernel.fn.__name__ for launch in launches} == {
        *("gather", "embed", "forward", "backward", "embed_backward", "pointwise", "adam"),
    }
    for launch in launches:
        assert {type(argument) for argument in launch.arguments} == {torch.Tensor, int}
        assert all(a.is_contiguous() for a in launch.arguments if torch.is_tensor(a))


@pytest.fixture(autouse=True)
def _no_warnings_of_the_interpreter():
    """numpy says that exp overflows where a kernel relies on it."""
    with np.errstate(over="ignore"):
        yield
