"""What the operator asks of ingest, over mutual TLS, of a real one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from bluewhale.ingest.authority import Authority
from bluewhale.operator.centre import Ingest
from bluewhale.operator.exceptions import IngestError

from tests.integration.ingest.places import write_configuration
from tests.integration.operator.places import identity_of, ingest_in


def test_units_owners_tokens_overrides_orders_and_the_end_of_a_unit(tmp_path: Path):
    """`depot` reads two links, `shop` one of them, with timings of its own; nobody is connected."""
    path = write_configuration(tmp_path)
    settings = yaml.safe_load(path.read_text("utf-8"))
    settings["units"][1]["failover"] = {"lease_s": 6, "deadline_s": 4, "retry_s": 1}
    path.write_text(yaml.safe_dump(settings), "utf-8")

    async def scenario(port: int) -> None:
        ingest = Ingest(f"127.0.0.1:{port}", identity_of(tmp_path))
        said = await ingest.view()
        while said.problem:  # the term of ownership is won within a second
            await asyncio.sleep(0.05)
            said = await ingest.view()
        assert {unit.name: unit.state for unit in said.units.values()} == {
            "depot": "declared",
            "shop": "declared",
        }
        assert said.units["depot"].links == ("hq-avaya-cdr", "london-asterisk-cdr")
        assert said.profile == (15.0, 10.0, 2.0)
        assert said.units["depot"].failover is None
        assert said.units["shop"].failover == (6.0, 4.0, 1.0)
        shared = said.links["london-asterisk-cdr"]
        assert (shared.shared, shared.owner, shared.ready) == (True, "", ())
        alone = said.links["hq-avaya-cdr"]
        assert (alone.shared, alone.owner) == (False, "")

        token, expires = await ingest.mint("depot")
        assert token.startswith("bw1.depot.")
        assert timedelta(minutes=59) < expires - datetime.now(UTC) <= timedelta(hours=1)
        overrides = {"log_level": "debug", "paused_links": ["hq-avaya-cdr"]}
        await ingest.configure("depot", overrides)
        assert (await ingest.view()).units["depot"].overrides == overrides
        with pytest.raises(IngestError, match="was not handed over to shop: not_ready"):
            await ingest.hand_over("london-asterisk-cdr", "shop")
        with pytest.raises(IngestError, match="unit nowhere is not in the configuration"):
            await ingest.configure("nowhere", {})
        await ingest.revoke("depot", "its resource was deleted")
        assert (await ingest.view()).units["depot"].state == "revoked"
        await ingest.close()

    with ingest_in(tmp_path) as port:
        asyncio.run(scenario(port))


def test_a_renewed_certificate_is_used_as_soon_as_its_file_is_there(tmp_path: Path):
    """A mounted Secret changes under the operator; nobody restarts it."""
    write_configuration(tmp_path)

    async def scenario(port: int) -> None:
        keys = identity_of(tmp_path)
        ingest = Ingest(f"127.0.0.1:{port}", keys)
        while (await ingest.view()).problem:  # noqa: ASYNC110 - ingest is asked
            await asyncio.sleep(0.05)
        under_way = asyncio.create_task(ingest.view())
        await asyncio.sleep(0)
        before = dict(ingest._channels)
        pair = Authority.open(tmp_path / "authority").make_operator(
            "bluewhale-operator", now=datetime.now(UTC)
        )
        (keys / "operator.key").write_bytes(pair.key_pem)
        (keys / "operator.pem").write_bytes(pair.chain_pem)
        assert (await ingest.view()).problem == ""
        assert (await under_way).problem == ""
        assert not set(before.values()) & set(ingest._channels.values())
        (keys / "operator.pem").write_text("no certificate")
        assert (await ingest.view()).problem != ""
        await ingest.close()

    with ingest_in(tmp_path) as port:
        asyncio.run(scenario(port))


def test_what_keeps_ingest_from_being_asked_is_said(tmp_path: Path):
    """No port, no files: a problem in words, never an exception."""

    async def scenario() -> None:
        nobody = Ingest("127.0.0.1:1", None)
        assert (await nobody.view()).problem.startswith("127.0.0.1:1: ")
        await nobody.close()
        missing = Ingest("127.0.0.1:1", tmp_path)
        problem = (await missing.view()).problem
        assert "ca.pem cannot be read (No such file or directory)" in problem
        assert "bluewhale unit authority operator" in problem

    asyncio.run(scenario())
