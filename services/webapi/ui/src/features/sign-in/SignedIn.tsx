/** Shows the page to who is signed in, the sign-in form to everybody else. */
import { useLingui } from "@lingui/react/macro";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Problem } from "@/api/problems";
import { meQuery } from "@/api/session";
import type { Me } from "@/api/types";
import { Dialog } from "@/design/Dialog";
import { Skeleton } from "@/design/States";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { Entrance } from "./Entrance";
import { ProviderButton } from "./ProviderButton";
import { SignInForm } from "./SignInForm";
import { SignInPage } from "./SignInPage";

export function SignedIn({ children }: { children: (me: Me) => ReactNode }) {
  const { t } = useLingui();
  const queries = useQueryClient();
  const me = useQuery(meQuery);
  const signedOut = me.error instanceof Problem && me.error.status === 401;
  if (me.data === undefined) {
    if (signedOut) {
      return <SignInPage />;
    }
    return (
      <Entrance>
        {me.error === null ? (
          <Skeleton lines={4} height="2rem" />
        ) : (
          <ProblemPanel error={me.error} onRetry={() => void me.refetch()} />
        )}
      </Entrance>
    );
  }
  return (
    <>
      {children(me.data)}
      <Dialog open={signedOut} title={t`Sign in again`}>
        <ProviderButton />
        <SignInForm onSignedIn={() => void queries.invalidateQueries()} />
      </Dialog>
    </>
  );
}
