#!/bin/sh
# The main job on clips drawn by code: `make demo`. Everything is written into the folder given.
set -eu
folder=${1:?usage: demo.sh FOLDER}

say() { printf '\n$ %s\n' "$*"; "$@"; }

mkdir -p "$folder"
cd "$folder"
say vimeo-prep synthesize --clips 8 --test-clips 2 --output-dir vimeo_septuplet
cd vimeo_septuplet
say vimeo-prep --generate-lq --output-dir BIx4
say vimeo-prep pack-lmdb
say vimeo-prep verify
say vimeo-prep verify vimeo90k_train_GT_all.lmdb vimeo90k_train_LR7frames.lmdb
printf '\nEverything lies in %s. Run `make demo` again: it finds all done.\n' "$folder/vimeo_septuplet"
