import { useLingui } from "@lingui/react/macro";
import { Tabs } from "@/shell/Tabs";

export function SuspenseTabs() {
  const { t } = useLingui();
  return (
    <Tabs
      label={t`Suspense`}
      entries={[
        { to: "/suspense", word: t`Waits` },
        { to: "/suspense/twice", word: t`Came twice` },
      ]}
    />
  );
}
