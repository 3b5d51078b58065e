"""What the project says about itself agrees with itself."""

import configparser
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def setup_cfg():
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.read(ROOT / "setup.cfg")
    return parsed


def test_pre_commit_checks_with_the_versions_of_the_extra_dev():
    pinned = {
        name: version
        for name, version in re.findall(
            r"^(ruff|mypy)==(\S+)$", setup_cfg()["options.extras_require"]["dev"], re.MULTILINE
        )
    }
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    assert set(pinned) == {"ruff", "mypy"}
    assert set(re.findall(r"(ruff|mypy)==([\w.]+)", hooks)) == set(pinned.items())
