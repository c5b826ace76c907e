import { useLingui } from "@lingui/react/macro";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Duplicate } from "@/api/types";
import { Button, TextField } from "@/design/controls";
import { DataTable } from "@/design/DataTable";
import { Dialog } from "@/design/Dialog";
import { Instant, Unknown } from "@/design/Figures";
import { PageHead, Panel } from "@/design/Page";
import { Empty, Skeleton } from "@/design/States";
import { Status } from "@/design/Status";
import { bytesOf, visible } from "@/raw/raw-bytes";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { useMay } from "@/shell/permissions";
import { duplicatesQuery, sayTwoCalls } from "./queries";
import { SuspenseTabs } from "./SuspenseTabs";
import css from "./suspense.module.css";

/** Records that came twice: counted once, kept, and a person may say that they are two calls. */
export function DuplicatesPage() {
  const { t } = useLingui();
  const twice = useQuery(duplicatesQuery);
  const [saying, say] = useState<Duplicate | null>(null);
  return (
    <>
      <PageHead title={t`Came twice`}>
        <SuspenseTabs />
      </PageHead>
      {twice.error === null ? null : (
        <ProblemPanel error={twice.error} onRetry={() => void twice.refetch()} />
      )}
      {twice.isPending ? <Skeleton lines={5} height="1.5rem" /> : null}
      {twice.data === undefined ? null : twice.data.items.length === 0 ? (
        <Empty title={t`Nothing came twice`}>
          <p>{t`A record that is sent again, or heard by two units, stands here and is never charged twice.`}</p>
        </Empty>
      ) : (
        <div className={css.stack}>
          {twice.data.whole ? null : (
            <Status level="warn">{t`There are more; these are the oldest.`}</Status>
          )}
          <Listed found={twice.data.items} onSay={say} />
        </div>
      )}
      <Dialog open={saying !== null} onClose={() => say(null)} title={t`These are two calls`}>
        {saying === null ? null : <SayForm found={saying} onDone={() => say(null)} />}
      </Dialog>
    </>
  );
}

function Listed({
  found,
  onSay,
}: {
  found: readonly Duplicate[];
  onSay: (one: Duplicate) => void;
}) {
  const { t } = useLingui();
  const may = useMay()("suspense.repair");
  return (
    <Panel title={t`Records that came twice, the oldest first`} flush>
      <DataTable
        label={t`Records that came twice, the oldest first`}
        rows={found}
        keyOf={(one) => `${one.stream_id} ${one.incarnation} ${one.seq}`}
        columns={[
          {
            key: "received",
            head: t`Received, UTC`,
            cell: (one) =>
              one.received_at === null ? <Unknown /> : <Instant at={one.received_at} zone="UTC" />,
          },
          {
            key: "pbx",
            head: t`PBX and link`,
            cell: (one) => (
              <>
                {one.pbx.name ?? one.pbx.uid}
                {one.link_uid === null ? null : <span className={css.aside}>{one.link_uid}</span>}
              </>
            ),
          },
          {
            key: "raw",
            head: t`Record`,
            cell: (one) => (
              <code className={css.raw} dir="ltr">
                {visible(bytesOf(one.raw))}
              </code>
            ),
          },
          {
            key: "state",
            head: t`State`,
            cell: (one) =>
              one.state === "two_calls" ? (
                <Status level="ok">{t`two calls`}</Status>
              ) : (
                <Status level="off">{t`counted once`}</Status>
              ),
          },
          {
            key: "act",
            head: t`Action`,
            end: true,
            cell: (one) =>
              one.state === "two_calls" || !may ? null : (
                <Button look="quiet" onPress={() => onSay(one)}>
                  {t`These are two calls`}
                </Button>
              ),
          },
        ]}
      />
    </Panel>
  );
}

function SayForm({ found, onDone }: { found: Duplicate; onDone: () => void }) {
  const { t } = useLingui();
  const queries = useQueryClient();
  const [why, setWhy] = useState("");
  const saying = useMutation({
    mutationFn: () => sayTwoCalls(found, why),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: duplicatesQuery.queryKey });
      onDone();
    },
  });
  return (
    <form
      className={css.form}
      onSubmit={(event) => {
        event.preventDefault();
        saying.mutate();
      }}
    >
      {saying.error === null ? null : <ProblemPanel error={saying.error} />}
      <p>{t`A second call is made of this record, alone: it is joined with no other leg, and priced. This cannot be taken back.`}</p>
      <code className={css.whole} dir="ltr">
        {visible(bytesOf(found.raw))}
      </code>
      <TextField
        label={t`Why`}
        hint={t`Kept in the audit trail.`}
        value={why}
        onChange={setWhy}
        required
        autoComplete="off"
      />
      <Button submit look="main" wide busy={saying.isPending} disabled={why.trim() === ""}>
        {t`Make a second call`}
      </Button>
    </form>
  );
}
