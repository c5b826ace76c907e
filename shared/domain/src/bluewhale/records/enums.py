"""The closed lists of words that records use; each is stored dictionary-encoded.

Owns the words, not their meaning in one PBX dialect. A word is added, never
changed or reused, because sealed segments keep it for ever.
"""

from __future__ import annotations

from enum import IntFlag, StrEnum


class Direction(StrEnum):
    """Where a leg went, seen from the PBX."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    INTERNAL = "internal"
    TANDEM = "tandem"


class CallClass(StrEnum):
    """What kind of destination was called, decided by the site's number plan."""

    LOCAL = "local"
    NATIONAL = "national"
    MOBILE = "mobile"
    INTERNATIONAL = "international"
    PREMIUM = "premium"
    FREE = "free"
    EMERGENCY = "emergency"
    SPECIAL = "special"
    INTERNAL = "internal"
    UNKNOWN = "unknown"


class Disposition(StrEnum):
    """How an attempt ended."""

    ANSWERED = "answered"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    FAILED = "failed"
    ABANDONED = "abandoned"
    FORWARDED = "forwarded"


class LegRole(StrEnum):
    """The part that one leg plays in its call."""

    PLAIN = "plain"
    TRANSFER_FROM = "transfer_from"
    TRANSFER_TO = "transfer_to"
    FORWARD = "forward"
    CONFERENCE = "conference"
    PICKUP = "pickup"
    PARK = "park"
    QUEUE = "queue"
    PIECE = "piece"
    MONITOR = "monitor"


class CallState(StrEnum):
    """Life of one call version."""

    OPEN = "open"
    COMPLETE = "complete"
    SUPERSEDED = "superseded"


class ChargeEntry(StrEnum):
    """Kind of ledger entry."""

    CHARGE = "charge"
    REVERSAL = "reversal"


class ChargeStatus(StrEnum):
    """Outcome of rating one billable span; unrated always has a reason."""

    RATED = "rated"
    FREE = "free"
    UNRATED = "unrated"


class SuspenseState(StrEnum):
    """waiting -> repaired -> applied, or waiting -> dismissed."""

    WAITING = "waiting"
    REPAIRED = "repaired"
    APPLIED = "applied"
    DISMISSED = "dismissed"


class RejectReason(StrEnum):
    """Why a record waits in suspense; stable codes, documented in docs/reference."""

    NOT_THIS_FORMAT = "not_this_format"
    RECORD_TRUNCATED = "record_truncated"
    RECORD_TOO_LONG = "record_too_long"
    FIELD_MISSING = "field_missing"
    FIELD_MALFORMED = "field_malformed"
    ENCODING_INVALID = "encoding_invalid"
    TIME_INVALID = "time_invalid"
    TIME_IN_FUTURE = "time_in_future"
    CLOCK_SKEW = "clock_skew"
    CONTEXT_MISSING = "context_missing"
    RECORD_TYPE_UNKNOWN = "record_type_unknown"
    CAPTURE_CONFLICT = "capture_conflict"
    STREAM_SUSPENDED = "stream_suspended"
    SWITCH_LOST_RECORDS = "switch_lost_records"  # the switch itself reports an outage
    LINK_UNKNOWN = "link_unknown"  # its stream is in no configuration of the reader
    FRAME_CORRUPT = "frame_corrupt"  # the frame does not unpack; kept whole
    PARSER_FAILED = "parser_failed"  # a fault of ours: the parser broke on this record
    RECORD_SALVAGED = "record_salvaged"  # read out of a corrupt frame; no checksum proves it


class UnratedReason(StrEnum):
    """Why a billable span has no price; a work item with an owner, never zero."""

    NO_TARIFF = "no_tariff"
    NO_RATE = "no_rate"
    NO_WINDOW = "no_window"
    NUMBER_NOT_NORMALISED = "number_not_normalised"
    DURATION_UNKNOWN = "duration_unknown"
    PRICE_OVERFLOW = "price_overflow"


class LossReason(StrEnum):
    """Why a range of capture keys never reached the main database."""

    JOURNAL_PAGE_CORRUPT = "journal_page_corrupt"
    JOURNAL_FULL = "journal_full"
    PROTOCOL_OVERRUN = "protocol_overrun"
    FRAME_UNREADABLE = "frame_unreadable"
    DATABASE_RESTORED = "database_restored"


class Flag(IntFlag):
    """Bits of the `flags` column: every inferred or doubtful value sets one."""

    DAY_FROM_CONTEXT = 1 << 0  # civil day taken from a date line
    DAY_INFERRED = 1 << 1  # no date at all: nearest day to received_at
    YEAR_INFERRED = 1 << 2  # no year printed: nearest year to received_at
    DST_REPEATED_HOUR = 1 << 3  # local time occurs twice; fold chosen by order
    DST_SKIPPED_HOUR = 1 << 4  # local time does not exist; read as if the clock was late
    DST_REPAIRED = 1 << 5  # end - start was off by the DST step and mended
    ANSWER_INFERRED = 1 << 6  # answer = end - duration
    SETUP_INFERRED = 1 << 7  # setup = answer - ring, or = answer
    SECONDS_UNKNOWN = 1 << 8  # printed hh:mm only; moment is start of that minute
    DURATION_COARSE = 1 << 9  # tenths of a minute or coarser
    DURATION_LOWER_BOUND = 1 << 10  # counter saturated (99:99:99)
    CLOCK_STEPPED = 1 << 11  # PBX marks its clock as changed or not set
    CLOCK_AHEAD = 1 << 12  # printed time later than received_at, within the limit
    NUMBER_ASSUMED = 1 << 13  # E.164 form rests on an assumption of the number plan
    DIRECTION_INFERRED = 1 << 14  # not printed; decided by trunks and number plan
    NO_ANSWER_SUPERVISION = 1 << 15  # "answered" is estimated (grace time)
    TEXT_REPLACED = 1 << 16  # bytes outside the declared encoding were replaced
    CHARGE_OVERWRITTEN = 1 << 17  # fields share columns in this format (LSU account codes)
    TWO_CALLS = 1 << 18  # a person said: this duplicate is a call of its own
    ORDER_INFERRED = (
        1 << 19
    )  # parts of a call ended in one printed minute; which came first is a guess
    ERASED = 1 << 20  # what was a person's is taken out of it, on their demand
