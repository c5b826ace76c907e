"""Erasing a person by the API: looked at, confirmed by name, done, proved; amounts stay."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.integration.webapi.places import Site, embedded
from tests.support.running import wait_until

WHOLE = "from=2025-01-01&to=2026-01-01"


def let_go(folder: Path, uid: str) -> None:
    """Take somebody out of the directory's file."""
    path = folder / "directory.yaml"
    names = re.compile(rf"person_uid: {uid}\b")
    kept = [line for line in path.read_text("utf-8").splitlines() if not names.search(line)]
    path.write_text("\n".join(kept) + "\n", "utf-8")


def test_a_person_is_erased_by_who_may_and_every_page_answers_afterwards(
    calls_of_the_example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """First the files, then the name, then the job; the call, its raw line and receipt answer."""
    monkeypatch.setattr("bluewhale.storage.housekeeping.SWEEP_INTERVAL_S", 0.0)
    monkeypatch.setattr("bluewhale.database.store.REPLACED_KEPT_MS", 0)
    folder = tmp_path / "site"
    shutil.copytree(calls_of_the_example, folder)
    sealed = {path.name for path in (folder / "data" / "store" / "segments").glob("*.parquet")}
    with embedded(folder) as site:
        security = site.somebody("security")
        mine = _calls(site, "&person=ada")
        assert mine
        before = _bill(site)
        asked = {"person_uid": "ada", "confirmation": "Ada  Example"}
        shown = security.post("/erasures/preview", {"person_uid": "ada"}).json()
        assert (shown["name"], shown["named_by"]) == ("Ada Example", ["directory.yaml"])
        assert (shown["calls"], shown["directory_versions"]) == (len(mine), 1)
        refused = security.post("/erasures", asked)
        assert (refused.status_code, refused.json()["code"]) == (409, "state_conflict")
        let_go(folder, "ada")
        wrong = security.post("/erasures", {**asked, "confirmation": "Ben Example"})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "question_refused")
        made = security.post("/erasures", asked)
        assert (made.status_code, made.json()["kind"]) == (202, "erase")
        name = made.json()["name"]
        assert "ada" not in name
        wait_until(
            lambda: security.get(f"/jobs/{name}").json()["job"]["state"] == "done", 60, "the end"
        )
        proof = security.get(f"/jobs/{name}").json()["erasure"]
        assert proof["calls"] == len(mine)
        assert proof["segments"] >= 1
        wait_until(lambda: len(sealed & _files(folder)) < len(sealed), 60, "the sweep")
        assert {s["what"] for s in proof["stays"]} >= {"charges", "backups", "audit"}
        assert _calls(site, "&person=ada") == []
        after = _calls(site, f"&person={proof['pseudonym']}")
        assert {c["call_id"] for c in after} == {c["call_id"] for c in mine}
        for call in after:
            assert (call["calling"], call["called"]) == (None, None)
            for part in ("", "/receipt", "/raw"):
                assert site.owner.get(f"/calls/{call['call_id']}{part}").status_code == 200
        assert _bill(site) == before
        gone = security.post("/erasures/preview", {"person_uid": "ada"})
        assert (gone.status_code, gone.json()["code"]) == (404, "not_found")


def test_a_branch_is_not_enough_to_erase(site: Site):
    """Calls of a person lie at every site."""
    berlin = site.somebody("security", sites=["berlin"])
    for path, body in (("/preview", {}), ("", {"confirmation": "Ada Example"})):
        answer = berlin.post(f"/erasures{path}", {"person_uid": "ada", **body})
        assert (answer.status_code, answer.json()["code"]) == (403, "out_of_scope")


def _files(folder: Path) -> set[str]:
    return {path.name for path in (folder / "data" / "store" / "segments").iterdir()}


def _calls(site: Site, more: str) -> list[dict]:
    return site.owner.post("/calls/search", {"filter": WHOLE + more}).json()["items"]


def _bill(site: Site) -> dict:
    """Give what each department comes to."""
    answer = site.owner.post("/reports/department", {"filter": WHOLE})
    assert answer.status_code == 200, answer.text
    return answer.json()
