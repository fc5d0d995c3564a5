"""Pictures of examples, and what they are called."""

from resmem_core.pictures import data_url, picture, title

__all__ = ["data_url", "picture", "title"]
