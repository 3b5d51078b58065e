"""--slurm: a script that bash runs as sbatch would, part by part, to the tree of one run."""

import os
import subprocess

from tests.conftest import tree_bytes

SBATCH = '#!/bin/sh\necho "$@" >> "$SUBMITTED"\n'


def run_task(script, folder, task, vimeo_prep, tmp_path):
    """A task of the array; sbatch only notes what is submitted."""
    bin_ = tmp_path / "bin"
    bin_.mkdir(exist_ok=True)
    (bin_ / "sbatch").write_text(SBATCH)
    (bin_ / "sbatch").chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{bin_}:{vimeo_prep.path.parent}:{os.environ['PATH']}",
        "SUBMITTED": str(tmp_path / "submitted"),
        "SLURM_ARRAY_TASK_ID": str(task),
        "SLURM_ARRAY_JOB_ID": "77",
        "SLURM_CPUS_PER_TASK": "1",
    }
    call = ["bash", str(script)]
    return subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True)


def test_parts_merge_and_verify_make_the_tree_of_one_run(vimeo_prep, septuplets, tmp_path):
    printed = vimeo_prep("--generate-lq", "--output-dir", "lq 1", "--slurm", "2", cwd=septuplets)
    assert (printed.returncode, (septuplets / "lq 1").exists()) == (0, False)
    script = tmp_path / "job.sbatch"
    script.write_text(printed.stdout)
    assert printed.stdout.startswith(
        "#!/bin/bash\n#SBATCH --job-name=vimeo-prep\n#SBATCH --array=1-2"
    )
    for task in (2, 1):
        done = run_task(script, tmp_path, task, vimeo_prep, tmp_path)
        assert done.returncode == 0, done.stderr
    submitted = (tmp_path / "submitted").read_text()
    assert submitted == f"--dependency=afterany:77 --array=0 {script}\n"
    (septuplets / "lq 1" / "00001" / "0002" / "im3.png").unlink()  # a part that failed
    last = run_task(script, tmp_path, 0, vimeo_prep, tmp_path)
    assert last.returncode == 0
    assert "21 of 21 frames exact" in last.stdout
    whole = vimeo_prep("--generate-lq", "--output-dir", "one", cwd=septuplets)
    assert whole.returncode == 0
    assert tree_bytes(septuplets / "lq 1") == tree_bytes(septuplets / "one")


def test_what_does_not_go_with_slurm(vimeo_prep, septuplets):
    for more in (["--shard", "1/2"], ["--overwrite"], ["--dask", "tcp://x"]):
        refused = vimeo_prep("--generate-lq", "--slurm", "2", *more, cwd=septuplets)
        assert (refused.returncode, "goes without --shard" in refused.stderr) == (1, True)
