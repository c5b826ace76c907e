import { describe, expect, it } from "vitest";
import type { Leg } from "@/api/types";
import { layoutLadder } from "./layout-ladder";

function party(shown: string) {
  return { shown, e164: null, masked: false };
}

function leg(changes: Partial<Leg>): Leg {
  return {
    cdr_id: "a",
    pbx: { uid: "berlin-cm", name: null },
    site: null,
    link_uid: null,
    dialect_id: "avaya_cm",
    dialect_version: 1,
    role: "plain",
    stream_id: "1",
    incarnation: "1",
    seq: "1",
    setup_at: null,
    answer_at: null,
    release_at: null,
    received_at: null,
    ingested_at: null,
    duration_ms: null,
    calling: null,
    called: null,
    connected: null,
    redirecting: null,
    direction: null,
    call_class: null,
    disposition: null,
    trunk_in: null,
    trunk_out: null,
    ...changes,
  };
}

const BEFORE = leg({
  role: "transfer_from",
  calling: party("214"),
  called: party("+34915550100"),
  setup_at: "2026-11-21T13:03:01.000Z",
  answer_at: "2026-11-21T13:03:09.000Z",
  release_at: "2026-11-21T13:03:50.000Z",
  duration_ms: 41_000,
  disposition: "answered",
});
const AFTER = leg({
  role: "transfer_to",
  calling: party("+34915550100"),
  called: party("230"),
  setup_at: "2026-11-21T13:03:50.000Z",
  answer_at: "2026-11-21T13:03:58.000Z",
  release_at: "2026-11-21T13:06:16.000Z",
  duration_ms: 138_000,
  disposition: "answered",
});

describe("the ladder of a call", () => {
  it("gives each party one column, in the order they came in", () => {
    const { columns } = layoutLadder([BEFORE, AFTER]);
    expect(columns.map((column) => column.key)).toEqual(["214", "+34915550100", "230"]);
  });

  it("tells the events of a transfer in their order", () => {
    const { events } = layoutLadder([BEFORE, AFTER]);
    expect(
      events.map((event) => [event.kind, event.from, event.to, event.at?.slice(14, 19)]),
    ).toEqual([
      ["dial", 0, 1, "03:01"],
      ["talk", 0, 1, "03:09"],
      ["release", 0, 1, "03:50"],
      ["transfer", 1, 2, "03:50"],
      ["talk", 1, 2, "03:58"],
      ["release", 1, 2, "06:16"],
    ]);
  });

  it("tells the same whichever leg came first", () => {
    const told = layoutLadder([AFTER, BEFORE]);
    expect(told.columns).toEqual(layoutLadder([BEFORE, AFTER]).columns);
    expect(told.events.map((event) => event.kind)).toEqual(
      layoutLadder([BEFORE, AFTER]).events.map((event) => event.kind),
    );
  });

  it("draws every leg, also one that says nothing", () => {
    const { events, columns } = layoutLadder([leg({}), leg({ calling: party("214") })]);
    expect(new Set(events.map((event) => event.leg))).toEqual(new Set([0, 1]));
    expect(columns.map((column) => column.key)).toEqual(["? calling", "? called", "214"]);
  });

  it("ends a call that nobody answered without a talk", () => {
    const { events } = layoutLadder([leg({ ...BEFORE, answer_at: null, disposition: "busy" })]);
    expect(events.map((event) => event.kind)).toEqual(["dial", "unanswered"]);
  });

  it("draws talk to who was reached, not to who was called", () => {
    const { events } = layoutLadder([leg({ ...BEFORE, connected: party("300") })]);
    expect(events.map((event) => [event.kind, event.to])).toEqual([
      ["dial", 1],
      ["talk", 2],
      ["release", 2],
    ]);
  });
});
