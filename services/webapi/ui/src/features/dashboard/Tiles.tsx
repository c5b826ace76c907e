import { useLingui } from "@lingui/react/macro";
import type { ReactNode } from "react";
import type { Figure, Summary } from "@/api/types";
import { useFormats } from "@/design/formats";
import { ScopeLink } from "@/scope/ScopeLink";
import css from "./dashboard.module.css";

const MINUTE_MS = 60_000;

/** The figures of the period; each opens the calls that made it. */
export function Tiles({ summary }: { summary: Summary }) {
  const { t } = useLingui();
  const { count, amount, percent } = useFormats();
  const figure = (name: Figure["name"]) => summary.figures.find((one) => one.name === name);
  const calls = figure("calls");
  const answered = figure("answered");
  const talk = figure("talk_ms");
  const unpriced = figure("unpriced");
  const share =
    calls === undefined || calls.value === 0 ? null : percent((answered?.value ?? 0) / calls.value);
  return (
    <div className={css.tiles}>
      {calls === undefined ? null : (
        <Tile name={t`Calls`} scope={calls.scope} value={count(calls.value)} />
      )}
      {answered === undefined ? null : (
        <Tile
          name={t`Answered`}
          scope={answered.scope}
          value={count(answered.value)}
          aside={share}
        />
      )}
      {talk === undefined ? null : (
        <Tile
          name={t`Minutes`}
          scope={talk.scope}
          value={count(Math.round(talk.value / MINUTE_MS))}
        />
      )}
      {summary.cost.map((cost) =>
        cost.money === null ? null : (
          <Tile
            key={`${cost.price_list} ${cost.money.currency}`}
            name={t`Cost, ${cost.price_list}`}
            scope={cost.scope}
            value={
              <>
                {amount(cost.money, "total")} <small>{cost.money.currency}</small>
              </>
            }
          />
        ),
      )}
      {unpriced === undefined ? null : (
        <Tile
          name={t`Not priced`}
          scope={unpriced.scope}
          value={count(unpriced.value)}
          warn={unpriced.value > 0}
        />
      )}
    </div>
  );
}

function Tile({
  name,
  scope,
  value,
  aside = null,
  warn = false,
}: {
  name: string;
  scope: string;
  value: ReactNode;
  aside?: string | null;
  warn?: boolean;
}) {
  return (
    <ScopeLink scope={scope} className={css.tile}>
      <span className={css.tileName}>{name}</span>
      <span className={css.tileValue} data-warn={warn}>
        {value}
        {aside === null ? null : <span className={css.tileAside}>{aside}</span>}
      </span>
    </ScopeLink>
  );
}
