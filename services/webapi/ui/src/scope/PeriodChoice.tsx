import { useLingui } from "@lingui/react/macro";
import { useState } from "react";
import { Button, TextField } from "@/design/controls";
import { useFormats } from "@/design/formats";
import { OpenIcon } from "@/design/icons";
import { Popover } from "@/design/overlays";
import { PERIODS } from "./fields";
import { firstOf, type Scope, without } from "./grammar";
import css from "./ScopeBar.module.css";
import { useWords } from "./words";

/** The period of the page: a named one, two days, or none. */
export function PeriodChoice({
  scope,
  onChange,
  fallback,
}: {
  scope: Scope;
  onChange: (scope: Scope) => void;
  fallback: string;
}) {
  const { t } = useLingui();
  const words = useWords();
  const said = useSaidPeriod(scope, fallback);
  const period = firstOf(scope, "period");
  const timeless = without(scope, "period", "from", "to");
  return (
    <Popover
      label={t`Period`}
      className={css.pick}
      face={
        <>
          <span>{said}</span>
          <OpenIcon size={16} aria-hidden="true" />
        </>
      }
    >
      {(close) => {
        const choose = (next: Scope) => {
          onChange(next);
          close();
        };
        return (
          <div className={css.form}>
            <div className={css.periods}>
              {PERIODS.map((name) => (
                <button
                  key={name}
                  type="button"
                  aria-pressed={period === name}
                  onClick={() =>
                    choose([{ field: "period", operator: "=", values: [name] }, ...timeless])
                  }
                >
                  {words(name)}
                </button>
              ))}
            </div>
            <Days
              from={dayOf(firstOf(scope, "from"))}
              last={lastDayOf(firstOf(scope, "to"))}
              onChoose={(from, last) =>
                choose([
                  { field: "from", operator: "=", values: [from] },
                  { field: "to", operator: "=", values: [dayAfter(last)] },
                  ...timeless,
                ])
              }
            />
            {timeless.length === scope.length ? null : (
              <Button look="quiet" onPress={() => choose(timeless)}>
                {fallback}
              </Button>
            )}
          </div>
        );
      }}
    </Popover>
  );
}

function Days({
  from,
  last,
  onChoose,
}: {
  from: string;
  last: string;
  onChoose: (from: string, last: string) => void;
}) {
  const { t } = useLingui();
  const [begin, setBegin] = useState(from);
  const [end, setEnd] = useState(last);
  return (
    <form
      className={css.dates}
      onSubmit={(event) => {
        event.preventDefault();
        onChoose(begin, end);
      }}
    >
      <TextField label={t`First day`} type="date" value={begin} onChange={setBegin} required />
      <TextField label={t`Last day`} type="date" value={end} onChange={setEnd} required />
      <span />
      <Button submit disabled={begin === "" || end === "" || end < begin}>
        {t`Show`}
      </Button>
    </form>
  );
}

/** Say the period in words; instants are cut to what fits on a button. */
function useSaidPeriod(scope: Scope, fallback: string): string {
  const { t } = useLingui();
  const { day, instant } = useFormats();
  const words = useWords();
  const period = firstOf(scope, "period");
  if (period !== null) {
    return words(period);
  }
  const from = firstOf(scope, "from");
  const to = firstOf(scope, "to");
  if (from === null && to === null) {
    return fallback;
  }
  const style = { day: "numeric", month: "short", year: "numeric" } as const;
  if (isDay(from) && isDay(to)) {
    const last = day(lastDayOf(to), style);
    return lastDayOf(to) === from ? last : `${day(from, style)} – ${last}`;
  }
  const zone = firstOf(scope, "tz") ?? "UTC";
  const edge = (at: string) =>
    isDay(at) ? day(at, style) : instant(at, zone === "site" ? "UTC" : zone, "full");
  if (from !== null && to !== null) {
    return `${edge(from)} – ${edge(to)}`;
  }
  return from === null ? t`before ${edge(to ?? "")}` : t`since ${edge(from)}`;
}

function isDay(text: string | null): text is string {
  return text !== null && /^\d{4}-\d\d-\d\d$/.test(text);
}

function dayOf(text: string | null): string {
  return isDay(text) ? text : "";
}

/** The address is half open; people name the last day that is in. */
function lastDayOf(to: string | null): string {
  return isDay(to) ? moved(to, -1) : "";
}

function dayAfter(day: string): string {
  return moved(day, 1);
}

function moved(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10);
}
