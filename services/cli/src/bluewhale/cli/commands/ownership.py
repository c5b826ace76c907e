"""`bluewhale ownership`: which unit reads a link that several may read, and planned hand-over.

Owns the words of these commands. Who is entitled is decided by the ingest replica
that holds the term.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from bluewhale.capture.exceptions import TemporaryError
from bluewhale.cli.door import (
    ConfigOption,
    FormatOption,
    JsonOption,
    OutputOption,
    chosen,
    guarded,
)
from bluewhale.cli.exceptions import CheckFailedError, InputError, NotFoundError
from bluewhale.cli.output import Format, emit, note
from bluewhale.cli.steering import CALL_TIMEOUT_S, IdentityOption, ServerOption, ingest_stub

if TYPE_CHECKING:
    from bluewhale.api.ownership.v1 import ownership_pb2 as pb

HERE = Path()
branch = typer.Typer(
    help="Links that several units may read: who does, and planned hand-over.",
    rich_markup_mode=None,
)
POLL_S = 0.1


def register(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    app.add_typer(branch, name="ownership")


@branch.command("show")
@guarded
def show(
    link_uid: Annotated[
        list[str] | None, typer.Argument(help="Links; default: all that several units may read.")
    ] = None,
    config: ConfigOption = HERE,
    server: ServerOption = None,
    identity: IdentityOption = None,
    form: FormatOption = Format.TABLE,
    json: JsonOption = False,
    output: OutputOption = None,
) -> None:
    """Show who is entitled to read which link, since when, and who stands ready."""
    with ingest_stub("ownership", config, server, identity) as stub:
        links = _ask(stub, link_uid or []).links
    missing = sorted(set(link_uid or []) - {link.link_uid for link in links})
    if missing:
        raise NotFoundError(f"{', '.join(missing)}: no link that several units may read")
    emit([_row(link) for link in links], form=chosen(form, json), to=output)


@branch.command("handover")
@guarded
def handover(
    link_uid: Annotated[str, typer.Argument(help="The link.")],
    unit_uid: Annotated[str, typer.Argument(help="The unit that shall read it.")],
    config: ConfigOption = HERE,
    server: ServerOption = None,
    identity: IdentityOption = None,
    wait_s: Annotated[
        float, typer.Option(min=0, help="Wait so long until it is done; 0 = only order it.")
    ] = 20.0,
) -> None:
    """Hand a link over: its owner stops reading, then the named unit begins."""
    from bluewhale.api.ownership.v1 import ownership_pb2 as pb

    began = time.monotonic()
    with ingest_stub("ownership", config, server, identity) as stub:
        item = pb.Item(hand_over=pb.HandOver(link_uid=link_uid, to=unit_uid))
        reply = _ask(stub, [link_uid], item)
        match reply.results[0]:
            case pb.RESULT_NOT_CONFIGURED:
                raise InputError(
                    f"{unit_uid} is not one of several units of {link_uid};"
                    " see `bluewhale ownership show`"
                )
            case pb.RESULT_NOT_READY:
                raise TemporaryError(
                    f"{unit_uid} is not connected, so it cannot take {link_uid}; see"
                    f" `bluewhale unit diagnose {unit_uid}`"
                )
            case _:
                pass
        while reply.links[0].owner != unit_uid:
            if time.monotonic() - began >= wait_s:
                if not wait_s:
                    note(f"Ordered: {link_uid} to {unit_uid}")
                    return
                raise CheckFailedError(
                    f"{link_uid} is still with {reply.links[0].owner or 'nobody'} after"
                    f" {wait_s:g} s; the order stands"
                )
            time.sleep(POLL_S)
            reply = _ask(stub, [link_uid])
    note(f"{link_uid} is read by {unit_uid}, after {time.monotonic() - began:.1f} s")


def _ask(stub: Any, links: list[str], *items: pb.Item) -> pb.BatchReply:
    """Ask the leader about links, after some items."""
    from bluewhale.api.ownership.v1 import ownership_pb2 as pb

    request = pb.BatchRequest(items=[*items, pb.Item(query=pb.Query(link_uids=links))])
    reply: pb.BatchReply = stub.Batch(request, timeout=CALL_TIMEOUT_S)
    if not reply.leading:
        raise TemporaryError(
            f"another replica leads: ask it with --server {reply.leader} and --identity"
            if reply.leader
            else "no replica of ingest leads now; try again in some seconds"
        )
    return reply


def _row(link: pb.LinkStatus) -> dict[str, Any]:
    return {
        "link_uid": link.link_uid,
        "owner": link.owner,
        "since_s": round(link.held_s, 1) if link.owner else None,
        "to": link.to,
        "units": ", ".join(link.units),
        "ready": ", ".join(link.ready),
        "token": f"{link.token.term}.{link.token.sequence}" if link.owner else "",
    }
