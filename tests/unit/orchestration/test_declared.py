"""The dataset cards as a bronze table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestion.territory import load_territory
from orchestration import declared
from publication.card import load_cards

if TYPE_CHECKING:
    from tests.conftest import House


def test_every_card_is_a_row_written_once(house: House) -> None:
    assert "card__dataset" in declared.write()
    before = house.versions()
    assert declared.write() == []
    assert house.versions() == before
    rows = house.sql("SELECT dataset_id, title, source_ids FROM bronze.card__dataset")
    assert {row[0]: row[1:] for row in rows} == {c.id: (c.title, ";".join(c.sources)) for c in load_cards()}


def test_files_are_counted_as_they_are_published(house: House) -> None:
    """A table without a place has no GeoJSON; a dataset of three tables has the files of each."""
    declared.write()
    ((water, counts, places, words, page),) = house.sql(
        """SELECT max((file_count, file_formats)) FILTER (WHERE dataset_id = 'eau-volumes-journaliers'),
            max(file_count) FILTER (WHERE dataset_id = 'comptages-mobilite'),
            max((file_count, file_formats)) FILTER (WHERE dataset_id = 'adresses'),
            max(keywords) FILTER (WHERE dataset_id = 'lieux-covoiturage'),
            max(page_url) FILTER (WHERE dataset_id = 'lieux-covoiturage')
        FROM bronze.card__dataset"""
    )
    assert tuple(water) == (2, "csv;parquet")
    assert counts == 3 + 2 + 2
    assert tuple(places) == (3, "csv;parquet;geojson")
    assert words == "covoiturage;mobilite;transport;stationnement;deplacements"
    assert page == f"{load_territory().base}/datasets/lieux-covoiturage/"
