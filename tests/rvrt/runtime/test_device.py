"""Targets, threads, and processes that train together."""

import json
import os
import subprocess
import sys

import click
import mindspore as ms
import pytest

from rvrt.cli.options import message_for_errors
from rvrt.config.network import MODEL_PRESETS, RECOMPUTABLE, Execution
from rvrt.errors import ConfigError
from rvrt.models import build_network
from rvrt.runtime import device
from tests.rvrt.conftest import ROOT


def test_unknown_and_absent_targets_are_value_errors():
    with pytest.raises(ValueError, match="CPU, GPU, Ascend"):
        device.use("TPU")
    with pytest.raises(ValueError, match="CPU, GPU, Ascend"):
        device.execution("TPU")
    with pytest.raises(ValueError, match="Ascend is not here; CPU can be used"):
        device.use("Ascend")
    assert ms.get_context("device_target") == "CPU"


def test_execution_by_target():
    cpu = device.execution("CPU")
    assert not (cpu.whole_graph or cpu.native)
    for target in ("GPU", "Ascend"):  # natively no position goes through a product
        card = device.execution(target)
        assert card.whole_graph and card.native
    assert device.execution("CPU", training=True).recompute == RECOMPUTABLE
    assert device.execution("CPU").recompute == ()
    assert device.execution("CPU", dtype="float16").dtype == "float16"


def test_a_network_keeps_its_graph():
    """Compiled again at each validation or clip, it would cost a card half a minute each time."""
    network = build_network(MODEL_PRESETS["rvrt-light-debug"], Execution(whole_graph=True))
    assert device.compiled(network) is device.compiled(network)
    assert device.compiled(network) is not network


def test_a_dtype_without_kernels_is_a_value_error():
    device.check_dtype("float32")
    device.check_dtype("float16")
    with pytest.raises(ValueError, match="CPU has no bfloat16 kernels"):
        device.check_dtype("bfloat16")


def test_the_instruction_set_is_settled_before_mindspore_runs():
    assert "ONEDNN_MAX_CPU_ISA" in os.environ


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_each_thread_of_the_cpu_has_a_processor_of_its_own():
    script = """if True:
        import os
        os.sched_setaffinity(0, range(os.cpu_count()))  # all that is allowed, under xdist too
        print(sorted(os.sched_getaffinity(0)))
        from rvrt.runtime import device
        device.use("CPU")
        print(sorted(os.sched_getaffinity(0)))
        for task in os.listdir("/proc/self/task"):
            name = open(f"/proc/self/task/{task}/comm").read()
            if name.startswith(("ActorThread", "KernelThread")):
                print(sorted(os.sched_getaffinity(int(task))))
    """
    call = [sys.executable, "-c", script]
    run = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    before, after, *threads = (json.loads(line) for line in run.stdout.splitlines())
    assert after == before  # what data workers inherit
    if len(threads) != len(before):
        pytest.skip(f"{len(threads)} threads on {len(before)} processors: left to the system")
    assert sorted(threads) == [[processor] for processor in before]


def test_messages_under_msrun_name_the_rank(monkeypatch):
    monkeypatch.setenv("MS_ROLE", "MS_WORKER")
    monkeypatch.setenv("RANK_ID", "3")
    with (
        pytest.raises(click.ClickException, match="rank 3: no such folder"),
        message_for_errors(),
    ):
        raise ConfigError("no such folder")
