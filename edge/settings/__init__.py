"""A door's settings: the table in `slices.py`, its checks in `schema.py`, the file in `load.py`, texts in `text.py`."""

from edge.settings.load import load_settings
from edge.settings.slices import Settings

__all__ = ["Settings", "load_settings"]
