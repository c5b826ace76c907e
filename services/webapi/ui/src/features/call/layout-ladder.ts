/**
 * The ladder of a call: who stands in which column, what happened in which order.
 *
 * Pure. Every leg gives one event for its beginning, one for its talk, one for its end, as far as
 * its record says when; nothing is drawn that no record said.
 */
import type { Leg, Party } from "@/api/types";

export interface LadderColumn {
  readonly key: string;
  readonly party: Party;
}

export type EventKind =
  | "dial"
  | "transfer"
  | "forward"
  | "ring"
  | "talk"
  | "release"
  | "unanswered";

export interface LadderEvent {
  readonly kind: EventKind;
  readonly leg: number;
  readonly from: number;
  readonly to: number;
  readonly at: string | null;
  /** How long it lasted; only of talk. */
  readonly ms: number | null;
  readonly outcome: string | null;
}

export interface Ladder {
  readonly columns: readonly LadderColumn[];
  readonly events: readonly LadderEvent[];
}

const NOBODY: Party = { shown: "?", e164: null, masked: false };

/** Order of events of one moment: a call is released before the next one is dialled. */
const RANK: Record<EventKind, number> = {
  release: 0,
  unanswered: 0,
  dial: 1,
  transfer: 1,
  forward: 1,
  ring: 2,
  talk: 3,
};

export function layoutLadder(legs: readonly Leg[]): Ladder {
  const columns: LadderColumn[] = [];
  const column = (party: Party | null, role: string): number => {
    const who = party ?? NOBODY;
    const key = party === null ? `? ${role}` : (who.e164 ?? who.shown);
    const found = columns.findIndex((one) => one.key === key);
    return found >= 0 ? found : columns.push({ key, party: who }) - 1;
  };
  const events = [...legs.keys()]
    .sort((a, b) => begin(legs[a]) - begin(legs[b]) || a - b)
    .flatMap((index) => eventsOf(legs[index], index, column));
  return { columns, events: inOrder(events) };
}

function begin(leg: Leg | undefined): number {
  return Date.parse(leg?.setup_at ?? leg?.answer_at ?? leg?.release_at ?? "") || 0;
}

function eventsOf(
  leg: Leg | undefined,
  index: number,
  column: (party: Party | null, role: string) => number,
): LadderEvent[] {
  if (leg === undefined) {
    return [];
  }
  const from = column(leg.calling, "calling");
  const called = column(leg.called, "called");
  const to = leg.connected === null ? called : column(leg.connected, "connected");
  const event = (kind: EventKind, at: string | null, ms: number | null = null): LadderEvent => ({
    kind,
    leg: index,
    from,
    to: kind === "talk" || kind === "release" ? to : called,
    at,
    ms,
    outcome: leg.disposition,
  });
  const events = [event(beginning(leg), leg.setup_at)];
  if (leg.answer_at !== null || leg.disposition === "answered") {
    events.push(event("talk", leg.answer_at, leg.duration_ms));
    if (leg.release_at !== null) {
      events.push(event("release", leg.release_at));
    }
  } else {
    events.push(event("unanswered", leg.release_at));
  }
  return events;
}

function beginning(leg: Leg): EventKind {
  if (leg.role === "transfer_to" || leg.role === "pickup") {
    return "transfer";
  }
  return leg.role === "forward" || leg.redirecting !== null ? "forward" : "dial";
}

/** By moment; what has no moment stays behind what stood before it. */
function inOrder(events: readonly LadderEvent[]): LadderEvent[] {
  let last = Number.NEGATIVE_INFINITY;
  const keyed = events.map((event, place) => {
    const at = event.at === null ? last : Date.parse(event.at);
    last = at;
    return { event, at, place };
  });
  keyed.sort(
    (a, b) =>
      compare(a.at, b.at) ||
      (a.event.leg === b.event.leg ? 0 : RANK[a.event.kind] - RANK[b.event.kind]) ||
      a.place - b.place,
  );
  return keyed.map((one) => one.event);
}

function compare(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
