"""Builds the pretend GPU: stubs for what MindSpore's plugin imports, around `runtime.c`."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
LIBRARY = "libcuda_ops.so.11"
_CUDA_NAME = re.compile(r"(cu[A-Z]|cuda[A-Z]|cublas|cudnn|cusolver|cusparse|cufft|curand|nvrtc)")
_CREATOR = re.compile(r"(cudnn|cusolverDn|cusparse|cublas|cufft|curand)Create")
# Libraries that only have to be there, by the folder of NVIDIA's package that brings them.
_EMPTY = {
    "cuda_runtime": ["libcudart.so.11.0"],
    "cuda_nvrtc": ["libnvrtc.so.11.2"],
    "cublas": ["libcublasLt.so.11", "libcublas.so.11"],
    "cufft": ["libcufft.so.10"],
    "curand": ["libcurand.so.10"],
    "cusparse": ["libcusparse.so.11"],
    "cusolver": ["libcusolver.so.11"],
    "cudnn": ["libcudnn.so.8"]
    + [
        f"libcudnn_{part}_{use}.so.8"
        for part in ("ops", "cnn", "adv")
        for use in ("infer", "train")
    ],
}


def missing() -> str | None:
    """Why it cannot be built here, or None."""
    tools = [tool for tool in ("gcc", "nm") if shutil.which(tool) is None]
    if sys.platform != "linux" or tools:
        return f"needs Linux and {' and '.join(tools) or 'gcc'}"
    if not (_plugins() / "libmindspore_gpu.so.11.6").exists():
        return "this build of MindSpore has no GPU plugin"
    return None


def build(folder: Path) -> None:
    """Build it into `folder`."""
    library = folder / "lib"
    library.mkdir(parents=True, exist_ok=True)
    own = set(re.findall(r"\bimpl_(\w+)\(", (HERE / "runtime.c").read_text()))
    (folder / "stubs.s").write_text(_stubs(sorted(_names() | own), own))
    sources = [HERE / "runtime.c", folder / "stubs.s"]
    _compile(library / LIBRARY, *sources, "-Wl,-Bsymbolic", "-lpthread")
    (folder / "empty.c").write_text("static int nothing;\n")
    _compile(library / "libcuda.so.1", folder / "empty.c")
    for package, files in _EMPTY.items():
        to = folder / "site" / "nvidia" / package / "lib"
        to.mkdir(parents=True, exist_ok=True)
        for file in files:
            _compile(to / file, folder / "empty.c")


def _plugins() -> Path:
    import mindspore

    return Path(mindspore.__file__).parent / "lib" / "plugin"


def _compile(library: Path, *arguments: str | Path) -> None:
    options = ["-O1", "-w", "-shared", "-fPIC", f"-Wl,-soname,{library.name}", "-o", library]
    subprocess.run(["gcc", *options, *arguments], check=True)


def _symbols(which: str, file: Path) -> set[str]:
    done = subprocess.run(["nm", "-D", which, file], capture_output=True, text=True, check=True)
    return {line.split()[-1].partition("@")[0] for line in done.stdout.splitlines()}


def _names() -> set[str]:
    """What the plugin wants of MindSpore's own kernels and of CUDA's libraries."""
    wanted = _symbols("--undefined-only", _plugins() / "libmindspore_gpu.so.11.6")
    kernels = _symbols("--defined-only", _plugins() / "gpu" / LIBRARY)
    return {name for name in wanted if name in kernels or _CUDA_NAME.match(name)}


def _stubs(names: list[str], own: set[str]) -> str:
    """Assembly: each symbol counts its call, then does what runtime.c says, or returns 0."""
    lines = ['.section .note.GNU-stack,"",@progbits', ".text"]
    for place, name in enumerate(names):
        lines += [f".globl {name}", f".type {name},@function", f"{name}:"]
        lines += [f"\tlock incq pretend_counts+{8 * place}(%rip)"]
        if name in own:
            lines += [f"\tjmp impl_{name}"]
        elif _CREATOR.match(name):
            lines += ["\tjmp pretend_create"]
        else:
            lines += ["\txorl %eax,%eax", "\tret"]
    lines += [".section .rodata"]
    lines += [f'.Lname{place}: .string "{name}"' for place, name in enumerate(names)]
    lines += ['.section .data.rel.ro,"aw"', ".balign 8", *_hidden("pretend_names")]
    lines += [f"\t.quad .Lname{place}" for place in range(len(names))]
    lines += [".section .rodata", ".balign 8", *_hidden("pretend_number"), f"\t.quad {len(names)}"]
    lines += [".bss", ".balign 8", *_hidden("pretend_counts"), f"\t.zero {8 * len(names)}"]
    return "\n".join(lines) + "\n"


def _hidden(name: str) -> list[str]:
    return [f".globl {name}", f".hidden {name}", f"{name}:"]


def environment(folder: Path, base: dict[str, str]) -> dict[str, str]:
    """The variables with which a process started from the project's root runs on it."""
    library = folder.resolve() / "lib"
    path = [str(folder.resolve() / "site"), base.get("PYTHONPATH", "")]
    return {
        **{name: value for name, value in base.items() if name != "CUDA_HOME"},
        "PRETEND_GPU": str(library / LIBRARY),
        "PYTHONPATH": ":".join(part for part in path if part),
        "LD_LIBRARY_PATH": str(library),
        "LD_PRELOAD": str(library / LIBRARY),
    }
