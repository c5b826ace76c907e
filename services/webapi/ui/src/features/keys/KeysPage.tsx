import { useLingui } from "@lingui/react/macro";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Key } from "@/api/types";
import { Button } from "@/design/controls";
import { DataTable } from "@/design/DataTable";
import { Dialog } from "@/design/Dialog";
import { Instant, Unknown } from "@/design/Figures";
import { zoneOf } from "@/design/format";
import { AddIcon } from "@/design/icons";
import { PageHead, Panel } from "@/design/Page";
import { Empty, Skeleton } from "@/design/States";
import { Status } from "@/design/Status";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { useRoles } from "@/shell/roles";
import { SettingsTabs } from "@/shell/SettingsTabs";
import css from "./keys.module.css";
import { NewKeyForm } from "./NewKeyForm";
import { endKey, keysQuery, stateOf } from "./queries";

/** Programs that ask the API: what each may, until when, and when it last did. */
export function KeysPage() {
  const { t } = useLingui();
  const keys = useQuery(keysQuery);
  const [making, setMaking] = useState(false);
  const [ending, setEnding] = useState<Key | null>(null);
  return (
    <>
      <PageHead
        title={t`Keys of programs`}
        aside={
          <Button look="main" icon={AddIcon} onPress={() => setMaking(true)}>
            {t`Make a key`}
          </Button>
        }
      >
        <SettingsTabs />
      </PageHead>
      {keys.error === null ? null : (
        <ProblemPanel error={keys.error} onRetry={() => void keys.refetch()} />
      )}
      {keys.isPending ? <Skeleton lines={4} height="1.5rem" /> : null}
      {keys.data === undefined ? null : keys.data.items.length === 0 ? (
        <Empty title={t`No program has a key`}>
          <p>{t`A key lets a program ask the API within a role, until a day.`}</p>
        </Empty>
      ) : (
        <Listed keys={keys.data.items} onEnd={setEnding} />
      )}
      <Dialog open={making} onClose={() => setMaking(false)} title={t`Make a key`}>
        <NewKeyForm onDone={() => setMaking(false)} />
      </Dialog>
      <Dialog open={ending !== null} onClose={() => setEnding(null)} title={t`End a key`}>
        {ending === null ? null : <Ending found={ending} onDone={() => setEnding(null)} />}
      </Dialog>
    </>
  );
}

function Ending({ found, onDone }: { found: Key; onDone: () => void }) {
  const { t } = useLingui();
  const queries = useQueryClient();
  const ending = useMutation({
    mutationFn: () => endKey(found),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: keysQuery.queryKey });
      onDone();
    },
  });
  return (
    <div className={css.form}>
      {ending.error === null ? null : <ProblemPanel error={ending.error} />}
      <p>{t`The program that uses ${found.name} is refused from now on. This cannot be undone: it needs a new key.`}</p>
      <div className={css.buttons}>
        <Button look="danger" busy={ending.isPending} onPress={() => ending.mutate()}>
          {t`End the key`}
        </Button>
        <Button onPress={onDone}>{t`Keep it`}</Button>
      </div>
    </div>
  );
}

function Listed({ keys, onEnd }: { keys: readonly Key[]; onEnd: (key: Key) => void }) {
  const { t } = useLingui();
  const roles = useRoles();
  const now = Date.now();
  const instant = (at: string | null) =>
    at === null ? <Unknown /> : <Instant at={at} zone={zoneOf("me", null)} />;
  return (
    <Panel title={t`Keys, the newest first`} flush>
      <DataTable
        label={t`Keys, the newest first`}
        rows={keys}
        keyOf={(key) => key.key_id}
        columns={[
          { key: "name", head: t`What for`, cell: (key) => key.name },
          {
            key: "role",
            head: t`Role`,
            cell: (key) => roles.find((role) => role.value === key.role)?.label ?? key.role,
          },
          {
            key: "sites",
            head: t`Sites`,
            cell: (key) => key.branch.sites?.join(", ") ?? t`all`,
          },
          {
            key: "state",
            head: t`State`,
            cell: (key) => <KeyState found={key} now={now} />,
          },
          {
            key: "until",
            head: t`Holds until`,
            cell: (key) => <Instant at={key.expires_at} zone={zoneOf("me", null)} style="day" />,
          },
          { key: "used", head: t`Last used`, cell: (key) => instant(key.used_at) },
          { key: "by", head: t`Made by`, cell: (key) => key.created_by },
          {
            key: "act",
            head: t`Action`,
            end: true,
            cell: (key) =>
              stateOf(key, now) === "holds" ? (
                <Button look="quiet" onPress={() => onEnd(key)}>
                  {t`End it`}
                </Button>
              ) : null,
          },
        ]}
      />
    </Panel>
  );
}

function KeyState({ found, now }: { found: Key; now: number }) {
  const { t } = useLingui();
  switch (stateOf(found, now)) {
    case "holds":
      return <Status level="ok">{t`holds`}</Status>;
    case "run out":
      return <Status level="warn">{t`has run out`}</Status>;
    case "ended":
      return <Status level="off">{t`ended`}</Status>;
  }
}
