import { useLingui } from "@lingui/react/macro";
import { Link } from "@tanstack/react-router";
import type { Call } from "@/api/types";
import { Amount, Duration, Instant, PhoneNumber } from "@/design/Figures";
import { Panel } from "@/design/Page";
import css from "./dashboard.module.css";

/** The calls that cost most, each a door to its receipt. */
export function Dearest({ calls }: { calls: readonly Call[] }) {
  const { t } = useLingui();
  if (calls.length === 0) {
    return null;
  }
  return (
    <Panel title={t`Dearest calls`} flush>
      <ol className={css.calls}>
        {calls.map((call) => (
          <li key={call.call_id}>
            <Link
              to="/calls/$callId"
              params={{ callId: call.call_id }}
              search={{ tab: "receipt" }}
              className={css.call}
            >
              <span className={css.when}>
                {call.started_at === null ? null : (
                  <Instant at={call.started_at} zone={call.zone ?? "UTC"} />
                )}
              </span>
              <span className={css.who}>
                {[call.extension, call.person?.name].filter(Boolean).join(" ")} {"→ "}
                <PhoneNumber party={call.called} />
              </span>
              <span className={css.talk}>
                {call.talk_ms === null ? null : <Duration ms={call.talk_ms} />}
              </span>
              <span className={css.price}>
                {call.prices[0]?.money == null ? null : (
                  <Amount money={call.prices[0].money} places="charge" />
                )}
              </span>
            </Link>
          </li>
        ))}
      </ol>
    </Panel>
  );
}
