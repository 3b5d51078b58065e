"""--slurm: the command as a job array; its last task does the rest, the lists, and verifies."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

_SCRIPT = """\
#!/bin/bash
#SBATCH --job-name=vimeo-prep
#SBATCH --array=1-{count}
#SBATCH --cpus-per-task=4
#SBATCH --output=vimeo-prep-%A_%a.log
# Submit with: sbatch THIS_FILE. Parts 1 to {count} share one output folder and may be run again, in
# any order. When all have ended, task 0 does what is missing, writes the lists and verifies.
set -eu
cd {folder}
workers="--workers ${{SLURM_CPUS_PER_TASK:-1}}"
task="$SLURM_ARRAY_TASK_ID"
if [ "$task" = 1 ]; then
    sbatch --dependency=afterany:"$SLURM_ARRAY_JOB_ID" --array=0 "$0"
fi
if [ "$task" != 0 ]; then
    exec {command} $workers --shard "$task/{count}"
fi
{command} $workers
{verify}"""


def slurm_script(arguments: Sequence[str], count: int, gt: Path, lq: Path | None) -> str:
    """A script for sbatch.

    Args:
        arguments: of vimeo-prep as it was called, "--slurm N" among them.
        count: parts.
        gt: the root of GT.
        lq: the tree that is made, to be verified; None where none is.
    """
    command = ["vimeo-prep", *_options(arguments, lambda name: name != "--slurm")]
    where = _options(arguments, lambda name: name in ("--layout", "--plugin"))
    verify = ["vimeo-prep", "verify", str(gt), str(lq), *where]
    return _SCRIPT.format(
        count=count,
        folder=shlex.quote(str(Path.cwd())),
        command=shlex.join(command),
        verify=f"{shlex.join(verify)} $workers\n" if lq else "",
    )


def _options(arguments: Sequence[str], wanted: Callable[[str], bool]) -> list[str]:
    """Those options, each with what follows it up to the next."""
    kept: list[str] = []
    keep = False
    for argument in arguments:
        if argument.startswith("--"):
            keep = wanted(argument.partition("=")[0])
        if keep:
            kept.append(argument)
    return kept
