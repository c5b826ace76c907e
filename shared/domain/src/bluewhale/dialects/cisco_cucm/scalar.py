"""One CUCM record to one leg, plainly: the rules in words and the twin of the kernels.

Owns the meaning of a record as one reads it in Cisco's guide. `meaning` and
`dialect` do the same by columns; a property test holds them equal.

Source: Cisco CDR guides release 12.5 (codes), 14 (examples), 15 (descriptions).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bluewhale.dialects.cisco_cucm import codes
from bluewhale.dialects.cisco_cucm.devices import is_gateway
from bluewhale.dialects.cisco_cucm.layout import INTEGERS, TEXTS, header_layout
from bluewhale.dialects.engine.delimited import ScanFault, fault_reject, scan_one
from bluewhale.dialects.engine.dialect import Reject
from bluewhale.records import ids, times
from bluewhale.records.batches import LinkProfile
from bluewhale.records.enums import Direction, Disposition, Flag, LegRole, RejectReason

JOIN_KIND: Final = "cucm"
AHEAD_LIMIT_MS: Final = 26 * 3_600_000
SECONDS_MAX: Final = 2**32 - 1
PARTY_SLOT_SECONDS: Final = 8
_BRIDGE: Final = re.compile(r"[bc]00[0-9]{5,}")
_QUALITY: Final = re.compile(r"MLQKav=([0-9]+\.[0-9]+)")

Values = Mapping[str, Any]


def parse_one(
    record: bytes, context: bytes | None, profile: LinkProfile, received_at_ms: int
) -> dict[str, Any] | Reject:
    """Read one record; instants are UTC milliseconds, a value not known is None."""
    layout = header_layout(context)
    found = scan_one(record, layout)
    if isinstance(found, ScanFault):
        return fault_reject(found, layout)
    values: dict[str, Any] = dict.fromkeys((*TEXTS, *INTEGERS))
    for name, text in zip(TEXTS, found.texts, strict=False):
        values[name] = None if text is None else text.decode("utf-8", "replace")
    values.update(zip(INTEGERS, found.ints, strict=False))
    if values["cdrrecordtype"] == 2:
        return _quality(values, profile, received_at_ms)
    if values["cdrrecordtype"] == 1:
        return _call(values, profile, received_at_ms)
    return Reject(RejectReason.RECORD_TYPE_UNKNOWN, "cdrRecordType", "", "1 (CDR) or 2 (CMR)")


def _quality(values: Values, profile: LinkProfile, received_at_ms: int) -> dict[str, Any] | Reject:
    """Read a CMR: no call of its own, only how good one leg sounded."""
    moment = values["datetimestamp"]
    if moment is None or not 1 <= moment <= SECONDS_MAX:
        return Reject(
            RejectReason.TIME_INVALID, "dateTimeStamp", "", "epoch seconds from 1 to 4294967295"
        )
    if moment * 1000 > received_at_ms + AHEAD_LIMIT_MS:
        return Reject(
            RejectReason.TIME_IN_FUTURE, "dateTimeStamp", "", "a time at most 26 h after receipt"
        )
    heard, lost = values["numberpacketsreceived"], values["numberpacketslost"]
    counted = (
        heard is not None and lost is not None and heard >= 0 and lost >= 0 and heard + lost > 0
    )
    score = _QUALITY.search(values["varvqmetrics"] or "")
    return {
        "native_key": values["pkid"],
        "setup_at": moment * 1000,
        "release_at": moment * 1000,
        "calling_number": values["directorynum"],
        "leg_role": LegRole.MONITOR,
        "jitter_ms": values["jitter"],
        "loss_ratio": lost / (heard + lost) if counted else None,
        "mos": float(score[1]) if score else None,
        "join_keys": _keys(values, profile),
        "join_at": moment * 1000,
        "dialect_flags": _flags(moment, received_at_ms, values["directorynum"]),
    }


def _call(values: Values, profile: LinkProfile, received_at_ms: int) -> dict[str, Any] | Reject:
    """Read a CDR."""
    origination, connect = values["datetimeorigination"], values["datetimeconnect"]
    disconnect, duration = values["datetimedisconnect"], values["duration"]
    wrong = _wrong_time(values, received_at_ms)
    if wrong is not None:
        return wrong
    orig, dest = _unsigned(values["origcause_value"]), _unsigned(values["destcause_value"])
    told = values["origcause_value"] is not None or values["destcause_value"] is not None
    queued = values["wascallqueued"] == 1
    wait = values["totalwaittimeinqueue"]
    role = role_of(values)
    trunk_in, trunk_out = trunks_of(values, profile)
    leg = {
        "native_key": values["pkid"],
        "setup_at": origination * 1000,
        "answer_at": connect * 1000 if connect else None,
        "release_at": disconnect * 1000 if disconnect else None,
        "duration_ms": None if duration is None else duration * 1000,
        "talk_ms": duration * 1000 if connect and duration is not None else None,
        "queue_ms": wait * 1000
        if queued and wait is not None and 0 <= wait <= SECONDS_MAX
        else None,
        "calling_number": values["callingpartynumber"],
        "called_number": values["originalcalledpartynumber"],
        "connected_number": values["finalcalledpartynumber"],
        "redirecting_number": values["lastredirectdn"],
        "trunk_in": trunk_in,
        "trunk_out": trunk_out,
        "piece_of": outside_legs(values, trunk_in, trunk_out),
        "account_code": values["clientmattercode"],
        "authorization_code": values["authorizationcodevalue"],
        "cause_code": cause_of(orig, dest) if told else None,
        "disposition": disposition_of(bool(connect), orig, dest),
        "leg_role": role,
        "codec": codes.CODECS.get(values["origmediacap_payloadcapability"]),
        "join_keys": _keys(values, profile),
        "join_at": (disconnect or origination) * 1000,
        "dialect_flags": _flags(origination, received_at_ms, *(values[name] for name in TEXTS[:4])),
    }
    hint = direction_of(values, trunk_in, trunk_out)
    if hint is not None:
        leg["direction"] = hint
    return leg


def _wrong_time(values: Values, received_at_ms: int) -> Reject | None:
    """Find what makes the times of a CDR unusable, if anything."""
    origination = values["datetimeorigination"]
    if origination is None or not 1 <= origination <= SECONDS_MAX:
        return Reject(
            RejectReason.TIME_INVALID,
            "dateTimeOrigination",
            "",
            "epoch seconds from 1 to 4294967295",
        )
    for name, shown in (
        ("datetimeconnect", "dateTimeConnect"),
        ("datetimedisconnect", "dateTimeDisconnect"),
    ):
        if values[name] is not None and not 0 <= values[name] <= SECONDS_MAX:
            return Reject(RejectReason.TIME_INVALID, shown, "", "epoch seconds or 0")
    if values["duration"] is not None and not 0 <= values["duration"] <= SECONDS_MAX:
        return Reject(RejectReason.FIELD_MALFORMED, "duration", "", "seconds, 0 or more")
    if origination * 1000 > received_at_ms + AHEAD_LIMIT_MS:
        return Reject(
            RejectReason.TIME_IN_FUTURE,
            "dateTimeOrigination",
            "",
            "a time at most 26 h after receipt",
        )
    return None


def _flags(moment: int, received_at_ms: int, *numbers: str | None) -> Flag:
    """Flag a clock that is ahead, and numbers with bytes that did not decode."""
    flags = Flag(0)
    if moment * 1000 > received_at_ms + times.CLOCK_TOLERANCE_MS:
        flags |= Flag.CLOCK_AHEAD
    if any("\ufffd" in (text or "") for text in numbers):
        flags |= Flag.TEXT_REPLACED
    return flags


def _unsigned(cause: int | None) -> int:
    """Give a cause as unsigned 32 bits: SIP causes occur signed and unsigned."""
    return (cause or 0) & 0xFFFFFFFF


def cause_of(orig: int, dest: int) -> int:
    """Give the cause of the side that released: the non-zero one, a split only if nothing else."""
    for cause in (orig, dest):
        if cause not in {0, codes.CALL_SPLIT}:
            return cause
    return max(orig, dest)


def disposition_of(answered: bool, orig: int, dest: int) -> Disposition:
    """Decide how an attempt ended.

    Connected = answered. Else 17 on either side = busy; a split = the attempt
    went on as another record; 16 of the calling side = it gave up; 16 of the
    called side, no cause at all, or a cause that says "does not answer" = no
    answer; any other cause = failed.
    """
    if answered:
        return Disposition.ANSWERED
    if orig in codes.BUSY_CAUSES or dest in codes.BUSY_CAUSES:
        return Disposition.BUSY
    if codes.CALL_SPLIT in {orig, dest}:
        return Disposition.FORWARDED
    cause = cause_of(orig, dest)
    if cause == 16:
        return Disposition.ABANDONED if orig == 16 else Disposition.NO_ANSWER
    if cause == 0 or cause in codes.NO_ANSWER_CAUSES:
        return Disposition.NO_ANSWER
    return Disposition.FAILED


def _evidence(values: Values) -> Iterator[LegRole]:
    """Name the roles that a record's codes speak for."""
    features = (
        (LegRole.MONITOR, codes.MONITOR_FEATURES, codes.MONITOR_REASONS),
        (LegRole.CONFERENCE, codes.CONFERENCE_FEATURES, codes.CONFERENCE_REASONS),
        (LegRole.TRANSFER_TO, codes.TRANSFER_FEATURES, codes.TRANSFER_REASONS),
        (LegRole.PARK, codes.PARK_FEATURES, codes.PARK_REASONS),
        (LegRole.PICKUP, codes.PICKUP_FEATURES, codes.PICKUP_REASONS),
        (LegRole.QUEUE, codes.QUEUE_FEATURES, codes.QUEUE_REASONS),
        (LegRole.FORWARD, codes.FORWARD_FEATURES, codes.FORWARD_REASONS),
    )
    ended = {values["origcallterminationonbehalfof"], values["destcallterminationonbehalfof"]}
    begun = {
        values["origcalledpartyredirectonbehalfof"],
        values["lastredirectredirectonbehalfof"],
        values["joinonbehalfof"],
    }
    reasons = {values["origcalledpartyredirectreason"], values["lastredirectredirectreason"]}
    for role, feature_codes, reason_codes in features:
        if ended & set(feature_codes):
            yield LegRole.TRANSFER_FROM if role is LegRole.TRANSFER_TO else role
        if begun & set(feature_codes) or reasons & set(reason_codes):
            yield role
    if values["wascallqueued"] == 1:
        yield LegRole.QUEUE


def role_of(values: Values) -> LegRole:
    """Decide which part a leg plays.

    A leg with a bridge as a party is a conference leg. Otherwise codes speak:
    a leg *ended* by transfer was transferred away (`transfer_from`), a leg
    joined or redirected by transfer is what came of it (`transfer_to`). Of
    several, the first of this order wins: monitor, conference, transfer_to,
    transfer_from, park, pickup, queue, forward.
    """
    found = set(_evidence(values))
    if takes_bridge(values):
        found.add(LegRole.CONFERENCE)
    order = (
        LegRole.MONITOR,
        LegRole.CONFERENCE,
        LegRole.TRANSFER_TO,
        LegRole.TRANSFER_FROM,
        LegRole.PARK,
        LegRole.PICKUP,
        LegRole.QUEUE,
        LegRole.FORWARD,
    )
    return next((role for role in order if role in found), LegRole.PLAIN)


def is_bridge(number: str | None) -> bool:
    """Tell bridge (b00...) and conference prompt (c00...) numbers from others."""
    return bool(number and _BRIDGE.fullmatch(number))


def takes_bridge(values: Values) -> bool:
    """Tell whether a conference bridge is a party of the record."""
    parties = ("callingpartynumber", "originalcalledpartynumber", "finalcalledpartynumber")
    return any(is_bridge(values[name]) for name in parties)


def trunks_of(values: Values, profile: LinkProfile) -> tuple[str | None, str | None]:
    """Give the outside lines of the calling and of the called side."""
    gateways, phones = patterns(profile.options)
    origin, target = values["origdevicename"], values["destdevicename"]
    return (
        origin if origin and is_gateway(origin, gateways, phones) else None,
        target if target and is_gateway(target, gateways, phones) else None,
    )


def patterns(options: Mapping[str, object]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the options `gateways` and `phones` as tuples."""
    gateways, phones = options.get("gateways", ()), options.get("phones", ())
    assert isinstance(gateways, list | tuple), "options are checked before parsing"
    assert isinstance(phones, list | tuple), "options are checked before parsing"
    return tuple(str(p) for p in gateways), tuple(str(p) for p in phones)


def direction_of(values: Values, trunk_in: str | None, trunk_out: str | None) -> Direction | None:
    """Decide the direction by the devices; None = a side has no device yet, the plan decides."""
    if trunk_in and trunk_out:
        return Direction.TANDEM
    if trunk_in:
        return Direction.INBOUND
    if trunk_out:
        return Direction.OUTBOUND
    if values["origdevicename"] and values["destdevicename"]:
        return Direction.INTERNAL
    return None


def outside_legs(values: Values, trunk_in: str | None, trunk_out: str | None) -> str | None:
    """Name the outside legs: `cluster:leg`, of a tandem record `in + out`.

    The same outside leg goes on through transfers and conferences in several
    records, as dest leg of the first and orig leg of the later ones. Its
    seconds are the sum over these records, once.
    """
    cluster = values["globalcallid_clusterid"] or ""
    sides = (
        (trunk_in, values["origlegcallidentifier"] or 0),
        (trunk_out, values["destlegidentifier"] or 0),
    )
    names = [f"{cluster}:{leg}" for trunk, leg in sides if trunk and leg > 0]
    return " + ".join(names) or None


def is_keyed(values: Values) -> bool:
    """Tell whether a leg takes part in a feature, so that a leg of another callId may belong to it."""
    orig, dest = _unsigned(values["origcause_value"]), _unsigned(values["destcause_value"])
    silent = orig == 0 and dest == 0 and not (values["duration"] or 0) > 0
    plain = role_of(values) in {LegRole.PLAIN, LegRole.QUEUE}
    return not plain or silent or codes.CALL_SPLIT in {orig, dest}


def join_texts(values: Values) -> list[str]:
    """Give what the join keys of a record are hashed from.

    - `C|cluster|callManager|callId`: the global call id. All records.
    - `L|cluster|leg`: both leg ids, of legs in a feature: a consult call may
      carry another callId, but its dest leg is the final call's dest leg.
    - `V|cluster|bridge|conversation`: linked conferences.
    - `P|cluster|party|slot`: a member leaving a conference and the two-party
      call that begins in the same moment under a new callId (reason 98); slots
      of 8 s, the beginning looks one slot to both sides.
    """
    cluster = values["globalcallid_clusterid"] or ""
    found = []
    if (values["globalcallid_callid"] or 0) > 0:
        manager = max(values["globalcallid_callmanagerid"] or 0, 0)
        found.append(f"C|{cluster}|{manager}|{values['globalcallid_callid']}")
    if values["cdrrecordtype"] == 2 or not is_keyed(values):
        return found
    legs = (values["origlegcallidentifier"] or 0, values["destlegidentifier"] or 0)
    found.extend(f"L|{cluster}|{leg}" for leg in legs if leg > 0)
    calling, final = values["callingpartynumber"], values["finalcalledpartynumber"]
    if takes_bridge(values):
        for party, conversation in (
            (calling, values["origconversationid"] or 0),
            (final, values["destconversationid"] or 0),
        ):
            if conversation > 0 and is_bridge(party):
                found.append(f"V|{cluster}|{party}|{conversation}")
        released = values["datetimedisconnect"] or 0
        if released > 0 and calling and not is_bridge(calling):
            found.append(f"P|{cluster}|{calling}|{released // PARTY_SLOT_SECONDS}")
    elif 98 in {values["lastredirectredirectreason"], values["origcalledpartyredirectreason"]}:
        begun = values["datetimeconnect"] or values["datetimeorigination"]
        slot = begun // PARTY_SLOT_SECONDS
        found.extend(
            f"P|{cluster}|{party}|{slot + step}"
            for party in (calling, final)
            if party
            for step in (-1, 0, 1)
        )
    return found


def _keys(values: Values, profile: LinkProfile) -> list[int]:
    return [ids.join_key(JOIN_KIND, profile.pbx_uid, text) for text in join_texts(values)]
