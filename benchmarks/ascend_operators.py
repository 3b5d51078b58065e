"""Which of the networks' operators have a kernel for Ascend in the installed MindSpore.

    python benchmarks/ascend_operators.py

Nothing is run: the names are read from the wheel's own libraries, where C++ keeps the names of
types. An aclnn kernel is one (`AclnnErfKernelMod`, `matmul::...`), and so is what hands an
operator to CANN on the older path, acl (`OpAdapter<czConv2D>`). What CANN then makes of shapes and
dtypes only a card can say: `rvrt-check --device Ascend`.
"""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from rvrt.checking.graph_operators import GRAPH_OPERATORS

ACLNN, ACL, NONE = "aclnn", "acl", "not found"
_KERNELS, _ADAPTERS = "libmindspore_ops_ascend.so", "ascend/libmindspore_ascend_res_manager.so"
_KERNEL = re.compile(rb"N9mindspore6kernel(?!7pyboost)([0-9A-Za-z_]+?)(?:ILm\d+E)?E\x00")
_ADAPTER = re.compile(rb"9OpAdapterI(?:NS\w_)?(\d+)cz")
_DECORATION = re.compile("^aclnn|aclnnkernelmod$|kernelmod$|ascend$")
# CANN's name where it is another one. Which belong together is our reading of the names.
_CANN_NAMES = {
    "Adam": "ApplyAdam",
    "Gather": "GatherV2",
    "ResizeBilinearGrad": "ResizeBilinearV2Grad",
    "Stack": "Pack",
    "Unstack": "Unpack",
}


@dataclass(frozen=True)
class Library:
    """Names in the wheel: of aclnn kernels, in small letters, and of CANN's operators."""

    aclnn: frozenset[str]
    acl: frozenset[str]

    def kernel_of(self, operator: str) -> str:
        """ACLNN, ACL or NONE."""
        if operator.lower() in self.aclnn:
            return ACLNN
        return ACL if _CANN_NAMES.get(operator, operator) in self.acl else NONE


def read_library() -> Library:
    """Of the MindSpore that is installed."""
    found = importlib.util.find_spec("mindspore")
    if found is None or found.origin is None:
        raise SystemExit("MindSpore is not installed")
    plugins = Path(found.origin).parent / "lib" / "plugin"
    if not (plugins / _KERNELS).exists():
        raise SystemExit(f"this MindSpore has no library for Ascend: {plugins / _KERNELS}")
    names = _KERNEL.findall((plugins / _KERNELS).read_bytes())
    kernels = (part for name in names for part in mangled_parts(name.decode()))
    text = (plugins / _ADAPTERS).read_bytes()
    adapters = (
        text[found.end() : found.end() + int(found[1]) - 2].decode("ascii", "replace")
        for found in _ADAPTER.finditer(text)
    )
    return Library(frozenset(map(undecorated, kernels)), frozenset(adapters))


def undecorated(kernel: str) -> str:
    """The operator of a kernel's class or of its namespace, in small letters: "matmul"."""
    return _DECORATION.sub("", kernel.replace("_", "").lower())


def mangled_parts(name: str) -> list[str]:
    """The names in a mangled one: "6matmul12MatMulAscend" -> ["matmul", "MatMulAscend"]."""
    parts = []
    while match := re.match(r"(\d+)", name):
        start, length = match.end(), int(match[1])
        parts.append(name[start : start + length])
        name = name[start + length :]
    return parts


def main() -> None:
    library = read_library()
    print(f"MindSpore {version('mindspore')}")
    kinds = {name: library.kernel_of(name) for name in GRAPH_OPERATORS}
    for name, dtypes in GRAPH_OPERATORS.items():
        print(f"{name:26} {kinds[name]:10} {'; '.join(dtypes)}")
    print(", ".join(f"{kind}: {number}" for kind, number in Counter(kinds.values()).items()))


if __name__ == "__main__":
    main()
