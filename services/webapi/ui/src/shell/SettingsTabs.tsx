/** The parts of the settings that the reader may see. */
import { useLingui } from "@lingui/react/macro";
import { Navigate } from "@tanstack/react-router";
import { type Permission, useMay } from "./permissions";
import { type TabEntry, Tabs } from "./Tabs";

function useSettings(): readonly TabEntry[] {
  const { t } = useLingui();
  const may = useMay();
  const parts: readonly (TabEntry & { readonly needs: Permission })[] = [
    { to: "/settings/me", word: t`Your account`, needs: "self" },
    { to: "/settings/people", word: t`People`, needs: "users.manage" },
    { to: "/settings/keys", word: t`Keys of programs`, needs: "users.manage" },
    { to: "/settings/audit", word: t`Audit trail`, needs: "audit.see" },
  ];
  return parts.filter((part) => may(part.needs));
}

export function SettingsTabs() {
  const { t } = useLingui();
  return <Tabs label={t`Settings`} entries={useSettings()} />;
}

/** Stands at `/settings`: leads to the first part that there is for the reader. */
export function FirstSetting() {
  const first = useSettings()[0];
  return <Navigate to={first?.to ?? "/"} replace />;
}
