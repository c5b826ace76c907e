import { Trans, useLingui } from "@lingui/react/macro";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import type { AuditEntry, Chain } from "@/api/types";
import { Button, TextField } from "@/design/controls";
import { DataTable } from "@/design/DataTable";
import { Instant, Unknown } from "@/design/Figures";
import { zoneOf } from "@/design/format";
import { useFormats } from "@/design/formats";
import { PageHead, Panel } from "@/design/Page";
import { Empty, Skeleton } from "@/design/States";
import { Status } from "@/design/Status";
import type { RawSearch } from "@/scope/use-scope";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { SettingsTabs } from "@/shell/SettingsTabs";
import css from "./audit.module.css";
import { auditQuery } from "./queries";
import { useActions } from "./words";

const TYPED_MS = 300;

/** Who did what, and whether the trail is as it was written. */
export function AuditPage() {
  const { t } = useLingui();
  const search = useSearch({ strict: false }) as RawSearch;
  const wanted = { who: read(search.who), text: read(search.about) };
  const trail = useInfiniteQuery(auditQuery(wanted));
  const entries = trail.data?.pages.flatMap((page) => page.items) ?? [];
  const chain = trail.data?.pages[0]?.chain;
  return (
    <>
      <PageHead title={t`Audit trail`}>
        <SettingsTabs />
        {chain === undefined ? null : <ChainLine chain={chain} />}
        <Filter who={wanted.who} about={wanted.text} />
      </PageHead>
      {trail.error === null ? null : (
        <ProblemPanel error={trail.error} onRetry={() => void trail.refetch()} />
      )}
      {trail.isPending ? <Skeleton lines={8} height="1.5rem" /> : null}
      {trail.data === undefined ? null : entries.length === 0 ? (
        <Empty title={t`No entry matches`}>
          <p>{t`Take a word away.`}</p>
        </Empty>
      ) : (
        <Panel title={t`Entries, the newest first`} flush>
          <Entries entries={entries} />
          {trail.hasNextPage ? (
            <div className={css.more}>
              <Button busy={trail.isFetchingNextPage} onPress={() => void trail.fetchNextPage()}>
                {t`Older entries`}
              </Button>
            </div>
          ) : null}
        </Panel>
      )}
    </>
  );
}

function read(value: string | undefined): string {
  try {
    return decodeURIComponent(value ?? "");
  } catch {
    return value ?? "";
  }
}

function ChainLine({ chain }: { chain: Chain }) {
  const { count } = useFormats();
  const entries = count(chain.entries);
  return chain.unbroken ? (
    <p>
      <Status level="ok">
        <Trans>{entries} entries, unbroken</Trans>
      </Status>
    </p>
  ) : (
    <p role="alert">
      <Status level="bad">
        <Trans>
          The trail was changed from outside: entry {count(chain.broken_at ?? 0)} of {entries} is
          not as it was written.
        </Trans>
      </Status>
    </p>
  );
}

/** Words are kept in the address a moment after typing, so that the view can be shared. */
function Filter({ who, about }: { who: string; about: string }) {
  const { t } = useLingui();
  const navigate = useNavigate();
  const [typed, setTyped] = useState({ who, about });
  useEffect(() => {
    const waiting = window.setTimeout(() => {
      if (typed.who !== who || typed.about !== about) {
        const search = {
          who: encodeURIComponent(typed.who),
          about: encodeURIComponent(typed.about),
        };
        void navigate({ to: ".", search, replace: true });
      }
    }, TYPED_MS);
    return () => window.clearTimeout(waiting);
  }, [typed, who, about, navigate]);
  return (
    <search className={css.filter}>
      <TextField
        label={t`Who`}
        value={typed.who}
        onChange={(next) => setTyped({ ...typed, who: next })}
        autoComplete="off"
      />
      <TextField
        label={t`What`}
        value={typed.about}
        onChange={(next) => setTyped({ ...typed, about: next })}
        autoComplete="off"
        placeholder={t`Part of an action, of what, or of the detail`}
      />
    </search>
  );
}

function Entries({ entries }: { entries: readonly AuditEntry[] }) {
  const { t } = useLingui();
  const said = useActions();
  return (
    <DataTable
      label={t`Entries, the newest first`}
      rows={entries}
      keyOf={(entry) => String(entry.position)}
      columns={[
        {
          key: "at",
          head: t`When`,
          cell: (entry) =>
            entry.at === null ? <Unknown /> : <Instant at={entry.at} zone={zoneOf("me", null)} />,
        },
        { key: "who", head: t`Who`, cell: (entry) => entry.who },
        {
          key: "action",
          head: t`Action`,
          cell: (entry) => <span title={entry.action}>{said(entry.action)}</span>,
        },
        { key: "subject", head: t`Of what`, cell: (entry) => entry.subject },
        {
          key: "detail",
          head: t`Detail`,
          cell: (entry) =>
            entry.detail === "" ? null : <span className={css.detail}>{entry.detail}</span>,
        },
      ]}
    />
  );
}
