import { useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { DirectoryExtension, DirectoryPerson, Name } from "@/api/types";
import { Button } from "@/design/controls";
import { DataTable } from "@/design/DataTable";
import { Dialog } from "@/design/Dialog";
import { Unknown } from "@/design/Figures";
import { useFormats } from "@/design/formats";
import { Panel } from "@/design/Page";
import { Skeleton } from "@/design/States";
import { Status } from "@/design/Status";
import { ScopeLink } from "@/scope/ScopeLink";
import { ProblemPanel } from "@/shell/ProblemPanel";
import css from "./directory.module.css";
import { historyQuery } from "./queries";

function named(name: Name | null) {
  return name === null ? <Unknown /> : name.name || name.uid;
}

export function PeopleTable({
  people,
  whole,
  onErase,
}: {
  people: readonly DirectoryPerson[];
  whole: boolean;
  /** null = the reader may not. */
  onErase: ((person: string) => void) | null;
}) {
  const { t } = useLingui();
  return people.length === 0 ? null : (
    <Panel title={t`People`} aside={<More whole={whole} />} flush>
      <DataTable
        label={t`People`}
        rows={people}
        keyOf={(person) => `${person.uid} ${person.since}`}
        columns={[
          {
            key: "name",
            head: t`Name`,
            cell: (person) => (
              <ScopeLink scope={`person=${encodeURIComponent(person.uid)}`}>
                {person.name || person.uid}
              </ScopeLink>
            ),
          },
          { key: "department", head: t`Department`, cell: (person) => named(person.department) },
          { key: "cost", head: t`Cost centre`, cell: (person) => named(person.cost_center) },
          {
            key: "extensions",
            head: t`Extensions`,
            cell: (person) =>
              person.extensions.length === 0 ? (
                <Unknown />
              ) : (
                person.extensions.map((place) => place.extension).join(", ")
              ),
          },
          { key: "held", head: t`Holds`, cell: (person) => <Held {...person} /> },
          ...(onErase === null
            ? []
            : [
                {
                  key: "erase",
                  head: t`Action`,
                  end: true,
                  cell: (person: DirectoryPerson) => (
                    <Button look="quiet" onPress={() => onErase(person.uid)}>
                      {t`Erase`}
                    </Button>
                  ),
                },
              ]),
        ]}
      />
    </Panel>
  );
}

export function ExtensionTable({
  extensions,
  whole,
}: {
  extensions: readonly DirectoryExtension[];
  whole: boolean;
}) {
  const { t } = useLingui();
  const [asked, ask] = useState<DirectoryExtension | null>(null);
  return extensions.length === 0 ? null : (
    <Panel title={t`Extensions`} aside={<More whole={whole} />} flush>
      <DataTable
        label={t`Extensions`}
        rows={extensions}
        keyOf={(one) => `${one.site.uid} ${one.extension}`}
        columns={[
          {
            key: "extension",
            head: t`Extension`,
            cell: (one) => (
              <ScopeLink
                scope={`site=${encodeURIComponent(one.site.uid)}&extension=${encodeURIComponent(one.extension)}`}
              >
                {one.extension}
              </ScopeLink>
            ),
          },
          { key: "site", head: t`Site`, cell: (one) => named(one.site) },
          { key: "person", head: t`Whose`, cell: (one) => named(one.person) },
          { key: "department", head: t`Department`, cell: (one) => named(one.department) },
          { key: "held", head: t`Holds`, cell: (one) => <Held {...one} /> },
          {
            key: "history",
            head: t`Action`,
            end: true,
            cell: (one) => (
              <Button look="quiet" onPress={() => ask(one)}>
                {t`History`}
              </Button>
            ),
          },
        ]}
      />
      <Dialog
        open={asked !== null}
        onClose={() => ask(null)}
        title={t`Extension ${asked?.extension ?? ""}`}
      >
        {asked === null ? null : <History of={asked} />}
      </Dialog>
    </Panel>
  );
}

function History({ of }: { of: DirectoryExtension }) {
  const { t } = useLingui();
  const history = useQuery(historyQuery(of.site.uid, of.extension));
  if (history.error !== null) {
    return <ProblemPanel error={history.error} onRetry={() => void history.refetch()} />;
  }
  if (history.data === undefined) {
    return <Skeleton lines={3} />;
  }
  return (
    <ol className={css.history}>
      {history.data.items.map((moment) => (
        <li key={moment.since ?? ""}>
          <strong>{named(moment.person ?? moment.department)}</strong>
          <span className={css.about}>
            {moment.since === null && moment.until === null ? (
              t`always`
            ) : (
              <Held {...moment} zone={history.data.zone} />
            )}
          </span>
        </li>
      ))}
    </ol>
  );
}

function More({ whole }: { whole: boolean }) {
  const { t } = useLingui();
  return whole ? null : <Status level="off">{t`there are more: type a name`}</Status>;
}

/** From when to when an entry holds, in days of the zone that they were meant in. */
function Held({
  since,
  until,
  zone,
}: {
  since: string | null;
  until: string | null;
  zone: string;
}) {
  const { t } = useLingui();
  const { instant } = useFormats();
  const day = (at: string) => instant(at, zone, "day");
  if (since === null) {
    return until === null ? t`always` : t`until ${day(until)}`;
  }
  return until === null ? t`since ${day(since)}` : `${day(since)} – ${day(until)}`;
}
