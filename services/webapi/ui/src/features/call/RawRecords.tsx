/** What the PBX printed, and which bytes became which value. */
import { useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import type { RawLeg } from "@/api/types";
import { Panel } from "@/design/Page";
import { Skeleton } from "@/design/States";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { rawQuery } from "./queries";
import css from "./raw.module.css";
import { bytesOf, piecesOf, visible } from "./raw-bytes";

export function RawRecords({ callId }: { callId: string }) {
  const raw = useQuery(rawQuery(callId));
  if (raw.error !== null) {
    return <ProblemPanel error={raw.error} onRetry={() => void raw.refetch()} />;
  }
  if (raw.data === undefined) {
    return <Skeleton lines={6} />;
  }
  return (
    <div className={css.records}>
      {raw.data.legs.map((leg, index) => (
        <Record key={leg.cdr_id} leg={leg} number={index + 1} />
      ))}
    </div>
  );
}

function Record({ leg, number }: { leg: RawLeg; number: number }) {
  const { t } = useLingui();
  const [lit, light] = useState<number | null>(null);
  const pieces = useMemo(() => piecesOf(bytesOf(leg.bytes), leg.fields), [leg]);
  const title = t`Leg ${number}: ${leg.pbx.name ?? leg.pbx.uid}`;
  return (
    <Panel
      title={title}
      aside={<span className={css.dialect}>{`${leg.dialect_id} ${leg.dialect_version}`}</span>}
    >
      {leg.context === null ? null : (
        <details className={css.context}>
          <summary>{t`Stands under these lines`}</summary>
          <p className={css.line} dir="ltr">
            {visible(bytesOf(leg.context))}
          </p>
        </details>
      )}
      <p className={css.line} dir="ltr">
        {pieces.map((piece, index) => (
          <bdi
            // biome-ignore lint/suspicious/noArrayIndexKey: pieces are by their place in the record
            key={index}
            data-field={piece.field !== null}
            data-lit={piece.field !== null && piece.field === lit}
            onPointerEnter={() => light(piece.field)}
          >
            {piece.text}
          </bdi>
        ))}
      </p>
      {leg.note === "" ? null : <p className={css.note}>{leg.note}</p>}
      <Fields leg={leg} lit={lit} onLight={light} />
    </Panel>
  );
}

function Fields({
  leg,
  lit,
  onLight,
}: {
  leg: RawLeg;
  lit: number | null;
  onLight: (field: number | null) => void;
}) {
  const { t } = useLingui();
  if (leg.fields.length === 0) {
    return null;
  }
  return (
    <table className={css.fields} onPointerLeave={() => onLight(null)}>
      <thead>
        <tr>
          <th scope="col">{t`Field`}</th>
          <th scope="col">{t`Place`}</th>
          <th scope="col">{t`Printed`}</th>
          <th scope="col">{t`Read as`}</th>
          <th scope="col">{t`Meaning`}</th>
        </tr>
      </thead>
      <tbody>
        {leg.fields.map((field, index) => (
          <tr
            key={field.name}
            data-lit={index === lit}
            data-absent={field.from === null}
            onPointerEnter={() => onLight(index)}
          >
            <th scope="row">
              <button type="button" onFocus={() => onLight(index)} onBlur={() => onLight(null)}>
                {field.name}
              </button>
            </th>
            <td>{field.position}</td>
            <td className={css.printed} dir="ltr">
              {field.text}
            </td>
            <td dir="ltr">{field.value}</td>
            <td className={css.meaning}>
              {field.meaning}
              {field.note === "" ? null : <em> {field.note}</em>}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
