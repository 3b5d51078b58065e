"""Which operators a card needs, read from graphs, tried by rvrt-check, looked for in the wheel."""

import importlib.util
import subprocess
import sys

import pytest

from rvrt.checking.graph_operators import GRAPH_OPERATORS
from rvrt.checking.lines import judged
from rvrt.checking.operators import operators, uncalled
from tests.rvrt.conftest import ROOT


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


GRAPH = """
  %6(CNode_1$rows) = Conv2D(%3, %5) {instance name: planes} primitive_attrs: {kernel_size: I64(3)}
      : (<Tensor[Float32], (1, 3)>, <Tensor[Float32], (24)>) -> (<Tensor[Float32], (1, 24)>)
  %7(x) = PrimFunc_Gather(%6, %4, I64(0), I64(0)) cnode_attrs: {checkpoint: Bool(1)}
      : (<Tensor[Float16], (9, 2)>, <Tensor[Int32], (4)>, <Int64>) -> (<Tensor[Float16], (4, 2)>)
  %8([CNode_2]) = MakeTuple(%6, %7)
      : (<Tensor[Float32], (1, 24)>, <Tensor[Float16], (4)>) -> (<Tuple[Tensor[Float32]]>)
  %9(y) = PrimFunc_Gather(%6, %4, I64(0), I64(0))
      : (<Ref[Tensor[Float32]], (9, 2)>, <Tensor[Int32], (4)>) -> (<Tensor[Float32], (4, 2)>)
      # In file somewhere.py:230, 53~81/        product = ops.MatMul(transpose_b=True)(x, weight)/
"""


def test_a_graph_is_read():
    read = script("graph_operators")
    assert read.read_graph(GRAPH.splitlines()) == {
        "Conv2D": {"float32 -> float32"},
        "Gather": {"float16 int32 -> float16", "float32 int32 -> float32"},
    }


def test_the_table_is_written_as_it_stands():
    read = script("graph_operators")
    tables = {name: set(rows) for name, rows in GRAPH_OPERATORS.items()}
    assert read.written(tables, "2.10.0") == read.TABLE.read_text()


@pytest.mark.slow
def test_a_graph_of_today_has_what_the_table_has():
    command = ["benchmarks/graph_operators.py", "show", "rvrt-light", "forward", "float32"]
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    assert {"Conv2D", "MatMul", "Softmax"} <= {name for name, _ in rows}
    for name, dtypes in rows:
        assert set(dtypes.strip().split("; ")) <= set(GRAPH_OPERATORS[name]), name


def test_check_calls_each_in_each_dtype():
    assert not uncalled()
    lines = [judged(line) for line in operators()]
    assert [(line.what, line.problem) for line in lines if line.problem] == []
    called = {(line.what, line.dtype) for line in lines}
    for name, rows in GRAPH_OPERATORS.items():
        for row in rows:
            assert (f"operator {name}", row.split()[0]) in called


@pytest.mark.slow
def test_the_wheel_has_a_kernel_for_each_on_ascend():
    read = script("ascend_operators")
    try:
        library = read.read_library()
    except SystemExit as missing:
        pytest.skip(str(missing))
    kinds = {name: library.kernel_of(name) for name in GRAPH_OPERATORS}
    assert kinds["MatMul"] == read.ACLNN and kinds["Conv2D"] == read.ACL
    assert [name for name, kind in kinds.items() if kind == read.NONE] == []
    assert library.kernel_of("NoSuchOperator") == read.NONE


def test_names_in_mangled_ones():
    read = script("ascend_operators")
    assert read.mangled_parts("6matmul12MatMulAscend") == ["matmul", "MatMulAscend"]
    assert read.undecorated("AclnnErfKernelMod") == "erf"
    assert read.undecorated("batch_matmul") == "batchmatmul"
