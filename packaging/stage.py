"""Lay out the distribution matlab-imresize, the folder vimeo_tools/resize alone, to be built.

    python packaging/stage.py FOLDER

The modules are the same with another package name; their tests come along.
"""

import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "matlab_imresize"


def rename(text: str) -> str:
    """Package and paths of the sources as they are called in the distribution."""
    text = re.sub(r"vimeo_tools([./])resize", PACKAGE, text)
    return text.replace("vimeo_tools", PACKAGE)


def copy(source: Path, target: Path) -> None:
    """A source file, under its new names."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(rename(source.read_text()))


def stage(folder: Path) -> None:
    """Sources, tests and what builds them, below ``folder``."""
    for source in sorted((ROOT / "vimeo_tools" / "resize").iterdir()):
        if source.suffix in (".py", ".pyi", ".c", ".h"):
            copy(source, folder / PACKAGE / source.name)
    copy(ROOT / "vimeo_tools" / "errors.py", folder / PACKAGE / "errors.py")
    (folder / PACKAGE / "py.typed").touch()
    for name in ("setup.py", "MANIFEST.in"):
        copy(ROOT / name, folder / name)
    for name in ("LICENSE", "packaging/README.md"):
        shutil.copy(ROOT / name, folder)
    version = re.search(r'"(.+)"', (ROOT / "vimeo_tools" / "_version.py").read_text().split("=")[1])
    project = (ROOT / "packaging" / "pyproject.toml").read_text()
    (folder / "pyproject.toml").write_text(
        project.replace('version = "0"', f'version = "{version[1]}"')
    )
    for source in sorted((ROOT / "tests" / "vimeo_tools" / "resize").glob("*.py")):
        copy(source, folder / "tests" / "resize" / source.name)
    for name in ("oracles/imresize_oracle.py", "expected/make.py"):
        copy(ROOT / "tests" / name, folder / "tests" / name)
    for name in ("imresize.npz", "basicsr.npz"):
        shutil.copy(ROOT / "tests/expected" / name, folder / "tests/expected")
    for name in ("tests", "tests/oracles", "tests/expected"):
        (folder / name / "__init__.py").touch()


if __name__ == "__main__":
    if len(sys.argv) != 2 or Path(sys.argv[1]).exists():
        sys.exit(f"{__doc__.splitlines()[2].strip()}: a folder that is not there yet")
    stage(Path(sys.argv[1]))
