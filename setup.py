"""The compiled part of vimeo_tools.resize; all else stands in setup.cfg and pyproject.toml."""

import os

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "vimeo_tools.resize._compiled",
            ["vimeo_tools/resize/_compiled.c"],
            depends=["vimeo_tools/resize/_sums.h"],
            # Contraction to one rounding would move the last bit of MATLAB's sums.
            extra_compile_args=["-O3", "-std=c11", "-ffp-contract=off", "-fno-math-errno", "-g0"],
            py_limited_api=True,
            # Without a compiler NumPy does the work: slower, the same samples. Wheels must have it.
            optional=os.environ.get("VIMEO_TOOLS_BUILD") != "required",
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
)
