"""What the PBXs printed of a call, with the place of every field in the line.

Owns finding the dialect and options of a stored leg. Does not own how a record is
read (`bluewhale.dialects`).
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from bluewhale.dialects import DIALECTS, get_dialect
from bluewhale.webapi import shapes
from bluewhale.webapi.saying import known

if TYPE_CHECKING:
    from bluewhale.api.query.v1 import query_pb2 as query
    from bluewhale.configuration import Configuration
    from bluewhale.dialects.engine.dialect import Field
    from bluewhale.webapi.names import Names


def raw(found: query.CallDetail, configuration: Configuration, names: Names) -> shapes.Raw:
    """Give the lines of a call in the order of its legs, each taken apart."""
    contexts = {c.raw_context_id: c.text for c in found.contexts}
    order = {cdr_id: index for index, cdr_id in enumerate(found.call.leg_ids)}
    legs = sorted(found.legs, key=lambda leg: order.get(leg.cdr_id, len(order)))
    return shapes.Raw(
        call_id=found.call.call_id,
        legs=[_leg(leg, contexts, configuration, names) for leg in legs],
    )


def _leg(
    leg: query.Leg, contexts: dict[int, bytes], configuration: Configuration, names: Names
) -> shapes.RawLeg:
    context = contexts.get(known(leg, "raw_context_id") or -1)
    fields, note = fields_of(
        leg.raw, context, leg.link_uid, leg.dialect_id, leg.dialect_version, configuration
    )
    return shapes.RawLeg(
        cdr_id=leg.cdr_id,
        pbx=names.pbx(leg.pbx_uid),
        dialect_id=leg.dialect_id,
        dialect_version=leg.dialect_version,
        bytes=base64.b64encode(leg.raw).decode(),
        context=None if context is None else base64.b64encode(context).decode(),
        fields=fields,
        note=note,
    )


def fields_of(
    raw: bytes,
    context: bytes | None,
    link_uid: str,
    dialect_id: str,
    version: int,
    configuration: Configuration,
) -> tuple[list[shapes.RawField], str]:
    """Take a record apart as its link is configured now; "" or what to know about that."""
    # by the link: an import has streams of its own
    profile = configuration.profiles.get(link_uid)
    if dialect_id not in DIALECTS:
        return [], f"this release has no dialect {dialect_id or 'of no name'}"
    if profile is None or profile.dialect_id != dialect_id:
        return [], "its link is not in the configuration any more, so its layout is not known"
    dialect = get_dialect(dialect_id)
    note = ""
    if dialect.version != version:
        note = f"read with version {version}, shown with version {dialect.version}"
    return [field_of(f) for f in dialect.fields(raw, context, profile.options)], note


def field_of(f: Field) -> shapes.RawField:
    """Say one field of a record."""
    begin, end = f.span or (None, None)
    return shapes.RawField(
        name=f.name,
        from_=begin,
        to=end,
        position=f.position,
        text=f.text,
        value=None if f.value is None else str(f.value),
        meaning=f.meaning,
        note=f.note,
    )
