"""Self-contained pages with figures: they open without the app and without a network.

What is put into them is escaped by the templates, and what figures say by `Shown.json`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from resmem_core.plots.common import Figure

if TYPE_CHECKING:
    from jinja2 import Environment

HEIGHT = 450  # pixels, where a figure leaves it to plotly


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
        return int(self.figure.layout.height or HEIGHT)

    @property
    def json(self) -> str:
        """Data and layout as JSON that nothing within a script element can end."""
        return str(self.figure.to_json()).replace("<", r"\u003c")


def figure_html(figure: Figure, name: str, alt: str = "", *, scheme: str = "") -> str:
    """Return a page with one figure and buttons that save it as PNG and SVG.

    Parameters
    ----------
    figure, name, alt
        As of `Shown`; the name is also the page's title, and what is shown unless `alt` says it.
    scheme : {"", "light", "dark"}
        Of colours; as the reader's system has it unless given.
    """
    return rendered("single.html", title=name, shown=Shown(figure, name, alt or name), scheme=scheme)


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
