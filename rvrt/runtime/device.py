"""Where and how networks run: what depends on the target is decided here."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mindspore as ms
from mindspore import ops

from rvrt.config.network import Execution
from rvrt.errors import ConfigError
from rvrt.runtime import settings
from vimeo_tools.running import cuda_libraries

TARGETS = ("CPU", "GPU", "Ascend")
_CARD_CHUNK_MB = 2048  # RVRT's forward then takes 3.2 GB at its published size
_WORKERS = ("ActorThread", "KernelThread")  # how MindSpore calls its threads
# The names of Ascend's first generation, as MindSpore 2.10's own table has them ("ascend910").
_FLOAT16_PRODUCTS = re.compile(r"Ascend910(A|B|PremiumA|ProA|ProB)?$")


def available_targets() -> tuple[str, ...]:
    """The targets that this machine and this build of MindSpore have; the CPU always."""
    found = {"GPU": ms.device_context.gpu, "Ascend": ms.device_context.ascend}
    with cuda_libraries.quiet():
        return ("CPU", *(name for name, context in found.items() if context.is_available()))


def use(target: str = "CPU") -> str:
    """Select the device target of this process and return its name.

    Under msrun each process takes a card of its own. Products are what `settings.products` says; a
    card that cannot compute them so is warned of. Raises ConfigError, a ValueError, for an
    unknown target or one that this machine or this build of MindSpore does not have, and when
    another target is already in use.
    """
    _check_target(target)
    short = settings.products() == "short"
    settings.jit_level()  # a wrong one is told before anything is loaded
    present = available_targets()
    if target not in present:
        raise ConfigError(
            f"device target {target} is not here; {' and '.join(present)} can be used. "
            f"{_why_not(target)}"
        )
    try:
        with cuda_libraries.quiet():
            ms.set_device(target)
            if target == "GPU":
                ms.device_context.gpu.device_count()  # fails where driver and card do not answer
            _set_products(target, short)
            lost = products_warning(device_name(target))
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            f"device target {target} cannot be used: {reason(error)}. It is selected once, before "
            "any other work"
        ) from error
    if lost:
        warnings.warn(lost, RuntimeWarning, stacklevel=2)
    if target == "CPU":
        ms.runtime.launch_blocking()  # no queue to overlap with: 1.1 to 2 times faster
        _spread_threads()
    return target


def _set_products(target: str, short: bool) -> None:
    """Say for each kind of product whether float32 may be cut to the 10 bits of TF32 or HF32.

    Each is set, whatever MindSpore's default is; that of convolutions on a GPU is TF32.
    """
    if target == "GPU":
        gpu = ms.device_context.gpu.op_precision
        gpu.conv_allow_tf32(short)
        gpu.matmul_allow_tf32(short)
    if target == "Ascend":
        ascend = ms.device_context.ascend.op_precision
        ascend.precision_mode("must_keep_origin_dtype")
        ascend.conv_allow_hf32(short)
        ascend.matmul_allow_hf32(short)


def device_name(target: str) -> str:
    """What the first device of a target is called: "NVIDIA H100", "Ascend910B2", "CPU"."""
    return str(ms.hal.get_device_name(0, target))


def products_warning(name: str) -> str | None:
    """What is lost on a device of this name that multiplies float32 as float16, whatever it is
    asked for; None for others."""
    if not _FLOAT16_PRODUCTS.match(name):
        return None
    return (
        f"{name} has no float32 products: MindSpore computes them in float16, whatever it is asked "
        "for. Sampling positions keep their digits, as they go through no product; all else has "
        "those of float16. Newer cards (Ascend910B1 and later) keep float32"
    )


def _spread_threads() -> None:
    """Give each of MindSpore's CPU threads a processor of its own, if there is one for each.

    The main thread waits for them by turning round and round. Left to the system, two of them often
    share a processor while it holds another, and everything takes up to twice as long. The main
    thread stays free, as the processes that it starts inherit its processors; so do ranks, which
    share them.
    """
    if "MS_ROLE" in os.environ or not hasattr(os, "sched_setaffinity"):
        return
    x = ops.ones((512, 512), ms.float32)
    ops.matmul(x, x).asnumpy()  # the threads start with the first work for them
    processors = sorted(os.sched_getaffinity(0))
    with contextlib.suppress(OSError):  # a thread has ended, or it is not allowed: as it was
        tasks = Path("/proc/self/task").iterdir()
        threads = [task.name for task in tasks if (task / "comm").read_text().startswith(_WORKERS)]
        if len(threads) == len(processors):
            for thread, processor in zip(threads, processors, strict=True):
                os.sched_setaffinity(int(thread), {processor})


def reason(error: Exception) -> str:
    """What MindSpore says, without rules and headings."""
    lines = [line for line in str(error).splitlines() if line.strip() and line[0] != "-"]
    return lines[0].strip(" .") if lines else type(error).__name__


def _check_target(target: str) -> None:
    if target not in TARGETS:
        raise ConfigError(f"device target {target!r}: expected one of {', '.join(TARGETS)}")


def _why_not(target: str) -> str:
    if target == "Ascend":
        return "Ascend needs Huawei's driver and CANN, with its set_env.sh sourced"
    if os.environ.get("CUDA_HOME"):
        return "CUDA_HOME is set: it must hold a CUDA 11 with bin/nvcc, and cuDNN 8 be found"
    return cuda_libraries.missing() or (
        "MindSpore did not take the CUDA libraries: import rvrt before mindspore"
    )


def execution(target: str, *, dtype: str = "float32", training: bool = False) -> Execution:
    """How to run a network on `target`.

    A CPU runs operator by operator, as compiling costs seconds for each new input shape, and in
    float32 by the compiled part where it was built (`rvrt.models.kernels.backends`). For a
    card the host is what takes time: the whole network is one graph, of the card's own operators.
    Training computes every part again in the backward pass. Windows are fused where
    `settings.windows` says so and it can be done; elsewhere a warning says that they are not.
    """
    _check_target(target)
    fused = settings.windows() == "fused"
    if fused and (target != "Ascend" or dtype != "float16" or training):
        what = "training" if training else dtype
        warnings.warn(
            f"windows are fused on Ascend, in float16, without gradients; for {what} on {target} "
            "they go the plain way",
            RuntimeWarning,
            stacklevel=2,
        )
        fused = False
    recompute = ("all",) if training else ()
    if target == "CPU":
        return Execution(recompute=recompute, dtype=dtype, kernels=dtype == "float32")
    return Execution(
        recompute=recompute,
        dtype=dtype,
        whole_graph=True,
        native=True,
        chunk_mb=_CARD_CHUNK_MB,
        fused_windows=fused,
    )


def check_dtype(dtype: str) -> None:
    """Run one matrix product in `dtype`; raise ConfigError where the target has no kernel for it.

    Call it after `use`.
    """
    x = ms.ops.ones((2, 2), getattr(ms, dtype))
    try:
        ms.ops.matmul(x, x).asnumpy()
    except (RuntimeError, TypeError) as error:
        target = ms.get_context("device_target")
        raise ConfigError(f"{target} has no {dtype} kernels here: use float32") from error


def peak_memory() -> int:
    """The most bytes that were in use so far: of the device, or on a CPU of the whole process."""
    if ms.get_context("device_target") == "CPU":  # Linux counts in KiB
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(ms.runtime.max_memory_allocated())


def memory() -> int:
    """Bytes of the card's memory that are free now; not for a CPU."""
    total: int = ms.hal.get_device_properties(0).total_memory
    return total - int(ms.runtime.memory_allocated())


def compiled(network: ms.nn.Cell, method: str = "construct") -> Callable[..., Any]:
    """A network, or a method of it, as its execution wants it called: as one graph, or as it is.

    The first call of each shape compiles, on a card for some 30 seconds at the published size; the
    network keeps its graphs. On a CPU a whole graph takes 3 to 5 times the memory: for debug sizes.
    """
    run: Callable[..., Any] = network if method == "construct" else getattr(network, method)
    if not getattr(network, "execution", Execution()).whole_graph:  # a user's own may have none
        return run
    allow_deep_graphs()
    graphs: dict[str, Callable[..., Any]] = vars(network).setdefault("_graphs", {})
    if method not in graphs:
        graphs[method] = ms.jit(getattr(network, method), jit_level=settings.jit_level())
    return graphs[method]


def allow_deep_graphs() -> None:
    """Let MindSpore compile a whole network, whose unrolled branches nest deeper than its limit."""
    ms.set_recursion_limit(20_000)
