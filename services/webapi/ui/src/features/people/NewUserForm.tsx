import { useLingui } from "@lingui/react/macro";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Role } from "@/api/types";
import { Button, PasswordField, SelectField, TextField } from "@/design/controls";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { useRoles } from "@/shell/roles";
import css from "./people.module.css";
import { addUser, usersQuery } from "./queries";

export function NewUserForm({ onDone }: { onDone: () => void }) {
  const { t } = useLingui();
  const queries = useQueryClient();
  const roles = useRoles();
  const [name, setName] = useState("");
  const [fullName, setFullName] = useState("");
  const [password, setPassword] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const adding = useMutation({
    mutationFn: () => addUser({ name, display_name: fullName, password, role }),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: usersQuery.queryKey });
      onDone();
    },
  });
  return (
    <form
      className={css.form}
      onSubmit={(event) => {
        event.preventDefault();
        adding.mutate();
      }}
    >
      {adding.error === null ? null : <ProblemPanel error={adding.error} />}
      <TextField label={t`Name`} value={name} onChange={setName} autoComplete="off" required />
      <TextField label={t`Their name`} value={fullName} onChange={setFullName} autoComplete="off" />
      <PasswordField
        label={t`First password`}
        value={password}
        onChange={setPassword}
        autoComplete="new-password"
        required
      />
      <SelectField
        label={t`Role`}
        value={role}
        choices={roles}
        onChange={(next) => setRole(next as Role)}
      />
      <Button submit look="main" wide busy={adding.isPending}>
        {t`Add`}
      </Button>
    </form>
  );
}
