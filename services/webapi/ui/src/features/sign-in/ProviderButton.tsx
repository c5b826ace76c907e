import { useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { Problem } from "@/api/problems";
import { sessionQuery } from "@/api/session";
import { keepPlace } from "@/shell/place";
import { Refusal } from "./SignInForm";
import css from "./sign-in.module.css";

/** Sign-in by the provider of the organisation, where one is configured. */
export function ProviderButton() {
  const { t } = useLingui();
  const provider = useQuery(sessionQuery).data?.provider ?? null;
  const refused = new URLSearchParams(window.location.search).get("problem");
  if (provider === null) {
    return null;
  }
  return (
    <>
      {refused === null ? null : (
        <Refusal error={new Problem({ title: refused, status: 403, code: refused })} />
      )}
      <a className={css.provider} href="/api/v1/session/oidc" onClick={keepPlace}>
        {t`Sign in with ${provider}`}
      </a>
      <p className={css.or}>{t`or with a name of this installation`}</p>
    </>
  );
}
