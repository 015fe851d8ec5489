"""The docs as a whole: every page can be found, every link leads somewhere, what is written by a
script is up to date."""

import re
from pathlib import Path

from scripts.request_fields import PAGE, page

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))


def links(path):
    """(file, anchor) of each link of a page that leads into the project."""
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for place in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text)):
        if "://" not in place:
            file, _, anchor = place.partition("#")
            yield (path.parent / file).resolve() if file else path, anchor


def anchors(path):
    """Of a page's headings, as GitHub makes them."""
    for heading in re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_the_readme_links_every_page_of_the_docs():
    linked = {file for file, _ in links(ROOT / "README.md")}
    assert [page.name for page in PAGES if page not in linked] == []


def test_every_link_leads_to_a_file_and_a_heading_that_are_there():
    broken = [
        f"{page.name}: {file.name}#{anchor}"
        for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES]
        for file, anchor in links(page)
        if not file.exists() or (anchor and anchor not in anchors(file))
    ]
    assert broken == []


def test_the_page_of_fields_is_what_the_declarations_say():
    assert PAGE.read_text("utf-8") == page(), "run: python -m scripts.request_fields"
