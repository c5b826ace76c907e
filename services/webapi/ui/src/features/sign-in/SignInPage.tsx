import { Trans, useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { sessionQuery } from "@/api/session";
import { Entrance } from "./Entrance";
import { ProviderButton } from "./ProviderButton";
import { SignInForm } from "./SignInForm";
import css from "./sign-in.module.css";

/** Stands at whatever address was asked for, so that signing in leads there. */
export function SignInPage() {
  const { t } = useLingui();
  const session = useQuery(sessionQuery);
  useEffect(() => {
    document.title = `${t`Sign in`} · Bluewhale`;
  });
  if (session.data?.first_start === true) {
    return (
      <Entrance title={t`Nobody has an account yet`}>
        <p>
          <Trans>
            Open the link that the server printed when it started. It works once and makes the first
            account, the owner's.
          </Trans>
        </p>
        <p className={css.hint}>
          <Trans>
            Lost it? Restart the server: it prints a new one as long as there is no owner.
          </Trans>
        </p>
      </Entrance>
    );
  }
  return (
    <Entrance title={t`Sign in`}>
      <ProviderButton />
      <SignInForm />
    </Entrance>
  );
}
