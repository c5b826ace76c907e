import { useLingui } from "@lingui/react/macro";
import type { Role } from "@/api/types";

/** The roles, the weakest first, in the reader's language. */
export function useRoles(): readonly { readonly value: Role; readonly label: string }[] {
  const { t } = useLingui();
  return [
    { value: "viewer", label: t`Viewer: calls without numbers` },
    { value: "analyst", label: t`Analyst: reports and exports too` },
    { value: "finance", label: t`Finance: price lists too` },
    { value: "telecom_admin", label: t`Telecom admin: numbers, raw records, suspense` },
    { value: "security", label: t`Security: sees everything, changes nothing` },
    { value: "owner", label: t`Owner: everything` },
  ];
}
