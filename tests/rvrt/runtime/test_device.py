"""Targets, and whether every operator that the networks use exists on all of them."""

import ast
import json
import os
import re
import subprocess
import sys

import click
import mindspore as ms
import pytest
from mindspore import nn, ops

from rvrt.cli.options import message_for_errors
from rvrt.config.network import RECOMPUTABLE
from rvrt.errors import ConfigError
from rvrt.runtime import device
from tests.rvrt.conftest import ROOT

TARGETS = {"Ascend", "GPU", "CPU"}
NOT_OPERATORS = {"ops.constexpr", "nn.Cell", "nn.CellList", "nn.CellDict", "nn.SequentialCell"}
# nn and ops names without a line on platforms, and the operator that each one calls
CALLS = {"nn.AvgPool2d": "ops.AvgPool"}
# tensor methods by the operator that does their work
METHODS = {
    "reshape": "ops.reshape",
    "expand_dims": "ops.expand_dims",
    "all": "ops.all",
}


def used_operators():
    """Every nn.X and ops.X in rvrt/models, and the tensor methods that stand for one."""
    found = set()
    for path in sorted((ROOT / "rvrt" / "models").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Attribute):
                continue
            if isinstance(node.value, ast.Name) and node.value.id in ("nn", "ops"):
                found.add(f"{node.value.id}.{node.attr}")
            elif node.attr in METHODS:
                found.add(METHODS[node.attr])
    return sorted(found - NOT_OPERATORS)


def platforms(name):
    module, attribute = name.split(".")
    doc = getattr({"nn": nn, "ops": ops}[module], attribute).__doc__ or ""
    match = re.search(r"Supported Platforms:\s*\n\s*(.+)", doc)
    return set(re.findall(r"Ascend|GPU|CPU", match[1])) if match else set()


def test_the_list_of_operators_is_not_empty():
    assert {"ops.gather", "nn.LayerNorm", "ops.BatchMatMul"} <= set(used_operators())


@pytest.mark.parametrize("name", used_operators())
def test_each_operator_is_documented_for_every_target(name):
    assert platforms(CALLS.get(name, name)) == TARGETS, f"{name}: {platforms(name)}"


def test_unknown_and_absent_targets_are_value_errors():
    with pytest.raises(ValueError, match="CPU, GPU, Ascend"):
        device.use("TPU")
    with pytest.raises(ValueError, match="CPU, GPU, Ascend"):
        device.execution("TPU")
    with pytest.raises(ValueError, match="Ascend is not here; CPU can be used"):
        device.use("Ascend")
    assert ms.get_context("device_target") == "CPU"


def test_execution_by_target():
    assert not device.execution("CPU").compile_blocks
    assert device.execution("GPU").compile_blocks
    assert device.execution("CPU", training=True).recompute == RECOMPUTABLE
    assert device.execution("CPU").recompute == ()
    assert device.execution("CPU", dtype="float16").dtype == "float16"


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
        from rvrt.runtime import device
        device.use("CPU")
        print(sorted(os.sched_getaffinity(0)))
        for task in os.listdir("/proc/self/task"):
            if open(f"/proc/self/task/{task}/comm").read().startswith(device._WORKERS):
                print(sorted(os.sched_getaffinity(int(task))))
    """
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    everywhere, *threads = (json.loads(line) for line in run.stdout.splitlines())
    assert everywhere == sorted(os.sched_getaffinity(0))  # what data workers inherit
    if len(threads) != len(everywhere):
        pytest.skip(f"{len(threads)} threads on {len(everywhere)} processors: left to the system")
    assert sorted(threads) == [[processor] for processor in everywhere]


def test_a_single_process_is_a_world_of_its_own(monkeypatch):
    monkeypatch.delenv("MS_ROLE", raising=False)
    world = device.init_world()
    assert world == device.World(0, 1) and world.is_main and not device.World(1, 2).is_main
    tensors = (ms.Tensor([1.0]), ms.Tensor([[2.0]]))
    assert world.average(iter(tensors)) == tensors
    assert world.any(True) and not world.any(False)
    parameter = ms.Parameter(ms.Tensor([3.0]))
    world.broadcast([parameter])
    assert parameter.asnumpy() == [3.0]


def test_messages_under_msrun_name_the_rank(monkeypatch):
    monkeypatch.setenv("MS_ROLE", "MS_WORKER")
    monkeypatch.setenv("RANK_ID", "3")
    with (
        pytest.raises(click.ClickException, match="rank 3: no such folder"),
        message_for_errors(),
    ):
        raise ConfigError("no such folder")
