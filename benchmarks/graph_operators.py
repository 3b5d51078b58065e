"""Which operators a card needs, and in which dtypes: read from the graphs that MindSpore compiles.

    python benchmarks/graph_operators.py show rvrt-light forward float32     # one case
    python benchmarks/graph_operators.py write                               # all: minutes

Each case is compiled, in a process of its own, as a card compiles it, on the CPU; the graph that is
read is the last one before a backend takes it. `write` puts the table into
rvrt/checking/graph_operators.py.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "rvrt" / "checking" / "graph_operators.py"
CASES = tuple(product(("rvrt", "rvrt-light"), ("forward", "step"), ("float32", "float16")))
Table = dict[str, set[str]]
_LAST_GRAPH = "validate"
_NODE = re.compile(r"\s+%\d+\(.*?\) = (?:PrimFunc_)?([A-Z]\w*)\(")
_TYPES = re.compile(r"\s+: \((.*)\) -> \((.*)\)$")
_TENSOR = re.compile(r"Tensor\[(\w+)\]")
# What holds a graph together and computes nothing.
_STRUCTURE = {"Depend", "Load", "MakeTuple", "TupleGetItem", "UpdateState", "Return"}


def read_graph(lines: Iterable[str]) -> Table:
    """Operators of a graph in MindSpore's text form, each with the dtypes of its tensors."""
    found: Table = defaultdict(set)
    name = None
    for line in lines:
        if node := _NODE.match(line):
            name = node[1]
        elif name and (types := _TYPES.match(line)):
            if name not in _STRUCTURE:
                found[name].add(" -> ".join(_dtypes(side) for side in types.groups()))
            name = None
    return dict(found)


def _dtypes(text: str) -> str:
    """Each dtype once: "float32 int32"."""
    return " ".join(sorted({name.lower() for name in _TENSOR.findall(text)}))


def table_of(preset: str, what: str, dtype: str) -> Table:
    """The operators of one case, compiled in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "MS_DEV_SAVE_GRAPHS": "1",
            "MS_DEV_SAVE_GRAPHS_PATH": folder,
            "MS_DEV_DUMP_IR_PASSES": _LAST_GRAPH,
        }
        command = [sys.executable, __file__, "compile", preset, what, dtype]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr[-2000:])
        graphs = sorted(Path(folder).rglob(f"*_{_LAST_GRAPH}_*.ir"))
        if not graphs:
            sys.exit(f"MindSpore has written no graph called {_LAST_GRAPH}")
        tables = []
        for graph in graphs:
            with graph.open() as lines:
                tables.append(read_graph(lines))
    return joined(tables)


def joined(tables: Iterable[Table]) -> Table:
    """All that any of them has."""
    found: Table = defaultdict(set)
    for table in tables:
        for name, dtypes in table.items():
            found[name] |= dtypes
    return {name: found[name] for name in sorted(found)}


def compile_case(preset: str, what: str, dtype: str) -> None:
    """Run a small network of the preset's kind as a card runs it."""
    from rvrt.runtime import device  # isort: skip

    import numpy as np
    from mindspore import Tensor

    from rvrt.config.network import MODEL_PRESETS
    from rvrt.config.training import LoopConfig, OptimiserConfig
    from rvrt.models import build_network
    from rvrt.training.losses import charbonnier
    from rvrt.training.optimiser import Optimiser
    from rvrt.training.step import TrainStep

    device.use("CPU")
    small = {"embed_dim": 8, "window_size": (2, 4, 4), "num_heads": (2, 2, 2), "upsample_dim": 4}
    small |= {"num_blocks": (1, 1, 1), "depths": (2, 2, 2), "attention_heads": 4}
    if preset == "rvrt":
        small |= {"deformable_groups": 4}
    config = dataclasses.replace(MODEL_PRESETS[preset], **small)
    how = device.execution("Ascend", dtype=dtype, training=what == "step")
    network = build_network(config, how)
    network.set_train(what == "step")
    side = max(10, config.smallest_side)
    lq = Tensor(np.zeros((1, 4, 3, side, side), np.float32))
    if what == "forward":
        if dtype == "float16":
            network.hold_weights()
        device.compiled(network)(lq).asnumpy()
        return
    optimiser = Optimiser(network, OptimiserConfig(), 100, config.flow_prefix)
    loop = LoopConfig(precision=dtype, clip_norm=1.0, ema=0.999)
    step = TrainStep(network, charbonnier, optimiser, loop, build_network(config, how))
    step(lq, Tensor(np.zeros((1, 4, 3, 4 * side, 4 * side), np.float32)), 10**6)


_HEAD = '''\
"""Operators of the graphs that a card runs, and their tensors' dtypes, inputs -> outputs.

Both networks, forward and step of training, float32 and float16. Generated from the graphs
themselves by `python benchmarks/graph_operators.py write` (MindSpore {version}).
"""

GRAPH_OPERATORS: dict[str, tuple[str, ...]] = {{
'''


def written(table: Table, version: str) -> str:
    """The table as a module."""
    text = _HEAD.format(version=version)
    for name, dtypes in table.items():
        row = "".join(f'"{row}", ' for row in sorted(dtypes))
        text += f'    "{name}": ({row.rstrip() if len(dtypes) == 1 else row.rstrip(", ")}),\n'
    return text + "}\n"


def show(table: Table) -> None:
    for name, dtypes in table.items():
        print(f"{name:24} {'; '.join(sorted(dtypes))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["show", "write", "compile"])
    parser.add_argument("case", nargs="*", metavar="preset forward|step dtype")
    given = parser.parse_args()
    if given.what == "compile":
        compile_case(*given.case)
    elif given.what == "show":
        show(table_of(*given.case))
    else:
        from importlib.metadata import version

        tables = []
        for case in CASES:
            tables.append(table_of(*case))
            print(f"{' '.join(case)}: {len(tables[-1])} operators", flush=True)
        TABLE.write_text(written(joined(tables), version("mindspore")))


if __name__ == "__main__":
    main()
