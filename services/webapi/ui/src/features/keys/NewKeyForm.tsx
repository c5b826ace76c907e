import { useLingui } from "@lingui/react/macro";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { choicesQuery } from "@/api/session";
import { Copy } from "@/design/Copy";
import { Button, SelectField, TextField } from "@/design/controls";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { useRoles } from "@/shell/roles";
import css from "./keys.module.css";
import { type KeyRole, keysQuery, makeKey } from "./queries";

const DAYS = ["30", "90", "180", "366"];

/** Asks what the key is for and shows its token, once. */
export function NewKeyForm({ onDone }: { onDone: () => void }) {
  const { t } = useLingui();
  const queries = useQueryClient();
  const roles = useRoles().filter((role) => role.value !== "owner");
  const sites = useQuery(choicesQuery).data?.sites ?? [];
  const [name, setName] = useState("");
  const [role, setRole] = useState<KeyRole>("analyst");
  const [days, setDays] = useState("90");
  const [site, setSite] = useState("");
  const making = useMutation({
    mutationFn: () =>
      makeKey({ name, role, days: Number(days), sites: site === "" ? null : [site] }),
    onSuccess: () => queries.invalidateQueries({ queryKey: keysQuery.queryKey }),
  });
  if (making.data !== undefined) {
    return (
      <div className={css.form}>
        <p>{t`Copy the token now: it is shown once, and nobody can read it again.`}</p>
        <code className={css.token} dir="ltr">
          {making.data.token}
        </code>
        <div className={css.buttons}>
          <Copy text={making.data.token} />
          <Button look="main" onPress={onDone}>
            {t`I have it`}
          </Button>
        </div>
      </div>
    );
  }
  return (
    <form
      className={css.form}
      onSubmit={(event) => {
        event.preventDefault();
        making.mutate();
      }}
    >
      {making.error === null ? null : <ProblemPanel error={making.error} />}
      <TextField
        label={t`What for`}
        hint={t`Such as: nightly export`}
        value={name}
        onChange={setName}
        autoComplete="off"
        required
      />
      <SelectField
        label={t`Role`}
        value={role}
        choices={roles}
        onChange={(next) => setRole(next as KeyRole)}
      />
      <SelectField
        label={t`Sites`}
        value={site}
        choices={[
          { value: "", label: t`All sites` },
          ...sites.map((one) => ({ value: one.uid, label: one.name ?? one.uid })),
        ]}
        onChange={setSite}
      />
      <SelectField
        label={t`Holds for`}
        value={days}
        choices={DAYS.map((value) => ({ value, label: t`${value} days` }))}
        onChange={setDays}
      />
      <Button submit look="main" wide busy={making.isPending}>
        {t`Make the key`}
      </Button>
    </form>
  );
}
