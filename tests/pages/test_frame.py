"""The menu: what pages say of themselves at their head."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import streamlit as st

from pages._shared.frame import dress, pages

ROOT = Path(__file__).parents[2]
MENU = {
    "": {"overview": "Overview", "language": "Language"},
    "Learn": {
        "how_it_works": "How it works",
        "playground": "Playground",
        "theory": "Theory",
        "long_tail": "Long tail lab",
    },
    "Setting": {"tune": "Tune", "grid": "Grid", "index_lab": "Index lab"},
    "Gain": {"classes": "Classes", "compare": "Compare", "gain": "Where it gains", "reliability": "Reliability"},
    "Points": {"map": "Map", "inspect": "Inspect", "memory": "Memory"},
    "Workspace": {"experiments": "Experiments", "your_data": "Your data", "export": "Export"},
}


def write(folder, name, section, place, title="T"):
    (folder / f"{name}.py").write_text(
        f'"""A page."""\nPAGE = {{"title": "{title}", "icon": "", "section": "{section}", "place": {place}}}\nboom()\n'
    )


def test_the_menu_and_its_addresses():
    found = {}
    for path, head in pages(ROOT / "pages").items():
        assert head.icon.startswith(":material/")
        found.setdefault(head.section, {})[path.stem] = head.title
    assert [(section, list(of.items())) for section, of in found.items()] == [
        (section, list(of.items())) for section, of in MENU.items()
    ]


def test_pages_go_by_section_place_and_title_and_are_not_run(tmp_path):
    write(tmp_path, "a", "Points", 2)
    write(tmp_path, "b", "Mine", 1)
    write(tmp_path, "c", "Points", 2, "S")
    write(tmp_path, "d", "Points", 1)
    write(tmp_path, "e", "", 9)
    (tmp_path / "__init__.py").touch()
    assert [path.stem for path in pages(tmp_path)] == ["e", "d", "c", "a", "b"]


def test_a_page_that_says_nothing_of_itself_is_refused(tmp_path):
    (tmp_path / "mute.py").write_text('"""A page."""\n')
    with pytest.raises(ValueError, match=r"mute\.py does not say its title.*CONTRIBUTING"):
        pages(tmp_path)


@pytest.mark.parametrize(
    ("path", "title", "section"),
    [
        ("", "ResMem Lab", 0),
        ("language", "L · ResMem Lab", 0),
        ("map", "M · ResMem Lab", 1),
        ("own", "O · ResMem Lab", 2),
    ],
)
def test_a_page_has_a_title_of_its_own_and_its_section_is_marked(monkeypatch, path, title, section):
    titles, styles = [], []
    monkeypatch.setattr(st, "set_page_config", lambda page_title, **_: titles.append(page_title))
    monkeypatch.setattr(st, "html", styles.append)
    names = {"": ("", "language"), "Points": ("map",), "Mine": ("own",)}
    menu = {of: [SimpleNamespace(title=name[:1].upper(), url_path=name) for name in some] for of, some in names.items()}
    dress(next(page for some in menu.values() for page in some if page.url_path == path), menu)
    assert titles == [title]
    assert f":nth-child({section} of " in styles[-1]


def test_the_style_sheet_hides_nothing_and_fetches_nothing():
    sheet = (ROOT / "pages" / "_shared" / "style.css").read_text()
    assert not [word for word in ("display:", "visibility:", "opacity:", "outline", "url(", "@import") if word in sheet]
