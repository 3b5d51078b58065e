#!/usr/bin/env bash
# Builds matlab-imresize and tests it in an environment of its own, with NumPy and without the rest.
# usage: packaging/check.sh [PYTHON]; the wheel and the sdist are left in build/matlab-imresize/dist
set -euo pipefail
cd "$(dirname "$0")/.."
python=${1:-python3}
work=$PWD/build/matlab-imresize
rm -rf "$work"
mkdir -p "$work"
"$python" packaging/stage.py "$work/source"
"$python" -m venv "$work/venv"
pip="$work/venv/bin/python -m pip --disable-pip-version-check"
$pip install --quiet build
"$work/venv/bin/python" -m build --outdir "$work/dist" "$work/source" >"$work/build.log" ||
    { cat "$work/build.log"; exit 1; }
$pip install --quiet "$(echo "$work"/dist/*.whl)[test]"
cd "$work/source"
rm -r matlab_imresize # what is tested is what was installed
"$work/venv/bin/python" - <<'END'
import sys
import numpy
before = set(sys.modules)
import matlab_imresize
third = {name.partition(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names
assert third <= {"matlab_imresize", "numpy"}, third
print("matlab-imresize:", matlab_imresize.backend(), "from", matlab_imresize.__file__)
END
"$work/venv/bin/python" -m pytest
# Without a compiler: the same tests, with NumPy.
CC=false $pip install --quiet --force-reinstall --no-deps --no-cache-dir "$work"/dist/*.tar.gz
"$work/venv/bin/python" -c 'import matlab_imresize as m; assert m.backend() == "numpy", m.backend()'
"$work/venv/bin/python" -m pytest tests/resize/test_matlab.py tests/resize/test_arguments.py
ls -l "$work/dist"
