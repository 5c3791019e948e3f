"""What is kept on disk is used where it is right, and is never needed.

Each state is made for a process of its own, on a copy of the package.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")

PACKAGE = Path(__file__).parents[3] / "skreg"

#: Compiles one small kernel, or loads it, and calls it.
ONE_KERNEL = """
import json, warnings
import numpy as np
from skreg.backends.cpu.units import evaluation_kernel
from skreg.backends.cpu.pieces import B
from skreg.net.activation import NUMBERS
from helpers import call_kernel

with warnings.catch_warnings(record=True) as found:
    warnings.simplefilter("always")
    kernel = evaluation_kernel(NUMBERS["selu"], False, "float64")
z, zero = np.ones((1, 1)), np.zeros(1)
none = dict.fromkeys(("gain", "running_mean", "running_variance"), zero)
call_kernel(kernel, {B: 1}, h=1, z=z, shift=zero, **none)
messages = [str(w.message) for w in found]
print(json.dumps({"value": z[0, 0], "loaded": len(kernel.function.stats.cache_hits), "warnings": messages}))
"""

A_FIT = """
import json, warnings
import numpy as np
from skreg import RegularizedMLPClassifier

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 3))
y = (X[:, 0] + X[:, 1] > 0).astype(int)
with warnings.catch_warnings(record=True) as found:
    warnings.simplefilter("always")
    for _ in range(2):
        net = RegularizedMLPClassifier((8,), max_iter=30, random_state=0).fit(X, y)
messages = [str(w.message) for w in found]
print(json.dumps({"value": net.best_loss_, "epoch": net.best_iter_, "warnings": messages}))
"""

#: Files may not grow beyond some bytes: what a full disk does to those who write.
ON_A_FULL_DISK = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
"""

SELU_OF_ONE = 1.0507009873554805


@pytest.fixture
def tree(tmp_path):
    """A folder with a copy of the package."""
    return copy_of_package(tmp_path)


def copy_of_package(folder):
    shutil.copytree(PACKAGE, folder / "skreg", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(Path(__file__).with_name("helpers.py"), folder)
    return folder


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    """A folder with a copy of the package and a cache that holds one kernel."""
    folder = copy_of_package(tmp_path_factory.mktemp("warm"))
    found = run(folder, ONE_KERNEL)
    assert found == {"value": SELU_OF_ONE, "loaded": 0, "warnings": []}
    return folder


def run(folder, code, **environment):
    """What a new process prints that imports the package of a folder, whose cache lies beside it."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA", "PYTEST", "PYTHON"))}
    own = {"PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": str(folder / "cache"), **environment}
    own = {k: v for k, v in own.items() if v is not None}
    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        env={**kept, **own},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def change(path, old, new):
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_a_kernel_is_loaded_by_the_next_process(warm):
    assert run(warm, ONE_KERNEL) == {"value": SELU_OF_ONE, "loaded": 1, "warnings": []}


def test_a_constant_of_another_module_is_not_stale(warm):
    """The kernel stands in a module that is not touched."""
    constants = warm / "skreg" / "net" / "activation.py"
    old = constants.read_text()
    change(constants, f"SELU_SCALE = {SELU_OF_ONE}", "SELU_SCALE = 2.0")
    try:
        assert run(warm, ONE_KERNEL) == {"value": 2.0, "loaded": 0, "warnings": []}
    finally:
        constants.write_text(old)


def twice(x):
    return 2 * x


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    """A folder that numba takes, in a process that has not warned yet."""
    import numba

    from skreg.backends.cpu import cache

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(cache, "_warned", False)
    return tmp_path


def make_kernel():
    """A kernel by its cache: from disk where it can be, as in a new process."""
    from numba import types

    from skreg.backends.cpu.pieces import compiled

    return compiled(types.int64(types.int64))(twice)


def harmed(whole, harm):
    middle = len(whole) // 2
    changed = whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :]
    return {"truncated": whole[:middle], "empty": b"", "changed": changed}[harm]


@pytest.mark.parametrize(
    ("kind", "harm"),
    [
        ("nbi", "truncated"),
        ("nbi", "empty"),
        *(("nbc", h) for h in ("truncated", "empty", "changed")),
    ],
)
def test_a_damaged_file_is_replaced(own_folder, kind, harm):
    assert make_kernel()(3) == 6
    assert len(make_kernel().stats.cache_hits) == 1
    (file,) = own_folder.rglob(f"*.{kind}")
    file.write_bytes(harmed(file.read_bytes(), harm))
    with pytest.warns(RuntimeWarning, match="is damaged .* NUMBA_CACHE_DIR"):
        kernel = make_kernel()
    assert kernel(3) == 6
    assert not kernel.stats.cache_hits
    assert len(make_kernel().stats.cache_hits) == 1


def test_two_kernels_under_one_name_are_told_apart(tmp_path):
    """As when two processes have written at the same time."""
    from skreg.backends.cpu.cache import _CheckedFile

    file = _CheckedFile(str(tmp_path), "kernel", "stamp")
    file.save("one", [1])
    assert file.load("one") == [1]
    file._save_index({"one": "kernel.1.nbc", "other": "kernel.1.nbc"})
    assert file.load("other") is None
    assert file.load("one") == [1]


@pytest.mark.slow
def test_a_full_disk_is_said_and_the_kernel_works(tree):
    pytest.importorskip("resource", reason="limits of this kind are those of Unix")
    found = run(tree, ON_A_FULL_DISK + ONE_KERNEL)
    assert (found["value"], found["loaded"]) == (SELU_OF_ONE, 0)
    assert len(found["warnings"]) == 1
    assert "cannot be kept on disk (OSError: " in found["warnings"][0]
    assert "NUMBA_CACHE_DIR" in found["warnings"][0]


def no_folder_can_be_written(folder):
    """Environment in which numba finds no place: files stand where folders would have to be."""
    (folder / "skreg" / "backends" / "cpu" / "__pycache__").write_text("")
    (folder / "file").write_text("")
    nowhere = str(folder / "file" / "home")
    return {"NUMBA_CACHE_DIR": None, "HOME": nowhere, "XDG_CACHE_HOME": nowhere}


@pytest.mark.slow
def test_no_folder_at_all_is_said_and_the_kernel_works(tree):
    found = run(tree, ONE_KERNEL, **no_folder_can_be_written(tree))
    assert (found["value"], found["loaded"]) == (SELU_OF_ONE, 0)
    assert len(found["warnings"]) == 1
    assert "cannot be kept on disk (RuntimeError: " in found["warnings"][0]
    assert "NUMBA_CACHE_DIR" in found["warnings"][0]


def test_a_module_without_source_keeps_nothing(own_folder, monkeypatch):
    """As where only bytecode is installed: what kernels were made of cannot be known."""
    from skreg.backends.cpu import cache
    from skreg.train import watch

    monkeypatch.setattr(cache, "source_digest", cache.source_digest.__wrapped__)
    monkeypatch.setattr(type(watch.__loader__), "get_source", lambda self, name: None)
    with pytest.warns(RuntimeWarning, match=r"the source of skreg\..* is not installed"):
        assert make_kernel()(3) == 6
    assert not list(own_folder.rglob("*.nb*"))


def test_it_warns_once_a_process(own_folder, monkeypatch):
    from skreg.backends.cpu import cache

    monkeypatch.setattr(cache, "KernelCache", lambda function: [][0])
    with pytest.warns(RuntimeWarning, match="cannot be kept on disk") as found:
        assert make_kernel()(3) == make_kernel()(3) == 6
    assert len(found) == 1


def test_sources_are_all_that_compiled_code_reads():
    from skreg.backends.cpu.cache import sources

    found = {name.removeprefix("skreg.") for name in sources()}
    compiled = {f"backends.cpu.{p.stem}" for p in PACKAGE.glob("backends/cpu/[a-z]*.py")}
    compiled -= {"backends.cpu.step"}  # hands over tables, and is no part of a kernel
    blocks = {f"net.{p.stem}" for p in PACKAGE.glob("net/[a-z]*.py")}
    assert found >= {*compiled, *blocks, "objective.losses", "backends.constants", "train.watch"}
    # What no kernel is made of may change, and nothing has to be compiled again.
    assert "train.stack" not in found


def test_a_compiler_that_is_switched_off_is_said_once(tree):
    found = run(tree, A_FIT, NUMBA_DISABLE_JIT="1")
    assert found["epoch"] > 0
    assert len(found["warnings"]) == 1
    assert (
        "switched off by the environment variable NUMBA_DISABLE_JIT (remedy: unset it)"
        in (found["warnings"][0])
    )


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A folder with a copy of the package, a cache that holds all of a net, and what its fit has printed."""
    folder = copy_of_package(tmp_path_factory.mktemp("fitted"))
    found = run(folder, A_FIT)
    assert found["warnings"] == [] and found["value"] < 0.6
    return folder, found


@pytest.mark.slow
def test_rows_of_the_watch_that_change_places_are_not_stale(fitted, tmp_path):
    """The loop is compiled again: with the old one no epoch would be the best."""
    folder, new = fitted
    watch = folder / "skreg" / "train" / "watch.py"
    old = watch.read_text()
    change(watch, "MOST, BEST_EPOCH, LAST_EPOCH,", "MOST, LAST_EPOCH, BEST_EPOCH,")
    change(watch, "most, best_epoch, last_epoch,", "most, last_epoch, best_epoch,")
    try:
        assert run(folder, A_FIT) == new
    finally:
        watch.write_text(old)


@pytest.mark.slow
def test_whole_fits_in_every_state(fitted):
    """The same net from an old cache, a damaged one, on a full disk and without a folder."""
    pytest.importorskip("resource", reason="limits of this kind are those of Unix")
    folder, new = fitted
    assert run(folder, A_FIT) == new
    for file in (folder / "cache").rglob("*.nb*"):
        file.write_bytes(file.read_bytes()[:-10])
    damaged = run(folder, A_FIT)
    full = run(folder, ON_A_FULL_DISK + A_FIT, NUMBA_CACHE_DIR=str(folder / "other"))
    nowhere = run(folder, A_FIT, **no_folder_can_be_written(folder))
    for found in (damaged, full, nowhere):
        message = found.pop("warnings")
        assert len(message) == 1 and "NUMBA_CACHE_DIR" in message[0]
        assert found == {"value": new["value"], "epoch": new["epoch"]}
