"""The menu, the tabs of a section, and what a page is called: what pages say of themselves at their head."""

import re
from pathlib import Path

import pytest
import streamlit as st

from pages._shared.frame import MOVED, SECTIONS, dress, menu, pages

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "pages"


def write(folder, name, section, place, title="T"):
    (folder / f"{name}.py").write_text(
        f'"""A page."""\nPAGE = {{"title": "{title}", "icon": "", "section": "{section}", "place": {place}}}\nboom()\n'
    )


@pytest.fixture
def menu_of(monkeypatch):
    """Return a function from a folder to the titles in its menu, by file; None stands for what is not listed."""
    asked = {}

    def made(page, title, visibility="visible", **_):
        asked[page.stem if isinstance(page, Path) else title] = title if visibility == "visible" else None

    monkeypatch.setattr(st, "Page", made)
    return lambda folder: (asked.clear(), menu(folder), asked)[-1]


def test_the_menu_lists_the_nine_sections_and_every_page_can_be_reached(menu_of):
    heads = pages(FOLDER)
    listed = [title for title in menu_of(FOLDER).values() if title]
    assert listed == list(SECTIONS)
    assert len(listed) == 9
    assert {head.section for head in heads.values()} == set(SECTIONS)
    assert set(menu_of(FOLDER)) == {*MOVED, *(path.stem for path in heads)}
    assert all(head.icon.startswith(":material/") for head in heads.values())


def test_pages_of_a_section_have_places_and_titles_of_their_own():
    heads = list(pages(FOLDER).values())
    assert len({(head.section, head.place) for head in heads}) == len(heads)
    assert len({head.title for head in heads}) == len(heads)


def test_pages_go_by_section_place_and_title_and_are_not_run(tmp_path, menu_of):
    write(tmp_path, "a", "Points", 2)
    write(tmp_path, "b", "Mine", 1)
    write(tmp_path, "c", "Points", 2, "S")
    write(tmp_path, "d", "Points", 1)
    write(tmp_path, "e", "Overview", 9)
    (tmp_path / "__init__.py").touch()
    assert [path.stem for path in pages(tmp_path)] == ["e", "d", "c", "a", "b"]
    listed = {"e": "Overview", "d": "Points", "c": None, "a": None, "b": "Mine"}
    assert menu_of(tmp_path) == listed | dict.fromkeys(MOVED)


def test_a_page_that_says_nothing_of_itself_is_refused(tmp_path):
    (tmp_path / "mute.py").write_text('"""A page."""\n')
    with pytest.raises(ValueError, match=r"mute\.py does not say its title.*CONTRIBUTING"):
        pages(tmp_path)


@pytest.mark.parametrize(
    ("page", "title", "marked"),
    [
        ("overview", "Overview · ResMem Lab", "overview"),
        ("classes", "Classes · Where it gains · ResMem Lab", "classes"),
        ("rivals", "Rivals · Where it gains · ResMem Lab", "classes"),
        ("seeds", "Several seeds · Compare · ResMem Lab", "compare"),
        ("memory", "Memory · ResMem Lab", "memory"),
    ],
)
def test_a_page_has_a_title_of_its_own_and_its_section_is_marked(monkeypatch, page, title, marked):
    titles, styles = [], []
    monkeypatch.setattr(st, "set_page_config", lambda page_title: titles.append(page_title))
    monkeypatch.setattr(st, "html", lambda html, **_: styles.append(html))
    heads = pages(FOLDER)
    shown = FOLDER / f"{page}.py"
    dress(shown, {path: head for path, head in heads.items() if head.section == heads[shown].section})
    assert titles == [title]
    assert re.findall(r'\[href\$="/(\w+)"\]', styles[-1]) == [marked]


def test_a_page_is_below_its_section_among_its_tabs(opened):
    at = opened("rivals")
    assert [title.value for title in at.title] == ["Where it gains"]
    assert at.tabs_of_section == ["Classes", "Slices", "Near-duplicates", "Reliability", "Rivals"]
    assert opened("memory").tabs_of_section == []


def test_the_style_sheet_hides_only_the_knobs_of_a_telephone_and_fetches_nothing():
    sheet = (FOLDER / "_shared" / "style.css").read_text()
    assert not [word for word in ("visibility:", "opacity:", "outline", "url(", "@import") if word in sheet]
    hiding = re.findall(r"([^{}]+)\{[^{}]*display:[^{}]*\}", sheet)
    assert [rule.strip() for rule in hiding] == [".stApp .st-key-knobs-narrow"]
