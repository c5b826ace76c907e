import { useLingui } from "@lingui/react/macro";
import type { TriedRecord } from "@/api/types";
import { Panel } from "@/design/Page";
import { Status } from "@/design/Status";
import { RawRecord } from "@/raw/RawRecord";
import { useReasons } from "@/shell/reasons";
import css from "./workshop.module.css";

/** What one line became: its bytes with their fields, and the leg, or why it is none. */
export function TriedPanel({ place, record }: { place: number; record: TriedRecord }) {
  const { t } = useLingui();
  const reasons = useReasons();
  return (
    <Panel
      title={t`Line ${place}`}
      aside={
        record.reason === null ? (
          <Status level="ok">{t`a leg`}</Status>
        ) : (
          <Status level="warn">{reasons(record.reason)}</Status>
        )
      }
    >
      {record.detail === "" ? null : <p className={css.detail}>{record.detail}</p>}
      <RawRecord
        bytes={record.bytes}
        context={record.context}
        fields={record.fields}
        note={record.note}
      />
      {record.leg.length === 0 ? null : (
        <details className={css.leg}>
          <summary>{t`The leg as it would be stored`}</summary>
          <dl>
            {record.leg.map((field) => (
              <div key={field.name}>
                <dt>{field.name}</dt>
                <dd dir="ltr">{field.value}</dd>
              </div>
            ))}
          </dl>
        </details>
      )}
    </Panel>
  );
}
