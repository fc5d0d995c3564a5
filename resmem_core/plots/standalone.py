"""Self-contained pages with figures: they open without the app and without a network.

What is put into them is escaped by the templates, and what figures say by `Shown.json`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from resmem_core.plots.common import Figure

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True, eq=False)
class Shown:
    """A figure, and what goes with it.

    Attributes
    ----------
    figure : Figure
    name : str
        Of the file, after "resmem-", under which it is saved.
    alt : str
        What it shows, for those who do not see it.
    title : str
        Its heading, where it has one.
    text : str
        How to read it.
    """

    figure: Figure
    name: str
    alt: str
    title: str = ""
    text: str = ""

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.figure.layout.height)

    @property
    def json(self) -> str:
        """Data and layout as JSON that nothing within a script element can end."""
        return str(self.figure.to_json()).replace("<", r"\u003c")


def figure_html(shown: Shown, *, scheme: str = "") -> str:
    """Return a page with one figure, without its text, and buttons that save it as PNG and SVG.

    Parameters
    ----------
    shown : Shown
        Its name is also the page's title.
    scheme : {"", "light", "dark"}
        Of colours; as the reader's system has it unless given.
    """
    return rendered("single.html", title=shown.name, shown=replace(shown, text=""), scheme=scheme)


def rendered(template: str, **values: Any) -> str:
    """Return a page made of one of the `templates`, with plotly.js in it."""
    from plotly.offline import get_plotlyjs

    return _templates().get_template(template).render(plotly_js=get_plotlyjs(), **values)


@cache
def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("resmem_core.plots"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
