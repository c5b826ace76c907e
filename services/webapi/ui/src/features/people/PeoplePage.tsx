import { useLingui } from "@lingui/react/macro";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Problem } from "@/api/problems";
import { meQuery } from "@/api/session";
import type { Role, User } from "@/api/types";
import { Button, SelectField } from "@/design/controls";
import { DataTable } from "@/design/DataTable";
import { Dialog } from "@/design/Dialog";
import { Instant, Unknown } from "@/design/Figures";
import { zoneOf } from "@/design/format";
import { AddIcon } from "@/design/icons";
import { Facts, PageHead, Panel } from "@/design/Page";
import { Skeleton } from "@/design/States";
import { Status } from "@/design/Status";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { useRoles } from "@/shell/roles";
import { SettingsTabs } from "@/shell/SettingsTabs";
import { NewUserForm } from "./NewUserForm";
import { changeUser, resetFactor, usersQuery } from "./queries";

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
      >
        <SettingsTabs />
      </PageHead>
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
  const resetting = useMutation({
    mutationFn: resetFactor,
    onSettled: () => queries.invalidateQueries({ queryKey: usersQuery.queryKey }),
  });
  const own = (user: User) => user.user_id === me?.user_id;
  return (
    <Panel title={t`Accounts`} flush>
      {changing.error === null ? null : <Changed error={changing.error} />}
      {resetting.error === null ? null : <ProblemPanel error={resetting.error} />}
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
              // whom a provider signs in gets the role of its groups, anew each time
              own(user) || !user.local ? (
                roles.find((role) => role.value === user.role)?.label
              ) : (
                <SelectField
                  label={t`Role of ${user.name}`}
                  hidden
                  value={user.role}
                  choices={roles}
                  onChange={(role) => changing.mutate({ user, role: role as Role })}
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
            key: "factor",
            head: t`Second factor`,
            cell: (user) =>
              !user.two_factors ? (
                <Status level="off">{t`none`}</Status>
              ) : own(user) ? (
                <Status level="ok">{t`on`}</Status>
              ) : (
                <Button look="quiet" onPress={() => resetting.mutate(user)}>
                  {t`Take away`}
                </Button>
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
                      user,
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

/** A change that was refused; where somebody else was quicker, with what stands now. */
function Changed({ error }: { error: Error }) {
  const { t } = useLingui();
  const roles = useRoles();
  const stands = error instanceof Problem ? (error.params.current as User | undefined) : undefined;
  return (
    <>
      <ProblemPanel error={error} />
      {stands === undefined ? null : (
        <Facts
          facts={[
            { name: t`Name`, value: stands.name },
            {
              name: t`Role`,
              value: roles.find((role) => role.value === stands.role)?.label ?? stands.role,
            },
            {
              name: t`State`,
              value: stands.state === "active" ? t`may sign in` : t`switched off`,
            },
          ]}
        />
      )}
    </>
  );
}
