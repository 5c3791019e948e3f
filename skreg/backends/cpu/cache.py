"""Machine code kept on disk: what numba's cache does, made safe.

numba keys what it keeps on the file and the closure of a kernel. A kernel of this package is also made of
functions and constants of other modules, which numba freezes into it: after an upgrade it would go on
with the old ones and give wrong results. So here the source of all these modules is part of the key.

numba also ends a fit in an error where its folder cannot be written, is full or holds a damaged file. Here
the kernel is compiled anew, and one warning says so.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import pickle
import pkgutil
import re
import warnings

import numba as nb
from numba.core.caching import FunctionCache, IndexDataCacheFile, NullCache
from numba.core.serialize import dumps

_IMPORT = re.compile(
    r"^\s*(?:from\s+(?P<parent>skreg[\w.]*)\s+import\s+(?P<names>\([^)]*\)|[^\n]*)"
    r"|import\s+(?P<module>skreg[\w.]*))",
    re.MULTILINE,
)

_REMEDY = (
    "Remedy: set the environment variable NUMBA_CACHE_DIR to a folder that can be written and has "
    "some megabytes free."
)

#: Whether the one warning of this process was given.
_warned = False


def cache_of(function):
    """The cache of one kernel; one that keeps nothing where no folder can be written.

    Parameters
    ----------
    function : function
        What is compiled.

    Returns
    -------
    numba.core.caching._Cache
    """
    try:
        return KernelCache(function)
    except Exception as error:
        _warn_not_kept(error)
        return NullCache()


class KernelCache(FunctionCache):
    """Machine code of one kernel on disk, in the folder that numba chooses.

    An entry that cannot be read is replaced, one that cannot be written is left out; neither ends a fit.
    """

    def __init__(self, function):
        super().__init__(function)
        stamp = self._impl.locator.get_source_stamp(), source_digest()
        self._cache_file = _CheckedFile(self._cache_path, self._impl.filename_base, stamp)

    def load_overload(self, sig, target_context):
        """The kernel for a signature; None where there is none that can be used."""
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:
            self._replace_damaged(error)
            return None

    def save_overload(self, sig, data):
        """Keep a kernel, if that can be done."""
        try:
            super().save_overload(sig, data)
        except Exception as error:
            _warn_not_kept(error)

    def _replace_damaged(self, error):
        """Begin a new index: what is written next does not read the damaged one."""
        try:
            self.flush()
        except OSError as cause:
            _warn_not_kept(cause)
            return
        _warn_once(
            f"A file of compiled kernels in {self._cache_path} is damaged "
            f"({type(error).__name__}: {error}); skreg compiles the kernel again and replaces the "
            f"file. If this warning comes back, the folder is at fault. {_REMEDY}"
        )


class _CheckedFile(IndexDataCacheFile):
    """Entries that carry their own key and a checksum.

    Two processes that write at the same time may take the same name for two kernels, and one would be
    given the other's machine code.
    """

    def save(self, key, data):
        """Write an entry."""
        payload = dumps(data)
        super().save(key, (key, hashlib.sha256(payload).digest(), payload))

    def load(self, key):
        """Read an entry; None where there is none for this key."""
        entry = super().load(key)
        if entry is None:
            return None
        written_for, digest, payload = entry
        if written_for != key:
            return None
        if hashlib.sha256(payload).digest() != digest:
            raise ValueError("the checksum does not match")
        return pickle.loads(payload)


@functools.cache
def source_digest():
    """Digest of the source of every module of this package that compiled code may be made of.

    These are the modules of `skreg.backends.cpu`, the blocks of `skreg.net`, which may have kernels of
    their own, and all that they import from this package, directly or through each other.

    Returns
    -------
    str
    """
    digest = hashlib.sha256(nb.__version__.encode())
    for name, source in sorted(sources().items()):
        digest.update(f"\n{name}\n{source}".encode())
    return digest.hexdigest()


def sources():
    """Source text by name of the modules that compiled code may be made of.

    Returns
    -------
    dict of str to str

    Raises
    ------
    OSError
        Where a module has no source: then nothing can be kept safely.
    """
    waiting = [*_modules_of(__package__), *_modules_of("skreg.net")]
    # It hands over tables and is no part of a kernel.
    waiting.remove(f"{__package__}.step")
    found, seen = {}, set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        spec = importlib.util.find_spec(name)
        if spec is None:  # not a module but another name of the package
            continue
        source = spec.loader.get_source(name)
        if source is None:
            raise OSError(f"the source of {name} is not installed")
        found[name] = source
        waiting += [imported for match in _IMPORT.finditer(source) for imported in _modules(match)]
    return found


def _modules_of(package):
    """Names of the modules of a package."""
    folder = importlib.import_module(package).__path__
    return [f"{package}.{module.name}" for module in pkgutil.iter_modules(folder)]


def _modules(match):
    """Names of the modules that a line imports; those in a package may be names of something else."""
    if match["module"]:
        return [match["module"]]
    parent = match["parent"]
    spec = importlib.util.find_spec(parent)
    if spec is None or spec.submodule_search_locations is None:
        return [parent]
    return [parent, *(f"{parent}.{name}" for name in re.findall(r"\w+", match["names"]))]


def _warn_not_kept(error):
    _warn_once(
        f"The compiled kernels of skreg cannot be kept on disk ({type(error).__name__}: {error}), so "
        f"each process compiles them again, which takes some seconds. {_REMEDY}"
    )


def _warn_once(message):
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(message, RuntimeWarning, stacklevel=2)
