import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "hostile_weights.py"


def test_damaged_and_made_up_files_end_in_a_result_or_one_line(tmp_path):
    """In a process of its own, since what this is about ends the process."""
    command = [sys.executable, SCRIPT, "--count", "120", "--seed", "5", "--folder", tmp_path]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "0 bad"
    assert len(lines) == 7
    for line in lines[:-1]:  # both ends are reached, or nothing was tried
        assert " read," in line and " refused;" in line, line
