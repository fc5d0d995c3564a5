"""One experiment under several seeds."""

from pages._shared.opening import opened
from pages._shared.seeds import seeds

PAGE = {"title": "Several seeds", "icon": ":material/casino:", "section": "Compare", "place": 2}

opened()  # the one that is shown must be ready before its siblings are asked for
seeds()
