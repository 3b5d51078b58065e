"""What setup.cfg cannot say: the compiled parts, and the index's page."""

import os
import re
from pathlib import Path

from setuptools import Extension, setup


def index_page():
    """The README for a package index, which holds none of the files that it links to.

    A link to one becomes its text, a picture from one goes, with the line in brackets below it.
    """
    text = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
    away = r"\((?!https?:|#)[^)]*\)"
    text = re.sub(rf"^!\[[^\]]*\]{away}\n+(\(.*\)\n+)?", "", text, flags=re.MULTILINE)
    return re.sub(rf"\[([^\]]*)\]{away}", r"\1", text)


def compiled(name, *arguments, others=(), depends=()):
    """A compiled part on the stable ABI, in a list; an empty one where its source is not.

    Without a compiler other code does the work: slower, the same samples. Wheels must have it.
    """
    source = f"{name.replace('.', '/')}.c"
    if not Path(source).exists():  # packaging/ takes this file along, and the resize alone
        return []
    return [
        Extension(
            name,
            [source, *others],
            depends=list(depends),
            extra_compile_args=["-std=c11", "-g0", *arguments],
            extra_link_args=["-pthread"],
            py_limited_api=True,
            optional=os.environ.get("VIMEO_TOOLS_BUILD") != "required",
        )
    ]


KERNELS = "rvrt/models/kernels"

setup(
    long_description=index_page(),
    long_description_content_type="text/markdown",
    ext_modules=[
        *compiled(
            "vimeo_tools.resize._compiled",
            "-O3",
            # Contraction to one rounding would move the last bit of MATLAB's sums.
            "-ffp-contract=off",
            "-fno-math-errno",
            depends=["vimeo_tools/resize/_pass.h", "vimeo_tools/resize/_sums.h"],
        ),
        # GCC's -O3 makes branches of what must be none: half as fast again.
        *compiled("vimeo_tools.data._rows", "-O2", "-ftree-vectorize"),
        *compiled(
            "rvrt.models.kernels._kernels",
            "-O3",
            "-ffp-contract=fast",
            "-fno-math-errno",
            "-fno-trapping-math",
            "-fopenmp-simd",  # the pragmas alone: no OpenMP library
            others=[f"{KERNELS}/_{level}.c" for level in ("baseline", "avx2", "avx512")],
            depends=[str(header) for header in Path(KERNELS).glob("*.h")],
        ),
    ],
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
)
