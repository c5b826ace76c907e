import { Trans, useLingui } from "@lingui/react/macro";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { meQuery, welcome } from "@/api/session";
import { Button, PasswordField, TextField } from "@/design/controls";
import { Entrance } from "./Entrance";
import { Refusal } from "./SignInForm";
import css from "./sign-in.module.css";

const PASSWORD_LETTERS_MIN = 12;

/** The first account, by the link of the first start. */
export function WelcomePage() {
  const { t } = useLingui();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [token] = useState(tokenOfAddress);
  const [name, setName] = useState("");
  const [fullName, setFullName] = useState("");
  const [password, setPassword] = useState("");
  useEffect(() => {
    document.title = `${t`Welcome`} · Bluewhale`;
  });
  useEffect(() => {
    // The token must not stay in the address: it would be in the history and in bookmarks.
    window.history.replaceState(null, "", "/welcome");
  }, []);
  const making = useMutation({
    mutationFn: () => welcome({ token, name, display_name: fullName, password }),
    onSuccess: (me) => {
      queries.setQueryData(meQuery.queryKey, me);
      void navigate({ to: "/" });
    },
  });
  return (
    <Entrance title={t`Welcome`}>
      <p>
        <Trans>Make the first account. It is the owner's: it may see and change everything.</Trans>
      </p>
      <form
        className={css.form}
        onSubmit={(event) => {
          event.preventDefault();
          making.mutate();
        }}
      >
        {making.error === null ? null : <Refusal error={making.error} />}
        <TextField
          label={t`Name`}
          value={name}
          onChange={setName}
          autoComplete="username"
          hint={t`You sign in with it.`}
          required
          autoFocus
        />
        <TextField
          label={t`Your name`}
          hint={t`As others see it; it may stay empty.`}
          value={fullName}
          onChange={setFullName}
          autoComplete="name"
        />
        <PasswordField
          label={t`Password`}
          hint={t`At least ${PASSWORD_LETTERS_MIN} letters; a sentence is best.`}
          value={password}
          onChange={setPassword}
          autoComplete="new-password"
          required
        />
        <Button
          submit
          look="main"
          wide
          busy={making.isPending}
          disabled={name.trim() === "" || password.length < PASSWORD_LETTERS_MIN}
        >
          {t`Make the account`}
        </Button>
      </form>
    </Entrance>
  );
}

function tokenOfAddress(): string {
  return new URLSearchParams(window.location.search).get("token") ?? "";
}
