"""Tasks over executors: all done once, failures collected, ends as it should."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from vimeo_tools.errors import FrameError, SettingsError, WorkerError
from vimeo_tools.running.failures import Failure, write_failures
from vimeo_tools.running.jobs import Outcome, Summary, dask_executor, each, process_pool, run, shard


def count(item):
    if item % 10 == 3:
        return Outcome(failures=(Failure(f"frame {item}", "bad"),))
    return Outcome(done=7) if item % 2 else Outcome(skipped=7)


def die(_):
    os._exit(1)


def refuse(item):
    raise FrameError(f"cannot do {item}")


def environment(_):
    return os.environ["OMP_NUM_THREADS"], os.getpid()


def check_totals(summary):
    assert summary.clips == 600
    assert summary.done == 240 * 7
    assert summary.skipped == 300 * 7
    assert sorted(f.path for f in summary.failures) == sorted(
        f"frame {n}" for n in range(3, 600, 10)
    )


def test_totals_are_the_same_wherever_tasks_run():
    check_totals(run(count, range(600)))
    with ThreadPoolExecutor(3) as threads:
        check_totals(run(count, range(600), threads))
    with process_pool(2) as processes:
        check_totals(run(count, range(600), processes))


def test_workers_have_one_thread_each_and_the_parent_is_left_alone(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with process_pool(2) as pool:
        answers = set(each(environment, range(20), pool))
    assert {threads for threads, _ in answers} == {"1"}
    assert os.getpid() not in {pid for _, pid in answers}
    assert "OMP_NUM_THREADS" not in os.environ


def test_one_worker_is_this_process():
    with process_pool(1) as pool:
        assert pool is None
    with pytest.raises(SettingsError, match="at least 1"), process_pool(0):
        pass


def test_a_dead_worker_is_an_error_not_a_hang():
    with process_pool(2) as pool, pytest.raises(WorkerError, match="run the same command again"):
        run(die, range(10), pool)


def test_an_error_of_a_task_stops_the_run():
    with ThreadPoolExecutor(2) as pool, pytest.raises(FrameError, match="cannot do"):
        run(refuse, range(1000), pool)


def test_a_consumer_that_stops_leaves_no_task_running():
    started, ended = [], []

    def note(item):
        started.append(item)
        ended.append(item)
        return item

    with ThreadPoolExecutor(2) as pool:
        results = each(note, range(100_000), pool)
        next(results)
        results.close()
        seen = sorted(started)
        assert sorted(ended) == seen
    # the pool has ended, with all that was still waiting in it
    assert sorted(started) == seen and len(seen) < 100_000


@pytest.mark.parametrize("count", [1, 3, 8, 40])
def test_shards_are_disjoint_complete_and_even(count):
    items = list(range(37))
    shards = [list(shard(items, index, count)) for index in range(1, count + 1)]
    assert sorted(item for part in shards for item in part) == items
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


@pytest.mark.parametrize("index", [0, -1, 4])
def test_shard_numbers(index):
    with pytest.raises(SettingsError, match="1/3 to 3/3"):
        shard([1, 2, 3], index, 3)


def test_failures_file(tmp_path):
    path = tmp_path / "failures.txt"
    write_failures(path, [Failure("a.png", "bad\ttab"), Failure("b.png", "worse")])
    assert path.read_text() == "a.png\tbad tab\nb.png\tworse\n"
    write_failures(path, [])
    assert not path.exists()


def test_summary_reads_well():
    summary = Summary(clips=2, done=10, skipped=4, failures=[Failure("a", "b")], seconds=2.0)
    assert str(summary) == "2 clips, 10 frames in 2.0 s (5 frames/s), 4 skipped, 1 failed"


def test_a_dask_cluster_does_the_same():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, processes=False
        ) as cluster,
        dask_executor(cluster.scheduler_address) as executor,
    ):
        check_totals(run(count, range(600), executor))


def test_no_dask_scheduler_there():
    pytest.importorskip("distributed")
    with (
        pytest.raises(SettingsError, match="no scheduler answers"),
        dask_executor("tcp://127.0.0.1:9"),
    ):
        pass
