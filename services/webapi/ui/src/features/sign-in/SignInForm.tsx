import { useLingui } from "@lingui/react/macro";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { meQuery, signIn } from "@/api/session";
import type { Me } from "@/api/types";
import { Button, PasswordField, TextField } from "@/design/controls";
import { useProblemWords } from "@/shell/ProblemPanel";
import css from "./sign-in.module.css";

export function SignInForm({ onSignedIn }: { onSignedIn?: () => void }) {
  const { t } = useLingui();
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const entering = useMutation({
    mutationFn: () => signIn(name, password),
    onSuccess: (me: Me) => {
      queries.setQueryData(meQuery.queryKey, me);
      onSignedIn?.();
    },
  });
  return (
    <form
      className={css.form}
      onSubmit={(event) => {
        event.preventDefault();
        entering.mutate();
      }}
    >
      {entering.error === null ? null : <Refusal error={entering.error} />}
      <TextField
        label={t`Name`}
        value={name}
        onChange={setName}
        autoComplete="username"
        required
        autoFocus
      />
      <PasswordField
        label={t`Password`}
        value={password}
        onChange={setPassword}
        autoComplete="current-password"
        required
      />
      <Button submit look="main" wide busy={entering.isPending}>
        {t`Sign in`}
      </Button>
    </form>
  );
}

export function Refusal({ error }: { error: Error }) {
  const { title, remedy } = useProblemWords()(error);
  return (
    <div className={css.refusal} role="alert">
      <strong>{title}</strong> {remedy}
    </div>
  );
}
