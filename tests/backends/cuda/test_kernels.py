"""The kernels compile to machine code of real GPUs, for which none has to be there."""

from __future__ import annotations

import inspect

import pytest
import torch

from skreg.net.activation import KINDS
from skreg.net.net import Net
from skreg.train.feed import Feed, Fingerprint
from skreg.train.knobs import Knobs
from skreg.train.state import State
from tests.backends.test_oracle import LOSSES
from tests.train.helpers import make_job

triton = pytest.importorskip("triton", reason="the kernels for CUDA are compiled by triton")

from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

from skreg.backends.cuda.kernels import Launch  # noqa: E402
from skreg.backends.cuda.step import FusedCudaStep  # noqa: E402

POINTERS = {
    torch.float32: "*fp32",
    torch.float64: "*fp64",
    torch.int64: "*i64",
    torch.int32: "*i32",
}

#: What Triton calls the values that are known when it compiles: "constants" before 3.3.
CONSTANTS = "constexprs" if "constexprs" in inspect.signature(ASTSource).parameters else "constants"

KNOBS = {"batch_norm": True, "dropout": (0.5, 0.0), "input_dropout": 0.2, "max_norm": 1.0}


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    """What was compiled before must not stand in for what is compiled now."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))


def launches(members=2, **options):
    """The kernels of a minibatch of members of a stream each, with their arguments."""
    jobs = [make_job(seed=seed, **options) for seed in range(members)]
    spec, device = jobs[0].spec, torch.device("cpu")
    state = State(Net.of(spec, jobs[0].X.shape[1]), members, spec.solver, spec.dtype, device)
    feed = Feed(jobs, [Fingerprint.of(job) for job in jobs], device, {})
    step = FusedCudaStep(state, Knobs([job.spec for job in jobs]), feed, spec)
    return [launch for launch in step.launches if isinstance(launch, Launch)]


def compiled(launch, capability):
    """A kernel as it is compiled for such arguments; of whole numbers a 1 is made a constant."""
    names = launch.kernel.arg_names
    given = dict(zip(names, launch.arguments, strict=False))
    ones = {name: 1 for name, value in given.items() if not torch.is_tensor(value) and value == 1}
    signature = {
        name: POINTERS[value.dtype] if torch.is_tensor(value) else "i32"
        for name, value in given.items()
    }
    constants = {**ones, **launch.constants}
    signature |= dict.fromkeys(constants, "constexpr")
    assert list(signature) == names
    source = ASTSource(launch.kernel, signature=signature, **{CONSTANTS: constants})
    target = GPUTarget("cuda", capability, 32)
    return triton.compile(source, target=target, options=launch.options).asm


def different(kernels):
    """Those that are not compiled from the same source with the same constants and types."""
    known = {}
    for launch in kernels:
        types = tuple(str(getattr(a, "dtype", int)) for a in launch.arguments)
        known[launch.kernel.fn.__name__, types, tuple(launch.constants.items())] = launch
    return list(known.values())


def assert_compiles(kernels, capabilities, dtype):
    for launch in different(kernels):
        for capability in capabilities:
            asm = compiled(launch, capability)
            name = launch.kernel.fn.__name__
            assert f".target sm_{capability}" in asm["ptx"], name
            assert f".entry {name}(" in asm["ptx"]
            assert len(asm["cubin"]) > 1000, name
            # On most GPUs float64 is 32 to 64 times slower: a constant in it must not creep in.
            assert dtype == "float64" or ".f64" not in asm["ptx"], name


@pytest.mark.parametrize("capability", [80, 90])
def test_a_whole_minibatch(capability):
    kernels = launches(dtype="float32", loss="multinomial", n_outputs=3, **KNOBS)
    assert {launch.kernel.fn.__name__ for launch in kernels} == {
        *("gather", "forward", "backward", "multinomial", "adam", "project_max_norm"),
    }
    assert_compiles(kernels, [capability], "float32")


def test_a_whole_minibatch_in_float64():
    kernels = launches(activation="gelu", loss="huber", solver="sgd", hidden=(7,))
    assert {launch.kernel.fn.__name__ for launch in kernels} == {
        *("gather", "forward", "backward", "pointwise", "sgd"),
    }
    assert_compiles(kernels, [90], "float64")


@pytest.mark.parametrize("input_dropout", [0.0, 0.2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_embedded_columns(dtype, input_dropout):
    """Their waves are made in registers: nothing of float32 is handed to the library, or to memory."""
    options = {"n": 200, "batch_size": 200, "hidden": (7,), "input_dropout": input_dropout}
    kernels = launches(embedded=(0, 2), dtype=dtype, **options)
    own = [k for k in kernels if k.kernel.fn.__name__ in ("gather", "embed", "embed_backward")]
    rows = [k.constants["BLOCK"] for k in own[1:]]
    assert rows == ([64, 32] if dtype == "float32" else [32, 16])
    assert_compiles(own, [80, 90], dtype)
    for launch in own[1:] if dtype == "float32" else ():
        assert ".local" not in compiled(launch, 90)["ptx"]


@pytest.mark.parametrize("loss", ["multinomial", "squared_error"])
def test_all_that_can_be_one_is(loss):
    """One member, one column, one unit, one output, one row a minibatch."""
    kernels = launches(
        1,
        n=3,
        d=1,
        hidden=(1,),
        batch_size=1,
        loss=loss,
        dtype="float32",
        max_norm=1.0,
        embedded=(0,),
    )
    assert_compiles(kernels, [90], "float32")


@pytest.mark.parametrize("loss", ["multinomial", "squared_error"])
def test_few_members_have_many_programs_of_a_loss(loss):
    """Their outputs follow each other in a program: one that has all rows would keep a GPU waiting."""
    (launch,) = (
        launch
        for launch in launches(n=200, batch_size=200, loss=loss, n_outputs=3)
        if "LOSS" in launch.constants
    )
    assert launch.grid == (7, 2)
    assert launch.constants["BLOCK"] == 32
    assert launch.options["num_warps"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", KINDS)
def test_activations(activation, dtype):
    kernels = launches(activation=activation, dtype=dtype, **KNOBS)
    rows = [k for k in kernels if k.kernel.fn.__name__ in ("forward", "backward")]
    assert_compiles(rows, [80, 90], dtype)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", LOSSES)
def test_losses(loss, dtype):
    kernels = launches(loss=loss, dtype=dtype, hidden=(), **LOSSES[loss])
    assert_compiles(kernels, [80, 90], dtype)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd(nesterov, dtype):
    kernels = launches(solver="sgd", nesterov=nesterov, dtype=dtype, hidden=())
    assert_compiles(kernels, [80, 90], dtype)
