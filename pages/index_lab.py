"""What each nearest-neighbour index costs and finds on this machine."""

from pages._shared.index_lab import index_lab
from pages._shared.opening import opened

PAGE = {"title": "Index lab", "icon": ":material/speed:", "section": "Data and runs", "place": 3}

index_lab(*opened())
