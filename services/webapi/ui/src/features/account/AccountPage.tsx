import { Trans, useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { meQuery } from "@/api/session";
import { Facts, PageHead, Panel } from "@/design/Page";
import { SettingsTabs } from "@/shell/SettingsTabs";
import css from "./account.module.css";
import { PasswordForm } from "./PasswordForm";
import { SecondFactor } from "./SecondFactor";

/** What everybody looks after for themselves. */
export function AccountPage() {
  const { t } = useLingui();
  const me = useQuery(meQuery).data;
  if (me === undefined) {
    return null;
  }
  return (
    <>
      <PageHead title={t`Your account`}>
        <SettingsTabs />
      </PageHead>
      <div className={css.stack}>
        <Panel title={t`You`}>
          <Facts
            facts={[
              { name: t`Name`, value: me.name },
              { name: t`Your name`, value: me.display_name },
            ]}
          />
        </Panel>
        {me.local ? (
          <>
            <SecondFactor me={me} />
            <Panel title={t`Password`}>
              <PasswordForm />
            </Panel>
          </>
        ) : (
          <Panel title={t`Signing in`}>
            <p>
              <Trans>
                The provider of your organisation signs you in: password and second factor are
                there.
              </Trans>
            </p>
          </Panel>
        )}
      </div>
    </>
  );
}
