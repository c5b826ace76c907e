import { useLingui } from "@lingui/react/macro";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { meQuery } from "@/api/session";
import type { Role, User } from "@/api/types";
import { Button, SelectField } from "@/design/controls";
import { DataTable } from "@/design/DataTable";
import { Dialog } from "@/design/Dialog";
import { Instant, Unknown } from "@/design/Figures";
import { zoneOf } from "@/design/format";
import { AddIcon } from "@/design/icons";
import { PageHead, Panel } from "@/design/Page";
import { Skeleton } from "@/design/States";
import { Status } from "@/design/Status";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { NewUserForm } from "./NewUserForm";
import { changeUser, usersQuery } from "./queries";
import { useRoles } from "./roles";

export function PeoplePage() {
  const { t } = useLingui();
  const users = useQuery(usersQuery);
  const [adding, setAdding] = useState(false);
  return (
    <>
      <PageHead
        title={t`People`}
        aside={
          <Button look="main" icon={AddIcon} onPress={() => setAdding(true)}>
            {t`Add somebody`}
          </Button>
        }
      />
      {users.error === null ? null : (
        <ProblemPanel error={users.error} onRetry={() => void users.refetch()} />
      )}
      {users.isPending ? <Skeleton lines={4} height="1.5rem" /> : null}
      {users.data === undefined ? null : <Users users={users.data.items} />}
      <Dialog open={adding} onClose={() => setAdding(false)} title={t`Add somebody`}>
        <NewUserForm onDone={() => setAdding(false)} />
      </Dialog>
    </>
  );
}

function Users({ users }: { users: readonly User[] }) {
  const { t } = useLingui();
  const roles = useRoles();
  const queries = useQueryClient();
  const me = useQuery(meQuery).data;
  const changing = useMutation({
    mutationFn: changeUser,
    onSettled: () => queries.invalidateQueries({ queryKey: usersQuery.queryKey }),
  });
  const own = (user: User) => user.user_id === me?.user_id;
  return (
    <Panel title={t`Accounts`} flush>
      {changing.error === null ? null : <ProblemPanel error={changing.error} />}
      <DataTable
        label={t`Accounts`}
        rows={users}
        keyOf={(user) => user.user_id}
        columns={[
          { key: "name", head: t`Name`, cell: (user) => user.name },
          { key: "full", head: t`Their name`, cell: (user) => user.display_name },
          {
            key: "role",
            head: t`Role`,
            cell: (user) =>
              own(user) ? (
                roles.find((role) => role.value === user.role)?.label
              ) : (
                <SelectField
                  label={t`Role of ${user.name}`}
                  hidden
                  value={user.role}
                  choices={roles}
                  onChange={(role) => changing.mutate({ userId: user.user_id, role: role as Role })}
                />
              ),
          },
          {
            key: "state",
            head: t`State`,
            cell: (user) =>
              user.state === "active" ? (
                <Status level="ok">{t`may sign in`}</Status>
              ) : (
                <Status level="off">{t`switched off`}</Status>
              ),
          },
          {
            key: "seen",
            head: t`Last seen`,
            cell: (user) =>
              user.last_seen_at === null ? (
                <Unknown />
              ) : (
                <Instant at={user.last_seen_at} zone={zoneOf("me", null)} />
              ),
          },
          {
            key: "act",
            head: t`Action`,
            end: true,
            cell: (user) =>
              own(user) ? null : (
                <Button
                  look="quiet"
                  onPress={() =>
                    changing.mutate({
                      userId: user.user_id,
                      state: user.state === "active" ? "disabled" : "active",
                    })
                  }
                >
                  {user.state === "active" ? t`Switch off` : t`Switch on`}
                </Button>
              ),
          },
        ]}
      />
    </Panel>
  );
}
