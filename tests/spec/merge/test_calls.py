"""Multi-leg calls as PBXs print them: which call they are and what of it is billed.

CUCM scenarios E1..E6 restate the printed values of Cisco's CDR guide ("CDR
examples", release 14) as legs; leg numbers are the order of the examples.
"""

from __future__ import annotations

from typing import Any

import pytest
from bluewhale.merge import build_calls, components

from tests.support.legs import MIDNIGHT, leg, leg_id, leg_table

GW = "S0/SU1/DS1-0@gateway"
PSTN = {"called_number": "3071111", "called_e164": 493023125111, "trunk_out": GW}


def build(*legs: dict[str, Any], policy: str = "dialled_out") -> tuple[list[Any], list[Any]]:
    """Give calls and billables of these legs as rows."""
    table = leg_table(*legs)
    built = build_calls(table, components(table), payer_policy=policy)
    return built.calls.to_pylist(), built.billables.to_pylist()


def seen(billables: list[Any]) -> list[tuple[Any, ...]]:
    """Give direction, payer, number and seconds of each billable."""
    return [
        (b["direction"], b["payer"], b["called_number"], b["quantity_ms"] // 1000)
        for b in billables
    ]


def e3() -> list[dict[str, Any]]:
    """E3: 2001 calls the PSTN number 3071111 and transfers it blind to 2002."""
    return [
        leg(1, join=[1, 101, 102], at=0, seconds=120, calling_number="2001",
            calling_extension="2001", direction="outbound", call_class="local",
            leg_role="transfer_from", piece_of="c:102", native_key="p1", **PSTN),
        leg(2, join=[1, 103, 104], at=120, seconds=0, calling_number="2001",
            calling_extension="2001", called_number="2002", called_extension="2002",
            leg_role="transfer_from", disposition="forwarded", native_key="p2"),
        leg(3, join=[1, 102, 104], at=120, seconds=360, calling_number="3071111",
            called_number="2002", called_extension="2002", redirecting_number="2001",
            direction="inbound", trunk_in=GW, leg_role="transfer_to", piece_of="c:102",
            native_key="p3"),
    ]  # fmt: skip


def test_e1_a_plain_internal_call_is_one_call_with_one_internal_span() -> None:
    """2001 -> 2309, 60 s."""
    calls, billables = build(
        leg(1, join=1, seconds=60, calling_number="2001", calling_extension="2001",
            called_number="2309", called_extension="2309")
    )  # fmt: skip
    assert (calls[0]["leg_count"], calls[0]["talk_ms"], calls[0]["direction"]) == (
        1,
        60_000,
        "internal",
    )
    assert (calls[0]["extension"], calls[0]["disposition"]) == ("2001", "answered")
    assert seen(billables) == [("internal", "2001", "2309", 60)]


def test_e2_an_abandoned_call_has_a_span_of_nothing() -> None:
    """Dialled, hung up while ringing: 0 s, not answered, start = setup."""
    calls, billables = build(
        leg(1, join=2, seconds=0, disposition="abandoned", calling_number="2001",
            calling_extension="2001", called_number="2309", called_extension="2309")
    )  # fmt: skip
    assert (calls[0]["disposition"], calls[0]["talk_ms"], calls[0]["answered_at"]) == (
        "abandoned",
        0,
        None,
    )
    assert seen(billables) == [("internal", "2001", "2309", 0)]
    assert billables[0]["answered"] is False
    assert int(billables[0]["start_at"].timestamp() * 1000) == MIDNIGHT


def test_e3_the_outside_line_is_billed_once_over_a_transfer() -> None:
    """120 s (CDR 1) + 360 s (CDR 3) = 480 s outbound to 3071111, though CDR 3 shows it calling."""
    calls, billables = build(*e3())
    assert len(calls) == 1
    call = calls[0]
    assert call["leg_ids"] == [leg_id(1), leg_id(2), leg_id(3)]
    assert call["call_id"] == leg_id(1)
    assert (call["direction"], call["class"], call["transfers"]) == ("outbound", "local", 1)
    assert (call["calling"], call["called"]) == ("2001", "3071111")
    assert (call["first_destination"], call["final_destination"]) == ("3071111", "2002")
    assert (call["trunk_out"], call["trunk_in"]) == (GW, None)
    assert (call["talk_ms"], call["extension"]) == (480_000, "2001")
    assert [(j["leg"], j["other"], j["reason"], j["confidence"]) for j in call["joins"]] == [
        (1, 0, "transfer", 1.0),
        (2, 1, "transfer", 1.0),
    ]
    assert seen(billables) == [("outbound", "2001", "3071111", 480)]
    assert billables[0]["rated_e164"] == 493023125111


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("dialled_out", [("outbound", "2001", "3071111", 480)]),
        ("last_party", [("outbound", "2002", "3071111", 480)]),
        (
            "split_by_leg",
            [("outbound", "2001", "3071111", 120), ("outbound", "2002", "3071111", 360)],
        ),
    ],
)
def test_who_pays_after_a_transfer_is_policy(policy: str, expected: list[Any]) -> None:
    """The same 480 s: who dialled, who had it last, or each for his own part."""
    assert seen(build(*e3(), policy=policy)[1]) == expected


def test_the_order_of_rows_changes_nothing() -> None:
    """E3 in every rotation gives the same call and the same billable."""
    legs = e3()
    first = build(*legs)
    assert build(legs[2], legs[0], legs[1]) == first
    assert build(legs[1], legs[2], legs[0]) == first


def test_e4_an_internal_transfer_is_one_internal_span() -> None:
    """50000 -> 50001 120 s, consult 0 s, 50000 -> 50002 360 s: 480 s, paid by the caller."""
    calls, billables = build(
        leg(1, join=[1, 201], at=0, seconds=120, calling_number="50000",
            calling_extension="50000", called_number="50001", called_extension="50001",
            leg_role="transfer_from"),
        leg(2, join=[2, 203], at=100, seconds=0, calling_number="50001",
            calling_extension="50001", called_number="50002", called_extension="50002",
            leg_role="transfer_from", disposition="forwarded"),
        leg(3, join=[1, 203], at=120, seconds=360, calling_number="50000",
            calling_extension="50000", called_number="50002", called_extension="50002",
            leg_role="transfer_to", redirecting_number="50001"),
    )  # fmt: skip
    assert len(calls) == 1
    assert (calls[0]["transfers"], calls[0]["final_destination"]) == (1, "50002")
    assert seen(billables) == [("internal", "50000", "50001", 480)]


def test_e5_in_a_conference_the_bridge_is_never_billed() -> None:
    """2001 calls 2309, sets up 3071111 (20 s), three-way 360 s, last two 55 s.

    The outside party was connected 20 + 360 = 380 s, once, dialled by 2001.
    """
    bridge = "b0029901001"
    calls, billables = build(
        leg(1, join=[1], at=0, seconds=60, calling_number="2001", calling_extension="2001",
            called_number="2309", called_extension="2309", leg_role="conference"),
        leg(2, join=[2, 9], at=60, seconds=20, calling_number="2001", calling_extension="2001",
            direction="outbound", call_class="local", leg_role="conference", piece_of="c:106",
            **PSTN),
        leg(3, join=[1, 9], at=80, seconds=360, calling_number="2001", calling_extension="2001",
            called_number=bridge, leg_role="conference"),
        leg(4, join=[1, 9], at=80, seconds=360, calling_number="2309", calling_extension="2309",
            called_number=bridge, leg_role="conference"),
        leg(5, join=[1, 9], at=80, seconds=360, calling_number="3071111", called_number=bridge,
            direction="inbound", trunk_in=GW, leg_role="conference", piece_of="c:106"),
        leg(6, join=[1], at=440, seconds=55, calling_number="2001", calling_extension="2001",
            called_number="2309", called_extension="2309", leg_role="conference"),
    )  # fmt: skip
    assert len(calls) == 1
    assert calls[0]["leg_count"] == 6
    assert (calls[0]["direction"], calls[0]["talk_ms"]) == ("outbound", 495_000)  # 60+20+360+55
    assert seen(billables) == [("outbound", "2001", "3071111", 380)]


def test_e6_bridge_legs_of_an_internal_conference_cost_nothing() -> None:
    """136201 calls 136111 18 s; three bridge legs; last two parties 38 s: 18 + 38 = 56 s."""
    bridge = "b00105401002"
    calls, billables = build(
        leg(1, join=[15], at=0, seconds=18, calling_number="136201", calling_extension="136201",
            called_number="136111", called_extension="136111"),
        leg(2, join=[16, 5], at=15, seconds=0, calling_number="136201",
            calling_extension="136201", called_number="136203", called_extension="136203",
            disposition="no_answer"),
        leg(3, join=[15], at=18, seconds=37, calling_number="136111",
            calling_extension="136111", called_number=bridge, leg_role="conference"),
        leg(4, join=[15], at=18, seconds=37, calling_number="136201",
            calling_extension="136201", called_number=bridge, leg_role="conference"),
        leg(5, join=[15, 5, 6], at=23, seconds=32, calling_number="136203",
            calling_extension="136203", called_number=bridge, leg_role="conference"),
        leg(6, join=[17, 6], at=55, seconds=38, calling_number="136201",
            calling_extension="136201", called_number="136203", called_extension="136203"),
    )  # fmt: skip
    assert len(calls) == 1  # the last record has a new call id; its party key holds it
    assert seen(billables) == [("internal", "136201", "136111", 56)]


def test_an_internal_conference_bills_the_talk_before_and_after_the_bridge() -> None:
    """2001 calls 2309 (60 s), consults 2310 (20 s of them), three-way 360 s, then 55 s with 2309.

    The switch marks every record of it as conference; two name people on both ends: 60 + 55 s.
    """
    bridge = "b0029901001"
    inside = {"leg_role": "conference", "calling_number": "2001", "calling_extension": "2001"}
    calls, billables = build(
        leg(1, join=1, at=0, seconds=60, called_number="2309", called_extension="2309", **inside),
        leg(2, join=1, at=40, seconds=20, called_number="2310", called_extension="2310", **inside),
        leg(3, join=1, at=60, seconds=360, called_number=bridge, **inside),
        leg(4, join=1, at=60, seconds=360, leg_role="conference", calling_number="2309",
            calling_extension="2309", called_number=bridge),
        leg(5, join=1, at=60, seconds=360, leg_role="conference", calling_number="2310",
            calling_extension="2310", called_number=bridge),
        leg(6, join=1, at=420, seconds=55, called_number="2309", called_extension="2309", **inside),
    )  # fmt: skip
    assert (len(calls), calls[0]["talk_ms"]) == (1, 475_000)
    assert seen(billables) == [("internal", "2001", "2309", 115)]


def test_asterisk_one_linkedid_bills_the_trunk_record_once() -> None:
    """Incoming call, two agents ring, the second answers 90 s: one inbound span, paid by 102."""
    trunk = {"trunk_in": "PJSIP/carrier", "direction": "inbound", "calling_number": "493023125222"}
    calls, billables = build(
        leg(1, join=8, at=0, seconds=0, ring=0, disposition="no_answer", called_number="600",
            called_extension="101", leg_role="queue", queue_ms=12_000,
            piece_of="PJSIP/carrier-1", **trunk),
        leg(2, join=8, at=12, seconds=90, ring=4, called_number="600", called_extension="102",
            leg_role="queue", ring_ms=4000, piece_of="PJSIP/carrier-1", **trunk),
    )  # fmt: skip
    assert len(calls) == 1
    call = calls[0]
    assert (call["queue_ms"], call["ring_ms"], call["talk_ms"]) == (12_000, 4000, 90_000)
    assert (call["extension"], call["disposition"], call["trunk_in"]) == (
        "102",
        "answered",
        "PJSIP/carrier",
    )
    assert seen(billables) == [("inbound", "102", "600", 90)]


def test_asterisk_two_trunk_channels_are_two_spans() -> None:
    """Find-me dials two mobiles at once on one trunk: each channel is a path of its own."""
    out = {"trunk_out": "PJSIP/carrier", "direction": "outbound", "calling_extension": "101"}
    _, billables = build(
        leg(1, join=8, at=0, seconds=30, called_number="01713920011", piece_of="ch-1", **out),
        leg(2, join=8, at=0, seconds=0, called_number="01713920022", piece_of="ch-2", **out),
    )
    assert seen(billables) == [
        ("outbound", "101", "01713920011", 30),
        ("outbound", "101", "01713920022", 0),
    ]


def test_avaya_long_call_pieces_are_summed() -> None:
    """A 22-hour call: two 10-hour pieces and a last one of 2 hours = 79 200 s on trunk 801001."""
    line = {"trunk_out": "801001", "direction": "outbound", "calling_extension": "4001",
            "called_number": "3071111", "called_e164": 493023125111}  # fmt: skip
    calls, billables = build(
        leg(1, join=[1, 2], at=0, seconds=36_000, leg_role="piece", **line),
        leg(2, join=[2, 3], at=36_000, seconds=36_000, leg_role="piece", **line),
        leg(3, join=[3], at=72_000, seconds=7_200, **line),
    )
    assert (len(calls), calls[0]["talk_ms"]) == (1, 79_200_000)
    assert seen(billables) == [("outbound", "4001", "3071111", 79_200)]
    assert [(j["reason"], round(j["confidence"], 1)) for j in calls[0]["joins"]] == [
        ("piece", 0.9),
        ("shared_key", 0.9),
    ]


def test_avaya_trunk_splitting_gives_the_transfer_to_its_payer() -> None:
    """Call splitting cut one trunk call of 300 s into 100 s at 4001 and 200 s at 4002."""
    line = {"trunk_out": "801001", "direction": "outbound", "called_number": "3071111"}
    legs = (
        leg(1, join=5, at=0, seconds=100, calling_extension="4001", **line),
        leg(2, join=5, at=100, seconds=200, calling_extension="4002", **line),
    )
    assert seen(build(*legs)[1]) == [("outbound", "4001", "3071111", 300)]
    assert seen(build(*legs, policy="last_party")[1]) == [("outbound", "4002", "3071111", 300)]


def test_avaya_conference_segments_that_overlap_hold_the_trunk_once() -> None:
    """4001 on the trunk 0..200 s, 4002 in conference 100..300 s: the line was held 300 s, not 400."""
    line = {"trunk_out": "801001", "direction": "outbound", "called_number": "3071111",
            "leg_role": "conference"}  # fmt: skip
    _, billables = build(
        leg(1, join=5, at=0, seconds=200, calling_extension="4001", **line),
        leg(2, join=5, at=100, seconds=200, calling_extension="4002", **line),
    )
    assert seen(billables) == [("outbound", "4001", "3071111", 300)]


def test_a_tandem_leg_is_one_inbound_and_one_outbound_span() -> None:
    """A call from trunk to trunk, 50 s; nobody inside: the line it came in on pays."""
    calls, billables = build(
        leg(1, seconds=50, direction="tandem", trunk_in="t1", trunk_out="t2",
            calling_number="493023125222", called_number="3071111", called_e164=493023125111)
    )  # fmt: skip
    assert calls[0]["direction"] == "tandem"
    assert seen(billables) == [
        ("inbound", "t1", "3071111", 50),
        ("outbound", "t1", "3071111", 50),
    ]


def test_a_transfer_from_trunk_to_trunk_continues_both_lines() -> None:
    """2001 calls X (100 s), consults Y (20 s), joins them for 300 s.

    X was held 100 + 300 = 400 s, Y 20 + 300 = 320 s, both dialled by 2001.
    """
    out = {"trunk_out": GW, "direction": "outbound", "calling_extension": "2001"}
    _, billables = build(
        leg(1, join=1, at=0, seconds=100, called_number="111", leg_role="transfer_from",
            piece_of="c:102", **out),
        leg(2, join=1, at=80, seconds=20, called_number="222", leg_role="transfer_from",
            piece_of="c:104", **out),
        leg(3, join=1, at=100, seconds=300, calling_number="111", called_number="222",
            leg_role="transfer_to", direction="tandem", trunk_in=GW, trunk_out=GW,
            piece_of="c:102 + c:104"),
    )  # fmt: skip
    assert seen(billables) == [
        ("outbound", "2001", "111", 400),
        ("outbound", "2001", "222", 320),
    ]


def test_a_call_forwarded_outside_is_priced_where_it_went_and_paid_by_the_forwarder() -> None:
    """2001 calls 2309, which forwards to the outside number 3071111."""
    _, billables = build(
        leg(1, seconds=60, calling_number="2001", calling_extension="2001", called_number="2309",
            called_extension="2309", connected_number="3071111", connected_e164=493023125111,
            redirecting_number="2309", direction="outbound", trunk_out=GW, leg_role="forward")
    )  # fmt: skip
    assert seen(billables) == [("outbound", "2309", "3071111", 60)]
    assert billables[0]["rated_e164"] == 493023125111


def test_quality_records_bill_nothing_and_wait_open_for_their_call() -> None:
    """A CMR alone is an open call without a span; with its CDR it only adds flags."""
    monitor = leg(2, join=1, at=60, leg_role="monitor", flags=1 << 11, calling_number="2001")
    calls, billables = build(monitor)
    assert (calls[0]["state"], billables) == ("open", [])
    calls, billables = build(
        monitor, leg(1, join=1, seconds=60, calling_extension="2001", called_number="2309")
    )
    assert (len(calls), calls[0]["state"], calls[0]["flags"]) == (1, "complete", 1 << 11)
    assert seen(billables) == [("internal", "2001", "2309", 60)]


def test_an_inferred_answer_is_said_so() -> None:
    """ANSWER_INFERRED on the leg that opened the path: answer_known is false."""
    _, billables = build(leg(1, seconds=60, flags=1 << 6, trunk_out="t", direction="outbound"))
    assert billables[0]["answer_known"] is False


def test_an_unknown_duration_of_an_answered_leg_stays_unknown() -> None:
    """Never zero: rating makes a work item of it."""
    _, billables = build(leg(1, seconds=60, duration_ms=None, talk_ms=None, trunk_out="t"))
    assert billables[0]["quantity_ms"] is None


def test_one_call_over_two_pbxs_names_both() -> None:
    """Legs of two PBXs that share a key are one call."""
    calls, _ = build(
        leg(1, join=1, seconds=5, pbx_uid="london"), leg(2, join=1, seconds=5, pbx_uid="berlin")
    )
    assert calls[0]["pbx_uids"] == ["berlin", "london"]


def test_first_account_code_and_all_flags_are_kept() -> None:
    """The first code dialled names who pays; flags of all legs are united."""
    calls, _ = build(
        leg(1, join=1, at=0, seconds=5, flags=1),
        leg(2, join=1, at=5, seconds=5, flags=4, account_code="0815"),
        leg(3, join=1, at=9, seconds=5, account_code="4711"),
    )
    assert (calls[0]["account_code"], calls[0]["flags"]) == ("0815", 5)


def test_a_record_that_came_twice_counts_once() -> None:
    """Two units heard leg 1: one call of 60 s, not 120."""
    one = leg(1, join=1, seconds=60, calling_extension="2001", called_number="2309")
    calls, billables = build(one, {**one, "stream_id": 2})
    assert [c["leg_count"] for c in calls] == [1]
    assert seen(billables) == [("internal", "2001", "2309", 60)]
