"""Data Docs: one page per audited dataset, readable offline, without what must not be quoted."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from candidates_of_standards import Candidate

from quality.data_docs import build


def test_each_audited_dataset_has_a_page_that_opens_offline(
    candidate: Callable[[str], Candidate], tmp_path: Path
) -> None:
    places = candidate("lieux-covoiturage")
    good = places.audit()
    places.sql("UPDATE {T} SET ad_lieu = 'jean.dupont@courrier.example', insee = '75' WHERE id_local <= 'P2'")
    bad = places.audit()
    index = build({"covoiturage": good}, tmp_path, run_id="r1")
    build({"fautif": bad}, tmp_path, run_id="r2")
    assert {path.name for path in tmp_path.iterdir()} == {"index.html", "covoiturage.html", "fautif.html"}
    listed = index.read_text("utf-8")
    assert '<a href="covoiturage.html">covoiturage</a> : conforme<' in listed
    assert '<a href="fautif.html">fautif</a> : refusé<' in listed
    page = (tmp_path / "fautif.html").read_text("utf-8")
    assert "Donnée personnelle (table lieux-covoiturage, colonne ad_lieu) : 2 ligne(s) en écart" in page
    assert "dupont" not in page
    assert len(re.findall(r"\[pattern\]", page)) == len([c for c in bad.checks if c.rule == "pattern"])
    assert not re.findall(r"""(?:src|href)=["']?https?://""", page + listed)
