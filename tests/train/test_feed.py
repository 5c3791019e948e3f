"""From rows to minibatches."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from skreg.train import feed as data
from skreg.train.feed import Feed, Fingerprint, digest, n_batches, runs
from tests.train.helpers import IMPLEMENTATIONS, assert_same_result, fit, make_job


def feed_of(*jobs):
    return Feed(list(jobs), [Fingerprint.of(job) for job in jobs], torch.device("cpu"), {})


def sizes(feed, epoch=0, stream=0):
    _, coef, _, _ = feed.epoch(epoch)
    return (coef[:, stream] > 0).sum(dim=1).tolist()


@pytest.mark.parametrize(
    ("n", "batch_size", "plain", "with_batch_norm"),
    [
        (1, 10, 1, 1),
        (10, 10, 1, 1),
        (11, 10, 2, 2),
        (100, 10, 10, 10),
        (3, 2, 2, 1),
        (5, 2, 3, 2),
        (5, 1, 5, 2),
        (2, 1, 2, 1),
    ],
)
def test_n_batches(n, batch_size, plain, with_batch_norm):
    assert n_batches(n, batch_size, False) == plain
    assert n_batches(n, batch_size, True) == with_batch_norm


def test_a_job_may_say_how_many_minibatches_it_wants():
    assert sizes(feed_of(make_job(n=40, batch_size=16, n_batches=5))) == [8] * 5


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 31, 32, 33, 65])
@pytest.mark.parametrize("batch_size", [1, 2, 8, 32])
def test_rows_are_spread_evenly(n, batch_size, batch_norm):
    """Sizes differ by one at most, and a batch norm sees two rows or more where there are two."""
    got = sizes(feed_of(make_job(n=n, batch_size=batch_size, batch_norm=batch_norm)))
    assert sum(got) == n
    assert max(got) - min(got) <= 1
    assert max(got) <= batch_size or batch_norm
    assert min(got) >= 2 or not batch_norm or n == 1


@pytest.mark.parametrize("weighted", [False, True])
def test_several_epochs_are_those_one_by_one(weighted):
    """Of unequal streams; where no row has a weight, what rows count is given once for all epochs."""
    jobs = [make_job(n=n, seed=n, table=n, batch_size=22, weighted=weighted) for n in (40, 44)]
    feed = feed_of(*jobs)
    order, coef, share, keys = feed.epoch(5, 3)
    alone = [feed.epoch(5 + i) for i in range(3)]
    np.testing.assert_array_equal(order, np.concatenate([a[0] for a in alone]))
    np.testing.assert_array_equal(keys, np.concatenate([a[3] for a in alone], axis=1))
    for place, table in ((1, coef), (2, share)):
        whole = np.concatenate([a[place] for a in alone])
        repeated = np.concatenate([table] * (len(whole) // len(table)))
        np.testing.assert_array_equal(repeated, whole)
    assert (len(coef) == feed.steps) != weighted


@pytest.mark.parametrize("weighted", [False, True])
def test_partners_are_rows_of_the_same_minibatch_and_never_padding(weighted):
    """Of streams of 40 and 44 rows in minibatches of 24 places; in a stack they are what they are alone."""
    jobs = [make_job(n=n, table=n, batch_size=22, mixup=1.0, weighted=weighted) for n in (40, 44)]
    feed = feed_of(*jobs)
    partner, coef = feed.partners(5, 3), feed.epoch(5, 3)[1]
    assert partner.shape == (3 * feed.steps, 2, feed.width)
    size = (coef > 0).sum(dim=2, keepdim=True)
    assert (partner < size[: len(partner)]).all() if weighted else (partner < 22).all()
    assert (partner[:, 0] < 20).all()
    np.testing.assert_array_equal(partner, np.concatenate([feed.partners(5 + i) for i in range(3)]))
    for i, job in enumerate(jobs):
        alone = feed_of(job).partners(5, 3)
        np.testing.assert_array_equal(alone[:, 0], partner[:, i, : alone.shape[2]])
    assert feed_of(make_job()).partners(5) is None


def test_partners_are_drawn_by_weight():
    """A row twice as heavy is the partner of any row twice as often, its own too: as the row twice."""
    job = make_job(n=4, batch_size=4, cutmix=1.0, shuffle=False)
    job.sample_weight = np.array([0.5, 2.0, 0.5, 1.0])
    feed = feed_of(job)
    found = np.concatenate([feed.partners(64 * i, 64)[:, 0, :4].numpy() for i in range(40)])
    share, n = job.sample_weight / 4, len(found)
    for place in range(4):
        counts = np.bincount(found[:, place], minlength=4)
        assert (np.abs(counts / n - share) < 5 * np.sqrt(share * (1 - share) / n)).all()
    job.sample_weight = np.ones(4)
    unweighted = make_job(n=4, batch_size=4, cutmix=1.0, shuffle=False)
    np.testing.assert_array_equal(feed_of(job).partners(3), feed_of(unweighted).partners(3))


def test_an_array_that_several_jobs_hold_is_read_once(monkeypatch):
    jobs = [make_job(n_val=5, seed=seed) for seed in range(3)]
    for job in jobs[1:]:
        job.X, job.X_val = jobs[0].X, jobs[0].X_val
    read = []
    monkeypatch.setattr(data, "digest", lambda array: read.append(id(array)) or digest(array))
    together = Fingerprint.of_all(jobs)
    assert read.count(id(jobs[0].X)) == read.count(id(jobs[0].X_val)) == 1
    monkeypatch.undo()
    assert together == [Fingerprint.of(job) for job in jobs]


def test_an_epoch_takes_every_row_once_in_an_order_of_its_own():
    feed = feed_of(make_job(n=40))
    orders = []
    for epoch in (0, 1, 0):
        order, coef, _, _ = feed.epoch(epoch)
        orders.append(order[coef > 0].tolist())
        assert sorted(orders[-1]) == list(range(40))
    assert orders[0] == orders[2] != orders[1]


@pytest.mark.parametrize("changes", [{"shuffle": False}, {"batch_size": 40}])
def test_unshuffled_or_single_minibatches_keep_the_order_of_the_rows(changes):
    feed = feed_of(make_job(n=40, **changes))
    order, coef, _, _ = feed.epoch(3)
    assert order[coef > 0].tolist() == list(range(40))


def test_coefficients_and_shares():
    """Without weights they are the same; with weights the loss of a minibatch is not normalised."""
    jobs = [make_job(n=40), make_job(n=46, table=1, weighted=True)]
    order, coef, share, _ = feed_of(*jobs).epoch(0)
    assert coef.shape == share.shape == order.shape == (3, 2, 16)
    np.testing.assert_allclose(share.sum(dim=2), 1, atol=1e-12)
    np.testing.assert_allclose(coef[:, 0], share[:, 0], atol=1e-12)
    np.testing.assert_allclose(coef[:, 0].sum(dim=1), 1, atol=1e-12)
    rows = (coef[:, 1] > 0).sum(dim=1, keepdim=True)
    given = jobs[1].sample_weight[order[:, 1].numpy()]
    expected = np.where(coef[:, 1] > 0, given, 0) / rows.numpy()
    np.testing.assert_allclose(coef[:, 1], expected, atol=1e-12)


def test_gathered_rows_belong_together():
    jobs = [make_job(n=40, n_outputs=2), make_job(n=46, table=1, n_outputs=2)]
    feed = feed_of(*jobs)
    order, coef, _, _ = feed.epoch(0)
    for step in range(feed.steps):
        x, y = feed.gather(order[step])
        for i, job in enumerate(jobs):
            real = (coef[step, i] > 0).numpy()
            rows = order[step, i].numpy()[real]
            np.testing.assert_array_equal(x[i].numpy()[real], job.X[rows])
            np.testing.assert_array_equal(y[i].numpy()[:, real], job.y[rows].T)


def test_members_of_a_stream_share_its_minibatch_and_its_bits():
    jobs = [make_job(), make_job(l1=0.1), make_job(seed=1), make_job(table=1)]
    jobs[1].y = jobs[1].y + 1
    feed = feed_of(*jobs)
    assert feed.streams == [slice(0, 2), slice(2, 3), slice(3, 4)]
    assert feed.stream_of.tolist() == [0, 0, 1, 2]
    assert feed.target_of.tolist() == [0, 1, 2, 3]
    keys = feed.epoch(0)[3]
    np.testing.assert_array_equal(keys[..., 0], keys[..., 1])
    # rows have no say in the bits: the seed has
    np.testing.assert_array_equal(keys[..., 0], keys[..., 3])
    assert not np.array_equal(keys[..., 0], keys[..., 2])


def test_equal_tables_are_stored_once():
    cache = {}
    jobs = [make_job(n_val=10), make_job(n_val=10, seed=1), make_job(n_val=10, table=1)]
    feed = Feed(jobs, [Fingerprint.of(job) for job in jobs], torch.device("cpu"), cache)
    assert feed.rows[0] is feed.rows[1]
    assert [group.members for group in feed.groups] == [slice(0, 2), slice(2, 3)]
    assert feed.rows[0] is not feed.rows[2]
    assert len(cache) == 6


def test_precisions_do_not_share_a_table():
    """The target is given in float64 to both."""
    jobs = [make_job(dtype=dtype, n_val=10) for dtype in ("float64", "float32")]
    together = fit(jobs)
    for job, result in zip(jobs, together, strict=True):
        assert result.params["weight_0"].dtype == job.spec.dtype
        assert_same_result(result, fit(job), atol=0)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("changes", [{}, {"input_dropout": 0.3}], ids=["plain", "input_dropout"])
def test_csr_equals_dense(changes, implementation):
    jobs = [make_job(n_val=15, seed=seed, batch_norm=True, **changes) for seed in (0, 1)]
    for job in jobs:
        job.X[job.X < 0.3] = 0.0
        job.X_val[job.X_val < 0.3] = 0.0
    expected = fit(jobs, implementation)
    for job in jobs:
        job.X, job.X_val = sp.csr_matrix(job.X), sp.csr_matrix(job.X_val)
    for one, other in zip(fit(jobs, implementation), expected, strict=True):
        assert_same_result(one, other, atol=1e-12)


@pytest.mark.parametrize("change", ["fortran", "readonly", "strided"])
def test_memory_layout_has_no_say(change):
    job = make_job(batch_norm=True)
    expected = fit(job)
    if change == "fortran":
        job.X, job.y = np.asfortranarray(job.X), np.asfortranarray(job.y)
    elif change == "strided":
        job.X = np.repeat(job.X, 2, axis=1)[:, ::2]
    else:
        job.X.flags.writeable = job.y.flags.writeable = False
    assert_same_result(fit(job), expected, atol=0)


def test_training_leaves_the_rows_alone():
    job = make_job(n_val=15, weighted=True, input_dropout=0.5)
    before = [a.copy() for a in (job.X, job.y, job.X_val, job.sample_weight)]
    fit(job)
    for old, new in zip(before, (job.X, job.y, job.X_val, job.sample_weight), strict=True):
        np.testing.assert_array_equal(old, new)


def test_digest_is_of_the_content():
    a = np.arange(6.0).reshape(2, 3)
    assert digest(a) == digest(a.copy()) == digest(np.asfortranarray(a))
    changed = a.copy()
    changed[1, 1] += 1e-15 + 1
    others = [changed, a.reshape(3, 2), a.astype(np.float32), a.ravel(), sp.csr_matrix(a), None]
    assert len({digest(o) for o in [a, *others]}) == 7


def test_digest_of_csr():
    a = sp.csr_matrix(np.eye(3))
    b = a.copy()
    b.indices[:] = [1, 0, 2]
    assert digest(a) == digest(sp.csr_matrix(np.eye(3))) != digest(b)
    assert digest(sp.csr_matrix((3, 2))) != digest(sp.csr_matrix((2, 3)))


@pytest.mark.parametrize(
    ("keys", "slices", "number"),
    [
        ([], [], []),
        (["a"], [slice(0, 1)], [0]),
        (["a", "a", "b", "a"], [slice(0, 2), slice(2, 3), slice(3, 4)], [0, 0, 1, 2]),
    ],
)
def test_runs(keys, slices, number):
    got = runs(keys)
    assert got[0] == slices
    assert got[1].tolist() == number
