"""Where the fits of a comparison run, and how far they are."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from joblib import parallel_config
from joblib.parallel import get_active_backend
from sklearn.exceptions import ConvergenceWarning

if TYPE_CHECKING:
    from skreg.parallel.backend import SkregBackend
    from skreg.train.progress import Progress as StackProgress

__all__ = ["Progress", "Ticker", "fits_in"]

Progress = Callable[[int, int, str], None]


@contextmanager
def fits_in(backend: str | None) -> Iterator[Callable[[Ticker], Ticker]]:
    """Run the block under a joblib backend, without the warnings that no one can act on.

    Yields a function that lets a ticker watch the training, where the backend is ours.
    """
    watch: Callable[[Ticker], Ticker] = _unwatched
    # `parallel_config` is in force from the moment it is made, so it is made once, for the block.
    if backend is None:
        context: Any = nullcontext()
    elif backend == "skreg":
        from skreg.parallel.backend import SkregBackend  # imports torch: not before it is needed

        active, _ = get_active_backend()
        if isinstance(active, SkregBackend):
            ours, context = active, nullcontext()  # with the executor or memory the user has set
        else:
            ours = SkregBackend()
            context = parallel_config(backend=ours)
        watch = partial(_watched, ours)
    else:
        context = parallel_config(backend=backend)
    with context, warnings.catch_warnings():
        # a net with a fixed number of epochs is not expected to converge, and a test fold without a
        # rare class is a fact of the table
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        warnings.filterwarnings("ignore", message="y_pred contains classes not in y_true")
        warnings.filterwarnings("ignore", message="The least populated class in y")
        warnings.filterwarnings("ignore", message="Found unknown categories")
        # "all together" has every knob at once, batch norm and the penalties among them
        warnings.filterwarnings("ignore", message="l[12] .* hidden layers with .*_norm=True")
        yield watch


def _unwatched(ticker: Ticker) -> Ticker:
    return ticker


def _watched(backend: SkregBackend, ticker: Ticker) -> Ticker:
    if ticker.progress is not None:
        backend.scope.progress = ticker.watch
    return ticker


class Ticker:
    """Counts finished fits for the progress display.

    In a batched round many fits finish at once, so training that is under way counts as well: each
    net of a stack by the share of its epochs that is done.

    Parameters
    ----------
    progress : callable(done, total, what) or None
    total : int
        Fits.
    what : str
        What the fits are for.
    net_fits, nets : int, default=0
        Fits among them that are trained in rounds, and the nets that these consist of.
    """

    def __init__(
        self, progress: Progress | None, total: int, what: str, net_fits: int = 0, nets: int = 0
    ) -> None:
        self.progress, self.total, self.what = progress, total, what
        self.net_fits, self.nets = net_fits, nets
        if progress is not None:
            progress(0, total, what)
        self.done = self._net_fits_done = self._shown = 0
        self._stacks: dict[int, float] = {}

    def __call__(self, is_net: bool = False) -> None:
        self.done += 1
        self._net_fits_done += is_net
        self._tell(self.done)

    def watch(self, stack: StackProgress) -> None:
        """Take note of a stack after one of its epochs."""
        self._stacks[stack.stack] = stack.trained
        share = min(1.0, sum(self._stacks.values()) / max(self.nets, 1))
        underway = max(0, int(share * self.net_fits) - self._net_fits_done)
        self._tell(min(self.total - 1, self.done + underway))

    def _tell(self, done: int) -> None:
        self._shown = max(self._shown, done)
        if self.progress is not None:
            self.progress(self._shown, self.total, self.what)

    def __reduce__(self) -> tuple[Any, ...]:
        # a worker process has no access to the display
        return Ticker, (None, self.total, self.what)
