import { useLingui } from "@lingui/react/macro";
import { Instant, PhoneNumber, Unknown } from "@/design/Figures";
import { useEventWords } from "./event-words";
import css from "./ladder.module.css";
import type { Ladder } from "./layout-ladder";

/** The ladder in words: the twin of the drawing, and all there is on a phone. */
export function EventTable({ ladder, zone }: { ladder: Ladder; zone: string }) {
  const { t } = useLingui();
  const say = useEventWords();
  return (
    <table className={css.table}>
      <thead>
        <tr>
          <th scope="col">{t`Time`}</th>
          <th scope="col">{t`Event`}</th>
          <th scope="col">{t`From`}</th>
          <th scope="col">{t`To`}</th>
        </tr>
      </thead>
      <tbody>
        {ladder.events.map((event) => (
          <tr key={`${event.leg} ${event.kind}`} data-kind={event.kind}>
            <td>
              {event.at === null ? (
                <Unknown />
              ) : (
                <Instant at={event.at} zone={zone} style="clock" />
              )}
            </td>
            <td>{say(event)}</td>
            <td>
              <PhoneNumber party={ladder.columns[event.from]?.party ?? null} />
            </td>
            <td>
              <PhoneNumber party={ladder.columns[event.to]?.party ?? null} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
