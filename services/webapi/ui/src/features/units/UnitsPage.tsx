import { useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import type { Unit } from "@/api/types";
import { DataTable } from "@/design/DataTable";
import { Instant, Unknown } from "@/design/Figures";
import { useFormats } from "@/design/formats";
import { PageHead, Panel } from "@/design/Page";
import { Empty, Skeleton } from "@/design/States";
import { Status } from "@/design/Status";
import { useWords } from "@/scope/words";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { unitsQuery } from "./queries";
import css from "./units.module.css";

/** Which unit reads which PBX, the worst first; configuration is shown, its owner is a file. */
export function UnitsPage() {
  const { t } = useLingui();
  const units = useQuery(unitsQuery);
  return (
    <>
      <PageHead title={t`Units`} />
      {units.error === null ? null : (
        <ProblemPanel error={units.error} onRetry={() => void units.refetch()} />
      )}
      {units.isPending ? <Skeleton lines={5} height="1.5rem" /> : null}
      {units.data === undefined ? null : (
        <div className={css.stack}>
          {units.data.configuration_problems.map((problem) => (
            <Status key={problem} level="bad">
              {problem}
            </Status>
          ))}
          {units.data.items.length === 0 ? (
            <NoUnits />
          ) : (
            <>
              <Fleet units={units.data.items} />
              <Links units={units.data.items} />
            </>
          )}
        </div>
      )}
    </>
  );
}

function NoUnits() {
  const { t } = useLingui();
  return (
    <Empty title={t`No unit is enrolled`}>
      <p>{t`This installation reads its links itself, or no unit was given a token yet.`}</p>
    </Empty>
  );
}

function worstFirst(units: readonly Unit[]): Unit[] {
  const bad = (unit: Unit) => unit.conditions.filter((condition) => !condition.good).length;
  return [...units].sort((a, b) => bad(b) - bad(a) || a.unit_uid.localeCompare(b.unit_uid));
}

function Fleet({ units }: { units: readonly Unit[] }) {
  const { t } = useLingui();
  const words = useWords();
  return (
    <Panel title={t`Units`} flush>
      <DataTable
        label={t`Units`}
        rows={worstFirst(units)}
        keyOf={(unit) => unit.unit_uid}
        columns={[
          { key: "unit", head: t`Unit`, cell: (unit) => unit.unit_uid },
          {
            key: "site",
            head: t`Site`,
            cell: (unit) => unit.site?.name ?? unit.site?.uid ?? <Unknown />,
          },
          { key: "state", head: t`State`, cell: (unit) => words(unit.state) },
          { key: "conditions", head: t`What is wrong`, cell: (unit) => <Conditions unit={unit} /> },
          {
            key: "certificate",
            head: t`Certificate until`,
            cell: (unit) =>
              unit.certificate_until === null ? (
                <Unknown />
              ) : (
                <Instant at={unit.certificate_until} zone="UTC" style="day" />
              ),
          },
        ]}
      />
    </Panel>
  );
}

function Conditions({ unit }: { unit: Unit }) {
  const { t } = useLingui();
  const wrong = unit.conditions.filter((condition) => !condition.good);
  return wrong.length === 0 ? (
    <Status level="ok">{t`nothing`}</Status>
  ) : (
    wrong.map((condition) => (
      <div key={condition.name}>
        <Status level="warn">{condition.message || condition.name}</Status>
      </div>
    ))
  );
}

function Links({ units }: { units: readonly Unit[] }) {
  const { t } = useLingui();
  const { count } = useFormats();
  const words = useWords();
  const links = units.flatMap((unit) => unit.links.map((link) => ({ unit, link })));
  return (
    <Panel title={t`Links`} flush>
      <DataTable
        label={t`Links`}
        rows={links}
        keyOf={({ unit, link }) => `${unit.unit_uid} ${link.stream_id}`}
        columns={[
          { key: "link", head: t`Link`, cell: ({ link }) => link.link_uid },
          { key: "unit", head: t`Unit`, cell: ({ unit }) => unit.unit_uid },
          {
            key: "state",
            head: t`State`,
            cell: ({ link }) => (link.state === null ? <Unknown /> : words(link.state)),
          },
          {
            key: "received",
            head: t`Last record, UTC`,
            cell: ({ link }) =>
              link.last_received_at === null ? (
                <Unknown />
              ) : (
                <Instant at={link.last_received_at} zone="UTC" />
              ),
          },
          {
            key: "lost",
            head: t`Lost`,
            end: true,
            cell: ({ link }) =>
              link.records_lost === 0 ? (
                count(0)
              ) : (
                <Status level="bad">{count(link.records_lost)}</Status>
              ),
          },
        ]}
      />
    </Panel>
  );
}
