import { useLingui } from "@lingui/react/macro";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { finishSignIn, meQuery, signIn } from "@/api/session";
import type { Challenge, Me } from "@/api/types";
import { Button, PasswordField, TextField } from "@/design/controls";
import { useProblemWords } from "@/shell/ProblemPanel";
import css from "./sign-in.module.css";

export function SignInForm({ onSignedIn }: { onSignedIn?: () => void }) {
  const { t } = useLingui();
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [owed, setOwed] = useState<Challenge | null>(null);
  const entered = (me: Me) => {
    queries.setQueryData(meQuery.queryKey, me);
    onSignedIn?.();
  };
  const entering = useMutation({
    mutationFn: () => signIn(name, password),
    onSuccess: (found) => ("challenge" in found ? setOwed(found) : entered(found)),
  });
  if (owed !== null) {
    return (
      <CodeForm
        owed={owed}
        onEntered={entered}
        onBack={() => {
          setOwed(null);
          setPassword("");
        }}
      />
    );
  }
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

function CodeForm({
  owed,
  onEntered,
  onBack,
}: {
  owed: Challenge;
  onEntered: (me: Me) => void;
  onBack: () => void;
}) {
  const { t } = useLingui();
  const [code, setCode] = useState("");
  const finishing = useMutation({
    mutationFn: () => finishSignIn(owed.challenge, code),
    onSuccess: onEntered,
    onError: () => setCode(""),
  });
  return (
    <form
      className={css.form}
      onSubmit={(event) => {
        event.preventDefault();
        finishing.mutate();
      }}
    >
      {finishing.error === null ? null : <Refusal error={finishing.error} />}
      <TextField
        label={t`Code of your device`}
        hint={t`Six digits, or one of your recovery codes.`}
        value={code}
        onChange={setCode}
        autoComplete="one-time-code"
        required
        autoFocus
      />
      <Button submit look="main" wide busy={finishing.isPending}>
        {t`Sign in`}
      </Button>
      <Button look="quiet" wide onPress={onBack}>
        {t`Back`}
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
