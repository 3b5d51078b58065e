"""What setup.cfg cannot say: the compiled part of vimeo_tools.resize, and the index's page."""

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


setup(
    long_description=index_page(),
    long_description_content_type="text/markdown",
    ext_modules=[
        Extension(
            "vimeo_tools.resize._compiled",
            ["vimeo_tools/resize/_compiled.c"],
            depends=["vimeo_tools/resize/_pass.h", "vimeo_tools/resize/_sums.h"],
            # Contraction to one rounding would move the last bit of MATLAB's sums.
            extra_compile_args=["-O3", "-std=c11", "-ffp-contract=off", "-fno-math-errno", "-g0"],
            py_limited_api=True,
            # Without a compiler NumPy does the work: slower, the same samples. Wheels must have it.
            optional=os.environ.get("VIMEO_TOOLS_BUILD") != "required",
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
)
