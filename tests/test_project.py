"""What the project says about itself agrees with itself."""

import configparser
import re
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

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


def test_no_link_of_the_index_page_leads_nowhere(monkeypatch):
    given = {}
    build = SimpleNamespace(Extension=lambda *_, **__: None, setup=given.update)
    monkeypatch.setitem(sys.modules, "setuptools", build)
    runpy.run_path(str(ROOT / "setup.py"))
    page = given["long_description"]
    assert not re.findall(r"\]\((?!https?://|#)[^)]*\)", page)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^#.*", page, re.MULTILINE) == re.findall(r"^#.*", readme, re.MULTILINE)
    assert "docs/faq.md" in page and "report.png" not in page


def test_every_link_of_the_documents_leads_to_a_file():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            if not target.startswith(("http", "#")):
                assert (page.parent / target.split("#")[0]).exists(), f"{page.name}: {target}"


def test_every_module_of_the_api_pages_is_there():
    for page in (ROOT / "docs" / "api").glob("*.md"):
        named = re.findall(r"^::: (\S+)", page.read_text(), re.MULTILINE)
        assert named
        for name in named:
            path = ROOT.joinpath(*name.split("."))
            assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file(), name
