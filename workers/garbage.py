"""Python's search for garbage, as a process of the product wants it: seldom, and among what is new.

Nearly all that a request or a step leaves is gone by itself; the search is for what refers to itself in a circle.
"""

import gc
from typing import Final

_NEW_OBJECTS: Final = 20_000
"""Instead of Python's 700, which are looked through once or twice for each request: a few megabytes."""


def search_seldom() -> None:
    """To be called once the program is loaded: all of it lives as long as the process.

    Looked through again and again, it would hold up for 150 ms whoever asks just then.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 20, 20)
