import { queryOptions } from "@tanstack/react-query";
import { answered, api } from "@/api/client";
import type { Role, User } from "@/api/types";

export const usersQuery = queryOptions({
  queryKey: ["users"],
  queryFn: ({ signal }) => answered(api.GET("/api/v1/users", { signal })),
  staleTime: 10_000,
});

export interface NewUser {
  readonly name: string;
  readonly display_name: string;
  readonly password: string;
  readonly role: Role;
}

/** Add somebody who sees all sites and departments. */
export function addUser(user: NewUser): Promise<User> {
  const branch = { sites: null, departments: null };
  return answered(api.POST("/api/v1/users", { body: { ...user, branch } }));
}

export interface UserChange {
  readonly user: User;
  readonly role?: Role;
  readonly state?: User["state"];
}

/** Change somebody as they were seen; refused where somebody else changed them meanwhile. */
export function changeUser({ user, ...change }: UserChange): Promise<User> {
  return answered(
    api.PATCH("/api/v1/users/{user_id}", {
      params: { path: { user_id: user.user_id } },
      headers: { "If-Match": user.etag },
      body: change,
    }),
  );
}

/** Take the second factor of somebody away who lost device and recovery codes. */
export async function resetFactor(user: User): Promise<void> {
  await answered(
    api.DELETE("/api/v1/users/{user_id}/totp", { params: { path: { user_id: user.user_id } } }),
  );
}
