import { Plural, useLingui } from "@lingui/react/macro";
import type { Check } from "@/api/types";
import { DataTable } from "@/design/DataTable";
import { useFormats } from "@/design/formats";
import { Facts, Panel } from "@/design/Page";
import { Status } from "@/design/Status";

type Finding = Check["mistakes"][number];

/** What a check found: mistakes, doubts, and what would change. */
export function Findings({ check }: { check: Check }) {
  const { t } = useLingui();
  return (
    <>
      {check.mistakes.length === 0 ? null : (
        <Panel
          title={t`Mistakes`}
          aside={
            <Status level="bad">
              <Plural value={check.mistake_count} one="# mistake" other="# mistakes" />
            </Status>
          }
          flush
        >
          <Lines label={t`Mistakes`} findings={check.mistakes} />
        </Panel>
      )}
      {check.warnings.length === 0 ? null : (
        <Panel title={t`Priced as written, perhaps not as meant`} flush>
          <Lines label={t`Warnings`} findings={check.warnings} />
        </Panel>
      )}
      {check.change === null ? null : <ChangePanel change={check.change} />}
    </>
  );
}

function Lines({ label, findings }: { label: string; findings: readonly Finding[] }) {
  const { t } = useLingui();
  return (
    <DataTable
      label={label}
      rows={findings}
      keyOf={(finding) => finding.text}
      columns={[
        {
          key: "place",
          head: t`Place`,
          cell: ({ file, line }) => (line === null ? file : `${file}:${line}`),
        },
        { key: "field", head: t`Field`, cell: (finding) => finding.field },
        { key: "value", head: t`Value`, cell: (finding) => finding.value },
        { key: "problem", head: t`Problem`, cell: (finding) => finding.problem },
        { key: "remedy", head: t`What to do`, cell: (finding) => finding.remedy },
      ]}
    />
  );
}

function ChangePanel({ change }: { change: NonNullable<Check["change"]> }) {
  const { t } = useLingui();
  const { count } = useFormats();
  return (
    <Panel title={t`Against ${change.against.uid}, version ${change.against.version}`}>
      <Facts
        facts={[
          { name: t`Dearer`, value: count(change.dearer) },
          { name: t`Cheaper`, value: count(change.cheaper) },
          { name: t`New`, value: count(change.added) },
          { name: t`Gone`, value: count(change.removed) },
          { name: t`Other terms`, value: count(change.other_terms) },
          { name: t`The same`, value: count(change.same) },
        ]}
      />
      {change.heading.length === 0 ? null : (
        <ul>
          {change.heading.map((line) => (
            <li key={line}>{line}</li>
          ))}
        </ul>
      )}
    </Panel>
  );
}
