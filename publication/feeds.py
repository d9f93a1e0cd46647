"""What programs follow the portal by: an Atom feed, a sitemap, robots.txt.

Belongs here: these three documents. Does not: the DCAT catalogue (catalog.py) or pages for people (pages.py).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from publication.french import first_sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingestion.territory import Territory
    from publication.state import Entry

# A reader asks for the feed again and again: it has the newest updates, the catalogue has the rest.
FEED_ENTRIES = 200
# RFC 4287 wants a time even of a feed without entries.
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def feeds(territory: Territory, entries: Sequence[Entry], folders: Sequence[str]) -> dict[str, bytes]:
    """Each document by its path; `folders` are the pages that are no dataset's ('' is the home)."""
    return {
        "atom.xml": _atom(territory, entries),
        "sitemap.xml": _sitemap(territory, entries, folders),
        "robots.txt": _robots(territory),
    }


def _atom(territory: Territory, entries: Sequence[Entry]) -> bytes:
    """One entry a dataset, its id for ever the same, its time that of its newest file."""
    base = territory.base
    newest = sorted(entries, key=lambda entry: (entry.published.modified, entry.card.id), reverse=True)
    feed = Element("feed", {"xmlns": "http://www.w3.org/2005/Atom", "xml:lang": territory.language})
    _text(feed, "id", f"{base}/atom.xml")
    _text(feed, "title", f"Données ouvertes de {territory.name}")
    _text(feed, "subtitle", "Jeux de données publiés et mis à jour, les plus récents d'abord")
    _text(feed, "updated", (newest[0].published.modified if newest else _NEVER).isoformat())
    SubElement(feed, "link", {"rel": "self", "type": "application/atom+xml", "href": f"{base}/atom.xml"})
    SubElement(feed, "link", {"rel": "alternate", "type": "text/html", "href": f"{base}/"})
    author = SubElement(feed, "author")
    _text(author, "name", territory.name)
    _text(author, "email", territory.contact.email)
    for entry in newest[:FEED_ENTRIES]:
        card, published = entry.card, entry.published
        item = SubElement(feed, "entry")
        _text(item, "id", card.iri(base))
        _text(item, "title", card.title)
        _text(item, "updated", published.modified.isoformat())
        _text(item, "published", published.issued.isoformat())
        SubElement(item, "link", {"rel": "alternate", "type": "text/html", "href": f"{base}/{card.folder}/"})
        SubElement(item, "category", {"term": card.theme})
        _text(item, "summary", f"Version {published.version}. {first_sentence(card.description)}")
    return _xml(feed)


def _sitemap(territory: Territory, entries: Sequence[Entry], folders: Sequence[str]) -> bytes:
    places = Element("urlset", {"xmlns": "http://www.sitemaps.org/schemas/sitemap/0.9"})
    for folder in folders:
        _text(SubElement(places, "url"), "loc", f"{territory.base}/{folder}")
    for entry in entries:
        place = SubElement(places, "url")
        _text(place, "loc", f"{territory.base}/{entry.card.folder}/")
        _text(place, "lastmod", entry.published.modified.isoformat())
    return _xml(places)


def _robots(territory: Territory) -> bytes:
    """All may be read but the data API, whose addresses have no end."""
    return f"User-agent: *\nDisallow: /api/\n\nSitemap: {territory.base}/sitemap.xml\n".encode()


def _text(parent: Element, tag: str, text: str) -> None:
    SubElement(parent, tag).text = text


def _xml(root: Element) -> bytes:
    indent(root, " ")
    content: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"
