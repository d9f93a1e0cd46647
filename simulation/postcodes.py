"""Post codes, which no declaration of the territory holds.

Belongs here: the code of each commune. Does not: streets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingestion.territory import Commune

_CODES = {
    "58000": ("58051", "58194", "58238", "58278"),
    "58180": ("58160",),
    "58320": ("58124", "58207", "58214"),
    "58470": ("58126", "58225"),
    "58600": ("58117", "58121"),
    "58640": ("58303",),
    "58660": ("58088",),
}


def postcode(commune: Commune) -> str:
    """Its post code; in another territory that of the main post office of its département."""
    return next((code for code, places in _CODES.items() if commune.insee in places), f"{commune.insee[:2]}000")
