import { useQuery } from "@tanstack/react-query";
import { meQuery } from "@/api/session";
import type { Me } from "@/api/types";

export type Permission = Me["permissions"][number];

/** Say what the reader's role allows, by the names of the API. */
export function useMay(): (permission: Permission) => boolean {
  const me = useQuery({ ...meQuery, enabled: false }).data;
  return (permission) => me?.permissions.includes(permission) === true;
}
