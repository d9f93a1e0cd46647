"""The same content in any name, order, archive or number of runs gives the same tables; held files wait for a remedy."""

from __future__ import annotations

import shutil
import zipfile
from typing import TYPE_CHECKING

import pytest

from ingestion.contract import Column, SourceContract, load_contracts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import House

HEADER = "segment_id,segment_fullname,date,uptime,heavy,car,bike,pedestrian"
TRAFFIC = "traffic_counts"
HOURS = "bronze.traffic_counts__hour"


def hours(*cars: str, segment: str = "s", header: str = HEADER) -> str:
    rows = [
        f"{segment},rue,2026-09-{1 + n // 24:02d} {n % 24:02d}:00:00 CEST,1,0,{car},0,0" for n, car in enumerate(cars)
    ]
    return "\n".join([header, *rows, ""])


def traffic() -> SourceContract:
    return next(c for c in load_contracts() if c.id == TRAFFIC)


def test_files_in_any_order_and_any_batch_give_the_same_rows(
    new_house: Callable[[], House], autumn_landing: Path
) -> None:
    sources = ("water_meters", "traffic_counts", "water_scada")
    at_once, one_by_one = new_house(), new_house()
    at_once.ingest(*sources, landing=autumn_landing)
    for source in sources[:2]:
        for path in sorted((autumn_landing / source).iterdir(), reverse=True):
            (one_by_one.landing / source).mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, one_by_one.landing / source)
            one_by_one.ingest(source)
    files = sorted((autumn_landing / "water_scada").iterdir(), reverse=True)
    for part in (files[::2], files[1::2]):
        for path in part:
            (one_by_one.landing / "water_scada").mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, one_by_one.landing / "water_scada")
        one_by_one.ingest("water_scada")
    for name in ("water_meters__reading", "traffic_counts__hour", "water_scada__reading"):
        assert at_once.bronze(name) == one_by_one.bronze(name)
    assert at_once.quarantine() == one_by_one.quarantine()
    at_once.check_ledger()
    one_by_one.check_ledger()


def test_same_content_again_under_its_name_another_name_or_in_another_archive(
    house: House, autumn_landing: Path
) -> None:
    first = min((autumn_landing / "water_meters").iterdir())
    with zipfile.ZipFile(first) as archive:
        (member,) = archive.namelist()
        content = archive.read(member)
    house.put("water_meters", first.name, first.read_bytes(), modified=1_800_000_000)
    house.ingest("water_meters")
    before = house.bronze("water_meters__reading")
    (read, loaded, _, _) = house.counts(f"{first.name}!{member}")
    assert loaded > 0

    house.put("water_meters", first.name, first.read_bytes(), modified=1_800_000_777)  # dropped again
    assert house.ingest("water_meters")[0].files == 0
    house.put("water_meters", "plain.csv", content)
    house.put("water_meters", "sub/again.csv", content)  # with a brother, in one batch
    with zipfile.ZipFile(house.landing / "water_meters" / "repacked.zip", "w") as archive:
        archive.writestr("other_name.csv", content)
    house.ingest("water_meters")
    for name in ("plain.csv", "sub/again.csv", "repacked.zip!other_name.csv"):
        assert house.counts(name) == (read, 0, read, 0)
    assert house.bronze("water_meters__reading") == before
    house.check_ledger()


def test_resent_rows_are_duplicates_and_corrected_ones_are_kept_beside_the_old(house: House) -> None:
    house.put(TRAFFIC, "1.csv", hours("10", "20", "30"), modified=1_800_000_000)
    house.ingest(TRAFFIC)
    house.put(TRAFFIC, "2.csv", hours("10", "21", "30", "40", "40"), modified=1_800_000_100)
    house.ingest(TRAFFIC)
    assert house.counts("2.csv") == (5, 3, 2, 0)
    rows = house.sql(f"SELECT car_count, source_file FROM {HOURS} WHERE hour(start_time) = 23 ORDER BY source_time")
    assert rows == [(20.0, "1.csv"), (21.0, "2.csv")]
    house.put(TRAFFIC, "3.csv", hours("10") + hours("10").split("\n", 1)[1])  # a row twice in one file
    house.ingest(TRAFFIC)
    assert house.counts("3.csv") == (2, 0, 2, 0)
    house.check_ledger()


def test_same_name_with_new_content_is_another_file(house: House) -> None:
    house.put(TRAFFIC, "export.csv", hours("10"), modified=1_800_000_000)
    house.ingest(TRAFFIC)
    house.put(TRAFFIC, "export.csv", hours("10", "20"), modified=1_800_000_100)
    house.ingest(TRAFFIC)
    assert sorted(v[:4] for v in house.ledger().values()) == [(1, 1, 0, 0), (2, 1, 1, 0)]
    house.check_ledger()


def test_a_snapshot_is_kept_whole_each_time(house: House) -> None:
    header = "id_lieu,nom_lieu,insee,type,date_maj,ouvert,Xlong,Ylat"
    site = "58194-C-001,Gare,58194,Parking,2026-01-01,true,3.15,46.98"
    house.put("carpool_sites", "bnlc20260901.csv", f"{header}\n{site}\n{site}\n")
    house.put("carpool_sites", "bnlc20260908.csv", f"{header}\n{site}\n")
    house.ingest("carpool_sites")
    assert house.counts("bnlc20260901.csv") == (2, 1, 1, 0)
    assert house.counts("bnlc20260908.csv") == (1, 1, 0, 0)


def test_new_missing_and_moved_columns(house: House) -> None:
    house.put(TRAFFIC, "1.csv", hours("1"))
    moved = "uptime,noise_db,segment_id,car,date,weather\n1,61.5,s,2,2026-09-02 00:00:00 CEST,\n"
    house.put(TRAFFIC, "2.csv", moved)
    house.ingest(TRAFFIC)
    ((car, bike, extra),) = house.sql(f"SELECT car_count, bike_count, extra FROM {HOURS} WHERE source_file = '2.csv'")
    assert (car, bike) == (2.0, None)
    assert extra == '{"noise_db":"61.5","weather":""}'
    assert house.sql(f"SELECT extra FROM {HOURS} WHERE source_file = '1.csv'") == [(None,)]
    drift = house.sql("SELECT kind, \"column\" FROM ops.schema_drift WHERE file = '2.csv' ORDER BY ALL")
    assert drift == [
        ("missing_column", "bike"),
        ("missing_column", "heavy"),
        ("missing_column", "pedestrian"),
        ("missing_column", "segment_fullname"),
        ("new_column", "noise_db"),
        ("new_column", "weather"),
    ]
    assert house.sql("SELECT count(*) FROM ops.schema_drift WHERE file = '1.csv'") == [(0,)]


def test_new_fields_of_json_are_kept(house: House) -> None:
    frame = (
        '{"time":"2026-09-01T10:00:00Z","deviceInfo":{"devEui":"0000000000000001"},'
        '"rxInfo":[{"gatewayId":"a"}],"battery":{"mv":3100},"region":null}\n'
    )
    house.put("lorawan_uplinks", "a.jsonl", frame)
    house.ingest("lorawan_uplinks")
    assert house.sql("SELECT extra FROM bronze.lorawan_uplinks__uplink") == [('{"battery":{"mv":3100}}',)]
    assert house.sql("SELECT \"column\" FROM ops.schema_drift WHERE kind = 'new_column' ORDER BY 1") == [
        ("battery",),
        ("region",),
    ]


def test_a_column_that_the_contract_gains_starts_empty_in_old_rows(house: House) -> None:
    house.put(TRAFFIC, "1.csv", hours("1"), modified=1_800_000_000)
    house.ingest(TRAFFIC)
    noise = Column.model_validate({"name": "noise_db", "from": "noise_db", "type": "number", "description": "Noise"})
    wider = SourceContract.model_validate(
        traffic().model_dump(by_alias=True) | {"columns": (*traffic().columns, noise)}
    )
    house.put(TRAFFIC, "2.csv", hours("1", "2,61.5", header=f"{HEADER},noise_db").replace(",0,0\n", ",0,0,\n", 1))
    house.put(
        TRAFFIC,
        "2.csv",
        f"{HEADER},noise_db\ns,rue,2026-09-01 00:00:00 CEST,1,0,1,0,0,\ns,rue,2026-09-01 01:00:00 CEST,1,0,1,0,0,61.5\n",
    )
    house.ingest(wider)
    assert house.counts("2.csv") == (2, 1, 1, 0)
    assert house.sql(f"SELECT noise_db FROM {HOURS} ORDER BY start_time") == [(None,), (61.5,)]


class TestHeld:
    """A file held back whole: one entry for all its rows, tried again when contract or code changes, not before."""

    FLIPPED = hours(*["beaucoup"] * 25)

    def test_it_is_one_entry_and_its_neighbours_load(self, house: House) -> None:
        house.put(TRAFFIC, "flipped.csv", self.FLIPPED)
        house.put(TRAFFIC, "good.csv", hours("1", "2"))
        house.ingest(TRAFFIC)
        assert house.counts("flipped.csv") == (25, 0, 0, 25)
        assert house.counts("good.csv") == (2, 2, 0, 0)
        ((file, line, column, reason, raw, rows),) = house.quarantine()
        assert (file, line, column, raw, rows) == ("flipped.csv", None, None, None, 25)
        assert "car" in reason
        assert "beaucoup" in reason
        assert house.sql("SELECT kind, \"column\" FROM ops.schema_drift WHERE kind = 'type_changed'") == [
            ("type_changed", "car")
        ]
        house.check_ledger()

    def test_the_last_good_rows_stay(self, house: House) -> None:
        house.put(TRAFFIC, "1.csv", hours("1", "2"))
        house.ingest(TRAFFIC)
        before, version = house.bronze("traffic_counts__hour"), house.versions()["bronze.traffic_counts__hour"]
        house.put(TRAFFIC, "2.csv", self.FLIPPED)
        house.ingest(TRAFFIC)
        assert house.bronze("traffic_counts__hour") == before
        assert house.versions()["bronze.traffic_counts__hour"] == version

    @pytest.fixture
    def amended(self, monkeypatch: pytest.MonkeyPatch) -> SourceContract:
        """The contract after somebody declared that the platform writes words."""
        monkeypatch.setattr("ingestion.load.contract_sha256", lambda _: "amended")
        columns = [c.model_dump(by_alias=True) for c in traffic().columns]
        changed = [c | {"null_values": ("beaucoup",)} if c["name"] == "car_count" else c for c in columns]
        return SourceContract.model_validate(traffic().model_dump(by_alias=True) | {"columns": changed})

    def test_it_loads_once_the_contract_is_amended(self, house: House, request: pytest.FixtureRequest) -> None:
        path = house.put(TRAFFIC, "flipped.csv", self.FLIPPED, modified=1_800_000_000)
        house.put(TRAFFIC, "bad_row.csv", hours("1", "x", segment="t"))
        house.ingest(TRAFFIC)
        path.touch()  # seen again, still held: must not make it forgotten
        versions = house.versions()
        house.ingest(TRAFFIC)
        assert [k for k, v in house.versions().items() if v != versions[k]] == ["ops.landing_file"]
        versions = house.versions()
        assert house.ingest(TRAFFIC)[0].files == 0
        assert house.versions() == versions

        amended = request.getfixturevalue("amended")
        (done,) = house.ingest(amended)
        assert (done.files, done.rows_loaded, done.held) == (1, 25, 0)
        assert house.counts("flipped.csv") == (25, 25, 0, 0)
        assert [r[0] for r in house.quarantine()] == ["bad_row.csv"], "only its own entry is gone"
        house.check_ledger()
        assert house.ingest(amended)[0].files == 0

    def test_it_may_be_held_again(self, house: House, request: pytest.FixtureRequest) -> None:
        house.put(TRAFFIC, "flipped.csv", self.FLIPPED.replace("beaucoup", "peu"))
        house.ingest(TRAFFIC)
        house.ingest(request.getfixturevalue("amended"))
        assert [r[5] for r in house.quarantine()] == [25]
        house.check_ledger()

    def test_two_held_files_of_one_content_have_an_entry_each(self, house: House) -> None:
        house.put(TRAFFIC, "a.csv", self.FLIPPED)
        house.ingest(TRAFFIC)
        house.put(TRAFFIC, "b.csv", self.FLIPPED)
        house.ingest(TRAFFIC)
        assert [(r[0], r[5]) for r in house.quarantine()] == [("a.csv", 25), ("b.csv", 25)]
        house.check_ledger()

    def test_an_archived_copy_of_the_content_that_a_name_had_before(self, house: House) -> None:
        old, new = self.FLIPPED, self.FLIPPED.replace("beaucoup", "peu")
        house.put(TRAFFIC, "export.csv", old, modified=1_800_000_000)
        house.ingest(TRAFFIC)
        house.put(TRAFFIC, "export.csv", new, modified=1_800_000_100)
        house.put(TRAFFIC, "export_of_yesterday.csv", old)
        house.ingest(TRAFFIC)
        assert [r[0] for r in house.quarantine()] == ["export.csv", "export.csv", "export_of_yesterday.csv"]
        house.check_ledger()

    def test_rows_refused_before_an_amendment_come_in_when_the_file_is_dropped_again(
        self, house: House, request: pytest.FixtureRequest
    ) -> None:
        content = hours("1", "beaucoup", "3")
        house.put(TRAFFIC, "a.csv", content)
        house.ingest(TRAFFIC)
        assert house.counts("a.csv") == (3, 2, 0, 1)
        house.put(TRAFFIC, "a_again.csv", content)
        house.ingest(request.getfixturevalue("amended"))
        assert house.counts("a_again.csv") == (3, 1, 2, 0)
        house.check_ledger()


def test_more_refused_rows_than_one_can_read_hold_the_file(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestion.load.MAX_REFUSED", 5)
    monkeypatch.setattr("ingestion.readers.delimited.MAX_REFUSED", 5)
    house.put(TRAFFIC, "values.csv", hours(*["1"] * 12, *["x"] * 6, segment="v"))
    house.put(TRAFFIC, "ragged.csv", hours(*["1"] * 12, segment="r") + "r,2\n" * 6)
    house.put(TRAFFIC, "few.csv", hours(*["1"] * 12, *["x"] * 5, segment="f"))
    house.ingest(TRAFFIC)
    assert house.counts("values.csv") == house.counts("ragged.csv") == (18, 0, 0, 18)
    assert house.counts("few.csv") == (17, 12, 0, 5)
    house.check_ledger()


def test_archives_that_swell_beyond_reason_are_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    import gzip

    monkeypatch.setattr("ingestion.landing.MAX_UNPACKED", 1 << 20)
    with zipfile.ZipFile(house.put("water_meters", "bomb.zip", b""), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"\n" * (4 << 20))
    house.put("lorawan_uplinks", "bomb.jsonl.gz", gzip.compress(b"\n" * (8 << 20), 6))
    house.ingest("water_meters", "lorawan_uplinks")
    assert {r[0]: r[3] for r in house.quarantine()} == {
        "bomb.zip": "a.csv : taux de compression anormal, archive refusée",
        "bomb.jsonl.gz": "taux de compression anormal, fichier refusé",
    }
    assert sum(p.stat().st_size for p in (house.home / "tmp").rglob("*") if p.is_file()) < 1 << 20
