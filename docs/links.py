"""For `make docs`: the README as first page, and links between it, the pages and the source."""

import re
from pathlib import Path

from mkdocs.structure.files import File

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent


def on_files(files, config):
    """The README is the first page: it stands outside the folder of the pages."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").replace("](docs/", "](")
    files.append(File.generated(config, "index.md", content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    """Links to the source become its path: the site does not hold it."""
    markdown = re.sub(r"\]\(\.\./README\.md(#[^)]*)?\)", r"](index.md\1)", markdown)

    def plain(match):
        beside = (DOCS / page.file.src_uri).parent / match[2]
        if beside.exists() and DOCS in beside.resolve().parents:
            return match[0]  # from a folder of pages to a page
        path = re.sub(r"^(\.\./)+", "", match[2])
        if not (ROOT / path).exists():
            raise FileNotFoundError(f"{page.file.src_uri}: link to {match[2]}")
        return f"`{path}`"

    return re.sub(r"(?<!!)\[([^\]]*)\]\((\.\./[^)#]*|[A-Z]+\.md|benchmarks/)\)", plain, markdown)
