import { Link } from "@tanstack/react-router";
import type { Call } from "@/api/types";
import { Duration, Instant } from "@/design/Figures";
import css from "./calls.module.css";
import { DirectionIcon, From, Price, Result, To } from "./parts";

/** A call on a phone: three lines instead of a row. */
export function CallCard({ call }: { call: Call }) {
  return (
    <Link to="/calls/$callId" params={{ callId: call.call_id }} tabIndex={-1} className={css.card}>
      <span className={css.cardLine}>
        <DirectionIcon direction={call.direction} />
        <span className={css.party}>
          <From call={call} />
        </span>
        {call.started_at === null ? null : (
          <span className={css.aside}>
            <Instant at={call.started_at} zone={call.zone ?? "UTC"} />
          </span>
        )}
      </span>
      <span className={css.cardLine}>
        <span className={css.indent} />
        <span className={css.party}>
          <To call={call} />
        </span>
        {call.talk_ms === null ? null : <Duration ms={call.talk_ms} />}
      </span>
      <span className={css.cardLine}>
        <span className={css.indent} />
        <span className={`${css.party} ${css.aside}`}>
          <Result call={call} />
        </span>
        {call.prices.map((price) => (
          <Price key={price.price_list} call={call} list={price.price_list} />
        ))}
      </span>
    </Link>
  );
}
