/** Counts over hours or days as columns, each a door; the table behind it says the same figures. */
import { useLingui } from "@lingui/react/macro";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { Button } from "@/design/controls";
import { useFormats } from "@/design/formats";
import { parseScope } from "@/scope/grammar";
import { ScopeLink } from "@/scope/ScopeLink";
import { callsOf } from "@/scope/use-scope";
import { roundAbove } from "./scale";
import css from "./TimeBars.module.css";

export interface TimeRow {
  readonly key: string;
  /** As the axis says it: short. */
  readonly name: string;
  readonly value: number;
  readonly part: number;
  readonly scope: string | null;
}

interface TimeBarsProps {
  label: string;
  head: readonly [string, string, string];
  rows: readonly TimeRow[];
}

const HEIGHT = 160;
const AXIS = 20;
const STEP = 24;
/** Fewer rows than these have columns no wider than theirs. */
const ROWS_FULL = 12;

export function TimeBars({ label, head, rows }: TimeBarsProps) {
  const { t } = useLingui();
  const [asTable, showTable] = useState(false);
  return (
    <figure className={css.figure}>
      {asTable ? <Table head={head} rows={rows} /> : <Bars label={label} head={head} rows={rows} />}
      <figcaption className={css.caption}>
        <span className={css.key} aria-hidden="true">
          <i className={css.whole} /> {head[1]}
          <i className={css.part} /> {head[2]}
        </span>
        <Button look="quiet" onPress={() => showTable(!asTable)}>
          {asTable ? t`Show as chart` : t`Show as table`}
        </Button>
      </figcaption>
    </figure>
  );
}

function Bars({ label, rows }: TimeBarsProps) {
  const { count } = useFormats();
  const navigate = useNavigate();
  const top = roundAbove(Math.max(...rows.map((row) => row.value), 1));
  const height = (value: number) => (value / top) * HEIGHT;
  const named = Math.ceil(rows.length / ROWS_FULL);
  const width = (STEP - 6) * Math.min(1, rows.length / ROWS_FULL);
  const beside = (STEP - width) / 2;
  return (
    <div className={css.chart} dir="ltr">
      <div className={css.axis} aria-hidden="true">
        <span>{count(top)}</span>
        <span>{top % 2 === 0 ? count(top / 2) : ""}</span>
        <span>0</span>
      </div>
      <svg
        viewBox={`0 0 ${rows.length * STEP} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={label}
        className={css.plot}
      >
        <g className={css.lines}>
          {(top % 2 === 0 ? [0, HEIGHT / 2, HEIGHT] : [0, HEIGHT]).map((y) => (
            <line key={y} x1={0} x2={rows.length * STEP} y1={y} y2={y} />
          ))}
        </g>
        {rows.map((row, index) => (
          // biome-ignore lint/a11y/noStaticElementInteractions: the table behind is the way for keys
          <g
            key={row.key}
            className={row.scope === null ? css.column : `${css.column} ${css.door}`}
            onClick={() => {
              if (row.scope !== null) {
                void navigate(callsOf(parseScope(row.scope)));
              }
            }}
          >
            <title>{`${row.name}: ${count(row.value)}`}</title>
            <rect className={css.ground} x={index * STEP} y={0} width={STEP} height={HEIGHT} />
            <rect
              className={css.wholeBar}
              x={index * STEP + beside}
              y={HEIGHT - height(row.value)}
              width={width}
              height={height(row.value)}
            />
            <rect
              className={css.partBar}
              x={index * STEP + beside}
              y={HEIGHT - height(row.part)}
              width={width}
              height={height(row.part)}
            />
          </g>
        ))}
      </svg>
      <div
        className={css.names}
        aria-hidden="true"
        style={{
          gridTemplateColumns: `repeat(${rows.length}, minmax(0, 1fr))`,
          blockSize: AXIS,
        }}
      >
        {rows.map((row, index) => (
          <span key={row.key}>{index % named === 0 ? row.name : ""}</span>
        ))}
      </div>
    </div>
  );
}

function Table({ head, rows }: { head: readonly string[]; rows: readonly TimeRow[] }) {
  const { count } = useFormats();
  return (
    <div className={css.table}>
      <table>
        <thead>
          <tr>
            {head.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.key}>
              <th scope="row">{row.name}</th>
              <td>
                <ScopeLink scope={row.scope}>{count(row.value)}</ScopeLink>
              </td>
              <td>{count(row.part)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
