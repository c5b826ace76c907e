"""The document that a unit runs by: made of the configuration files and an operator's overrides.

Owns the shape of the document and the whitelist of overrides. Does not own the
form of connectors' settings or framing tables: both are passed on as they are.

The document is JSON: `links` (link_uid, stream_id, connector, framing, shared), `limits`,
`trace`. A shared link has several units; of those the owner reads. Its hash is the SHA-256 of its bytes. A unit never gets what it does not
need: no dialect, no price, no other unit's link.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from bluewhale.configuration import Configuration, ImportSettings, stream_id
from bluewhale.connectors import framing_document
from bluewhale.ingest.exceptions import AdmissionError
from pydantic import BaseModel, ConfigDict, Field, ValidationError


class Document(NamedTuple):
    """A document ready to travel."""

    hash: str
    content: bytes


class Overrides(BaseModel):
    """All that an operator may set for one unit beside the configuration files.

    Configuration is a remote control: only what cannot point a unit at another
    address or path is here.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    trace: bool | None = Field(default=None, description="trace every frame of the unit")
    log_level: Literal["debug", "info", "warning", "error"] | None = None
    paused_links: list[Annotated[str, Field(max_length=64)]] = Field(
        default=[], max_length=1_000, description="links that are not read until they are taken out"
    )
    journal_quota_mib: int | None = Field(default=None, ge=1, le=1 << 20)


def read_overrides(text: str) -> dict[str, Any]:
    """Give checked overrides of JSON text, without what is not set.

    Raises
    ------
    AdmissionError
        `overrides_invalid`, naming every wrong key.
    """
    try:
        return Overrides.model_validate_json(text or "{}").model_dump(exclude_defaults=True)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(x) for x in e['loc']) or 'document'}: {e['msg']}"
            for e in error.errors()
        )
        known = ", ".join(Overrides.model_fields)
        raise AdmissionError("overrides_invalid", f"{wrong}; keys are {known}") from error


def unit_document(
    configuration: Configuration, unit_uid: str, overrides: Mapping[str, Any]
) -> Document:
    """Give the document of a unit; the unit must be one of the configuration."""
    unit = configuration.unit(unit_uid)
    assert unit is not None
    wanted = Overrides.model_validate(dict(overrides))
    links = [
        {
            "link_uid": link.link_uid,
            "shared": len(configuration.readers(link.link_uid)) > 1,
            "stream_id": stream_id(link.link_uid, unit_uid),
            "connector": link.connector.model_dump(mode="json"),
            "framing": framing_document(configuration.dialect(link.link_uid).framing(link.options)),
        }
        for link in configuration.unit_links(unit_uid)
        if link.link_uid not in wanted.paused_links
        and not isinstance(link.connector, ImportSettings)
    ]
    limits = {}
    if wanted.journal_quota_mib is not None:
        limits["journal_quota_mib"] = wanted.journal_quota_mib
    document = {
        "links": links,
        "limits": limits,
        "trace": unit.trace if wanted.trace is None else wanted.trace,
    }
    content = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    return Document(hashlib.sha256(content).hexdigest(), content)
