/** Parts of a call in a list: who, to whom, which way, what it came to. */
import { Plural, useLingui } from "@lingui/react/macro";
import type { Call, Party } from "@/api/types";
import { Amount, PhoneNumber, Unknown } from "@/design/Figures";
import { InboundIcon, InternalIcon, OutboundIcon, TandemIcon } from "@/design/icons";
import { useWords } from "@/scope/words";
import css from "./calls.module.css";

const ICONS = {
  inbound: InboundIcon,
  outbound: OutboundIcon,
  internal: InternalIcon,
  tandem: TandemIcon,
} as const;

export function DirectionIcon({ direction }: { direction: string | null }) {
  const words = useWords();
  if (direction === null || !(direction in ICONS)) {
    return null;
  }
  const Icon = ICONS[direction as keyof typeof ICONS];
  return (
    <span className={css.direction} title={words(direction)}>
      <Icon size={16} stroke={1.75} aria-hidden="true" />
      <span className="heard-only">{words(direction)}</span>
    </span>
  );
}

export function From({ call }: { call: Call }) {
  const ours = call.direction === "outbound" || call.direction === "internal";
  return ours ? <Own call={call} party={call.calling} /> : <PhoneNumber party={call.calling} />;
}

export function To({ call }: { call: Call }) {
  const ours = call.direction === "inbound";
  const reached = call.final_destination;
  const elsewhere = reached !== null && call.called !== null && reached.shown !== call.called.shown;
  return (
    <>
      {ours ? <Own call={call} party={call.called} /> : <PhoneNumber party={call.called} />}
      {elsewhere ? (
        <span className={css.aside}>
          {" → "}
          <PhoneNumber party={reached} />
        </span>
      ) : null}
    </>
  );
}

/** A party of ours: its extension, and whose it was at the time. */
function Own({ call, party }: { call: Call; party: Party | null }) {
  if (call.extension === null) {
    return <PhoneNumber party={party} />;
  }
  return (
    <>
      <span className="figure">{call.extension}</span>
      {call.person === null ? null : (
        <span className={css.aside}> {call.person.name ?? call.person.uid}</span>
      )}
    </>
  );
}

export function Price({ call, list }: { call: Call; list: string }) {
  const { t } = useLingui();
  const price = call.prices.find((one) => one.price_list === list);
  if (price === undefined) {
    return <Unknown />;
  }
  return (
    <>
      {price.money === null ? null : <Amount money={price.money} places="charge" />}
      {price.unpriced > 0 ? <span className={css.unpriced}> {t`not priced`}</span> : null}
    </>
  );
}

export function Result({ call }: { call: Call }) {
  const words = useWords();
  return (
    <>
      {call.disposition === null ? <Unknown /> : words(call.disposition)}
      {call.state === "open" ? <span className={css.aside}> · {words("open")}</span> : null}
      {call.legs > 1 ? (
        <span className={css.aside}>
          {" · "}
          <Plural value={call.legs} one="# leg" other="# legs" />
        </span>
      ) : null}
    </>
  );
}
