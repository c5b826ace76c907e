import { Trans, useLingui } from "@lingui/react/macro";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { meQuery } from "@/api/session";
import type { Me, Offered } from "@/api/types";
import { Button, PasswordField, TextField } from "@/design/controls";
import { Dialog } from "@/design/Dialog";
import { Panel } from "@/design/Page";
import { Status } from "@/design/Status";
import { ProblemPanel } from "@/shell/ProblemPanel";
import css from "./account.module.css";
import { QrCode } from "./QrCode";
import { confirmFactor, offerFactor, removeFactor } from "./queries";

export function SecondFactor({ me }: { me: Me }) {
  const { t } = useLingui();
  const [open, setOpen] = useState<"set up" | "take away" | null>(null);
  const left = me.recovery_left;
  return (
    <Panel title={t`Second factor`}>
      <div className={css.form}>
        {me.two_factors ? (
          <p>
            <Status level="ok">{t`A code of your device is asked for.`}</Status>{" "}
            <Trans>{left} recovery codes are left.</Trans>
          </p>
        ) : (
          <p>
            <Trans>
              With a second factor your password alone opens nothing: an app on your phone shows a
              code that is asked for at sign-in.
            </Trans>
          </p>
        )}
        <div className={css.actions}>
          <Button look={me.two_factors ? "plain" : "main"} onPress={() => setOpen("set up")}>
            {me.two_factors ? t`Set up another device` : t`Set up`}
          </Button>
          {me.two_factors ? (
            <Button look="danger" onPress={() => setOpen("take away")}>
              {t`Take away`}
            </Button>
          ) : null}
        </div>
      </div>
      <Dialog
        open={open === "set up"}
        onClose={() => setOpen(null)}
        title={t`Set up a second factor`}
      >
        <Enrolment onDone={() => setOpen(null)} />
      </Dialog>
      <Dialog
        open={open === "take away"}
        onClose={() => setOpen(null)}
        title={t`Take the second factor away`}
      >
        <Removal onDone={() => setOpen(null)} />
      </Dialog>
    </Panel>
  );
}

/** Password, then the picture and a code, then the recovery codes. */
function Enrolment({ onDone }: { onDone: () => void }) {
  const { t } = useLingui();
  const queries = useQueryClient();
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const offering = useMutation({ mutationFn: () => offerFactor(password) });
  const confirming = useMutation({
    mutationFn: () => confirmFactor(code),
    onSuccess: () => queries.invalidateQueries({ queryKey: meQuery.queryKey }),
    onError: () => setCode(""),
  });
  if (confirming.data !== undefined) {
    return <RecoveryCodes codes={confirming.data} onDone={onDone} />;
  }
  const offered = offering.data;
  const error = offered === undefined ? offering.error : confirming.error;
  return (
    <form
      className={css.form}
      onSubmit={(event) => {
        event.preventDefault();
        if (offered === undefined) {
          offering.mutate();
        } else {
          confirming.mutate();
        }
      }}
    >
      {error === null ? null : <ProblemPanel error={error} />}
      {offered === undefined ? (
        <PasswordField
          label={t`Your password`}
          value={password}
          onChange={setPassword}
          autoComplete="current-password"
          required
          autoFocus
        />
      ) : (
        <>
          <Offer offered={offered} />
          <TextField
            label={t`Code that the app shows`}
            value={code}
            onChange={setCode}
            autoComplete="one-time-code"
            inputMode="numeric"
            required
            autoFocus
          />
        </>
      )}
      <Button submit look="main" wide busy={offering.isPending || confirming.isPending}>
        {offered === undefined ? t`Go on` : t`Confirm`}
      </Button>
    </form>
  );
}

function Offer({ offered }: { offered: Offered }) {
  const { t } = useLingui();
  return (
    <>
      <p>
        <Trans>Scan this with an authenticator app. It is shown only now.</Trans>
      </p>
      <QrCode text={offered.uri} label={t`Picture with the secret for your app`} />
      <p>
        <Trans>Or type it:</Trans> <code className={css.secret}>{offered.secret}</code>
      </p>
    </>
  );
}

function RecoveryCodes({ codes, onDone }: { codes: readonly string[]; onDone: () => void }) {
  const { t } = useLingui();
  return (
    <div className={css.form}>
      <p>
        <Trans>
          The second factor is on. Keep these recovery codes apart from your device: each opens your
          account once when the device is lost. They are shown only now.
        </Trans>
      </p>
      <ul className={css.codes}>
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ul>
      <Button look="main" wide onPress={onDone}>
        {t`I have kept them`}
      </Button>
    </div>
  );
}

function Removal({ onDone }: { onDone: () => void }) {
  const { t } = useLingui();
  const queries = useQueryClient();
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const removing = useMutation({
    mutationFn: () => removeFactor(password, code),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: meQuery.queryKey });
      onDone();
    },
    onError: () => setCode(""),
  });
  return (
    <form
      className={css.form}
      onSubmit={(event) => {
        event.preventDefault();
        removing.mutate();
      }}
    >
      {removing.error === null ? null : <ProblemPanel error={removing.error} />}
      <PasswordField
        label={t`Your password`}
        value={password}
        onChange={setPassword}
        autoComplete="current-password"
        required
        autoFocus
      />
      <TextField
        label={t`Code of your device`}
        hint={t`Six digits, or one of your recovery codes.`}
        value={code}
        onChange={setCode}
        autoComplete="one-time-code"
        required
      />
      <Button submit look="danger" wide busy={removing.isPending}>
        {t`Take away`}
      </Button>
    </form>
  );
}
