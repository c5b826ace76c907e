/** Sites by days: each cell a symbol and, where something waits, how much. Arrow keys move. */
import { useLingui } from "@lingui/react/macro";
import type { KeyboardEvent } from "react";
import type { CompletenessDay } from "@/api/types";
import { useFormats } from "@/design/formats";
import { BadIcon, OkIcon, WarnIcon } from "@/design/icons";
import css from "./completeness.module.css";
import { judge, type SiteRow, type Verdict } from "./judge";
import { useVerdictWords } from "./verdict-words";

interface CalendarProps {
  rows: readonly SiteRow[];
  days: readonly string[];
  today: string;
  picked: CompletenessDay | null;
  onPick: (site: string, day: string) => void;
}

export function Calendar({ rows, days, today, picked, onPick }: CalendarProps) {
  const { t } = useLingui();
  const { day: sayDay } = useFormats();
  return (
    <div className={css.scroll}>
      <table className={css.calendar} onKeyDown={moveByArrows}>
        <thead>
          <tr>
            <th scope="col">{t`Site`}</th>
            {days.map((day) => (
              <th key={day} scope="col" data-today={day === today}>
                <abbr title={sayDay(day, { dateStyle: "full" })}>{Number(day.slice(-2))}</abbr>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.site.uid}>
              <th scope="row">{row.site.name ?? row.site.uid}</th>
              {days.map((day) => (
                <td key={day} data-today={day === today}>
                  <Cell
                    day={row.days.get(day)}
                    date={day}
                    today={today}
                    picked={picked !== null && picked === row.days.get(day)}
                    onPick={() => onPick(row.site.uid, day)}
                  />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Cell({
  day,
  date,
  today,
  picked,
  onPick,
}: {
  day: CompletenessDay | undefined;
  date: string;
  today: string;
  picked: boolean;
  onPick: () => void;
}) {
  const { day: sayDay, count } = useFormats();
  const words = useVerdictWords();
  const verdict = judge(day, today);
  if (day === undefined) {
    return (
      <span className={css.nothing} title={words.nothing}>
        <span aria-hidden="true">{date > today ? "" : "–"}</span>
        <span className="heard-only">{words.nothing}</span>
      </span>
    );
  }
  const waiting = verdict === "waiting" ? ` ${count(day.suspended + day.open)}` : "";
  const name = `${sayDay(day.day, { dateStyle: "medium" })}: ${words[verdict]}${waiting}`;
  return (
    <button
      type="button"
      className={css.cell}
      data-verdict={verdict}
      aria-pressed={picked}
      aria-label={name}
      title={name}
      onClick={onPick}
    >
      <VerdictSign verdict={verdict} />
      {waiting === "" ? null : <span>{waiting}</span>}
    </button>
  );
}

function VerdictSign({ verdict }: { verdict: Verdict }) {
  switch (verdict) {
    case "whole":
      return <OkIcon size={16} aria-hidden="true" />;
    case "waiting":
      return <WarnIcon size={16} aria-hidden="true" />;
    case "broken":
      return <BadIcon size={16} aria-hidden="true" />;
    case "not-over":
      return <span aria-hidden="true">…</span>;
    case "nothing":
      return <span aria-hidden="true">–</span>;
  }
}

/** Arrow keys go to the next cell that can be opened, along the row or the column. */
function moveByArrows(event: KeyboardEvent) {
  const cell = (event.target as Element).closest("td");
  const row = cell?.parentElement;
  if (cell === null || row === null || row === undefined) {
    return;
  }
  const column = [...row.children].indexOf(cell);
  const along = (next: Element | null | undefined, step: "previous" | "next", byRow: boolean) => {
    let at = next;
    while (at !== null && at !== undefined) {
      const button = (byRow ? at.children[column] : at)?.querySelector("button");
      if (button !== null && button !== undefined) {
        button.focus();
        event.preventDefault();
        return;
      }
      at = step === "next" ? at.nextElementSibling : at.previousElementSibling;
    }
  };
  switch (event.key) {
    case "ArrowLeft":
      return along(cell.previousElementSibling, "previous", false);
    case "ArrowRight":
      return along(cell.nextElementSibling, "next", false);
    case "ArrowUp":
      return along(row.previousElementSibling, "previous", true);
    case "ArrowDown":
      return along(row.nextElementSibling, "next", true);
  }
}
