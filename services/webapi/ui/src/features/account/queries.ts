import { answered, api } from "@/api/client";
import type { Offered } from "@/api/types";

export async function changePassword(old: string, fresh: string): Promise<void> {
  await answered(api.PUT("/api/v1/me/password", { body: { old, new: fresh } }));
}

/** Begin to set a second factor up; its secret is in this answer and nowhere else. */
export function offerFactor(password: string): Promise<Offered> {
  return answered(api.POST("/api/v1/me/totp", { body: { password } }));
}

/** Confirm it with a code; gives the recovery codes, which nothing shows again. */
export async function confirmFactor(code: string): Promise<readonly string[]> {
  const { recovery_codes } = await answered(api.PUT("/api/v1/me/totp", { body: { code } }));
  return recovery_codes;
}

export async function removeFactor(password: string, code: string): Promise<void> {
  await answered(api.POST("/api/v1/me/totp/removal", { body: { password, code } }));
}
