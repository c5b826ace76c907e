import { useLingui } from "@lingui/react/macro";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Button, PasswordField } from "@/design/controls";
import { Status } from "@/design/Status";
import { ProblemPanel } from "@/shell/ProblemPanel";
import css from "./account.module.css";
import { changePassword } from "./queries";

const PASSWORD_LETTERS_MIN = 12;

export function PasswordForm() {
  const { t } = useLingui();
  const [old, setOld] = useState("");
  const [fresh, setFresh] = useState("");
  const changing = useMutation({
    mutationFn: () => changePassword(old, fresh),
    onSuccess: () => {
      setOld("");
      setFresh("");
    },
  });
  return (
    <form
      className={css.form}
      onSubmit={(event) => {
        event.preventDefault();
        changing.mutate();
      }}
    >
      {changing.error === null ? null : <ProblemPanel error={changing.error} />}
      <PasswordField
        label={t`Your password now`}
        value={old}
        onChange={setOld}
        autoComplete="current-password"
        required
      />
      <PasswordField
        label={t`Your new password`}
        hint={t`At least ${PASSWORD_LETTERS_MIN} letters; a sentence is best.`}
        value={fresh}
        onChange={setFresh}
        autoComplete="new-password"
        required
      />
      <div className={css.actions}>
        <Button
          submit
          look="main"
          busy={changing.isPending}
          disabled={old === "" || fresh.length < PASSWORD_LETTERS_MIN}
        >
          {t`Change the password`}
        </Button>
        <div role="status" className={css.told}>
          {changing.isSuccess ? (
            <Status level="ok">{t`Changed. Your other sessions have ended.`}</Status>
          ) : null}
        </div>
      </div>
    </form>
  );
}
