/** What happened, from top to bottom: a column for each party, an arrow for each event. */
import { useLingui } from "@lingui/react/macro";
import { useState } from "react";
import type { Leg } from "@/api/types";
import { Button } from "@/design/controls";
import { phoneNumber } from "@/design/format";
import { useFormats } from "@/design/formats";
import { useRoom } from "@/shell/screen";
import { EventTable } from "./EventTable";
import { useEventWords } from "./event-words";
import css from "./ladder.module.css";
import { type Ladder as Drawing, type LadderEvent, layoutLadder } from "./layout-ladder";

const COLUMN = 200;
const EDGE = 100;
const TIMES = 88;
const HEAD = 40;
const ROW = 44;

export function Ladder({ legs, zone }: { legs: readonly Leg[]; zone: string }) {
  const { t } = useLingui();
  const room = useRoom();
  const ladder = layoutLadder(legs);
  const [asTable, showTable] = useState(false);
  const table = asTable || room === "phone" || ladder.columns.length > 6;
  return (
    <div className={css.ladder}>
      {table ? <EventTable ladder={ladder} zone={zone} /> : <Figure ladder={ladder} zone={zone} />}
      {room === "phone" ? null : (
        <Button look="quiet" onPress={() => showTable(!asTable)}>
          {asTable ? t`Show as ladder` : t`Show as table`}
        </Button>
      )}
    </div>
  );
}

function Figure({ ladder, zone }: { ladder: Drawing; zone: string }) {
  const { t } = useLingui();
  const { instant } = useFormats();
  const say = useEventWords();
  const width = TIMES + EDGE * 2 + COLUMN * Math.max(0, ladder.columns.length - 1);
  const height = HEAD + ROW * ladder.events.length + 12;
  const x = (column: number) => TIMES + EDGE + COLUMN * column;
  return (
    <div className={css.scroll}>
      <svg
        role="img"
        aria-label={t`Course of the call; the table says the same in words`}
        viewBox={`0 0 ${width} ${height}`}
        width={width}
        height={height}
        direction="ltr"
      >
        {ladder.columns.map((column, index) => (
          <g key={column.key}>
            <line className={css.life} x1={x(index)} x2={x(index)} y1={HEAD} y2={height} />
            <text className={css.party} x={x(index)} y={HEAD - 14} textAnchor="middle">
              {column.party.e164 === null ? column.party.shown : phoneNumber(column.party.e164)}
            </text>
          </g>
        ))}
        {ladder.events.map((event, index) => (
          <Event
            key={`${event.leg} ${event.kind}`}
            event={event}
            y={HEAD + ROW * index + ROW / 2 + 6}
            from={x(event.from)}
            to={x(event.to)}
            word={say(event)}
            time={event.at === null ? "" : instant(event.at, zone, "clock")}
          />
        ))}
      </svg>
    </div>
  );
}

interface EventProps {
  event: LadderEvent;
  y: number;
  from: number;
  to: number;
  word: string;
  time: string;
}

function Event({ event, y, from, to, word, time }: EventProps) {
  const own = from === to;
  const [left, right] = own ? [from, from + 60] : [Math.min(from, to), Math.max(from, to)];
  const tip = own ? left + 60 : to;
  const sign = to >= from ? 1 : -1;
  const talk = event.kind === "talk";
  return (
    <g className={css[event.kind]}>
      <text className={css.moment} x={0} y={y + 4}>
        {time}
      </text>
      {talk ? (
        <rect className={css.talkBar} x={left} y={y - 11} width={right - left} height={22} rx={3} />
      ) : (
        <>
          <line className={css.arrow} x1={from} x2={tip - sign * 2} y1={y} y2={y} />
          {event.kind === "release" ? null : (
            <path className={css.tip} d={`M ${tip} ${y} l ${-sign * 8} -4 v 8 z`} />
          )}
        </>
      )}
      <text
        className={talk ? css.talkWord : css.word}
        x={(left + right) / 2}
        y={talk ? y + 4 : y - 7}
        textAnchor="middle"
      >
        {word}
      </text>
    </g>
  );
}
