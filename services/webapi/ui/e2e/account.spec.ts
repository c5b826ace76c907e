import { createHmac } from "node:crypto";
import type { Page } from "@playwright/test";
import { enter, expect, expectSound, open, signIn, test } from "./browser";

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** What a device shows (RFC 6238), so many steps of half a minute from now. */
function codeOf(secret: string, steps: number): string {
  const bits = [...secret].map((letter) => BASE32.indexOf(letter).toString(2).padStart(5, "0"));
  const key = Buffer.from(
    bits
      .join("")
      .match(/.{8}/g)
      ?.map((byte) => Number.parseInt(byte, 2)) ?? [],
  );
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const mac = createHmac("sha1", key).update(step).digest();
  const at = (mac.at(-1) ?? 0) & 0xf;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

/** Make somebody as the owner, who then sees all people. */
async function somebody(page: Page, name: string) {
  const who = { name, password: "three whales sing at night" };
  const csrf = await enter(page);
  const made = await page.request.post("/api/v1/users", {
    headers: { "X-CSRF-Token": csrf },
    data: { ...who, display_name: name, role: "viewer" },
  });
  expect(made.status()).toBe(201);
  await page.goto("/settings/people");
  await expect(page.getByLabel(`Role of ${name}`)).toBeVisible();
  return { ...who, id: String((await made.json()).user_id), csrf };
}

test("a second factor is set up with a picture, asked for, and taken away by an owner", async ({
  page,
  browser,
  site,
}, info) => {
  const who = await somebody(page, `tom-${info.project.name}`);
  const context = await browser.newContext({ baseURL: site.url });
  const theirs = await context.newPage();
  await open(theirs, "/settings/me", who);
  await theirs.getByRole("button", { name: "Set up", exact: true }).click();
  const dialog = theirs.getByRole("dialog");
  await dialog.getByLabel("Your password", { exact: true }).fill(who.password);
  await dialog.getByRole("button", { name: "Go on" }).click();
  await expect(dialog.getByRole("img")).toBeVisible();
  await expectSound(theirs, "dialog[open]");
  const secret = (await dialog.locator("code").textContent()) ?? "";
  await dialog.getByLabel("Code that the app shows").fill(codeOf(secret, -1));
  await dialog.getByRole("button", { name: "Confirm" }).click();
  await expect(dialog.getByRole("listitem")).toHaveCount(10);
  await expectSound(theirs, "dialog[open]");
  await dialog.getByRole("button", { name: "I have kept them" }).click();
  await expect(theirs.getByText("A code of your device is asked for.")).toBeVisible();
  await expectSound(theirs);

  await context.clearCookies();
  await theirs.goto("/settings/me");
  await theirs.getByLabel("Name", { exact: true }).fill(who.name);
  await theirs.getByLabel("Password", { exact: true }).fill(who.password);
  await theirs.getByRole("button", { name: "Sign in" }).click();
  const code = theirs.getByLabel("Code of your device");
  await expectSound(theirs);
  await code.fill("000000");
  await theirs.getByRole("button", { name: "Sign in" }).click();
  await expect(theirs.getByRole("alert")).toContainText("This code does not hold.");
  await code.fill(codeOf(secret, 0));
  await theirs.getByRole("button", { name: "Sign in" }).click();
  await expect(theirs.getByRole("heading", { level: 1 })).toHaveText("Your account");
  await context.close();

  await page.reload();
  const row = page.getByRole("row", { name: who.name });
  await row.getByRole("button", { name: "Take away" }).click();
  await expect(row.getByRole("button", { name: "Take away" })).toHaveCount(0);
});

test("one's own password is changed with the old one", async ({ page, browser, site }, info) => {
  const who = await somebody(page, `una-${info.project.name}`);
  const context = await browser.newContext({ baseURL: site.url });
  const theirs = await context.newPage();
  await open(theirs, "/settings/me", who);
  await theirs.getByLabel("Your password now").fill("not the password");
  await theirs.getByLabel("Your new password").fill("four whales sing at night");
  await theirs.getByRole("button", { name: "Change the password" }).click();
  await expect(theirs.getByRole("alert")).toBeVisible();
  await theirs.getByLabel("Your password now").fill(who.password);
  await theirs.getByRole("button", { name: "Change the password" }).click();
  await expect(theirs.getByText("Changed. Your other sessions have ended.")).toBeVisible();
  await context.clearCookies();
  await signIn(theirs, "/", { name: who.name, password: "four whales sing at night" });
  await context.close();
});

test("a change of somebody whom another owner changed meanwhile shows what stands", async ({
  page,
  complaints,
}, info) => {
  const who = await somebody(page, `kim-${info.project.name}`);
  const changed = await page.request.patch(`/api/v1/users/${who.id}`, {
    headers: { "X-CSRF-Token": who.csrf },
    data: { role: "finance" },
  });
  expect(changed.status()).toBe(200);
  await page.getByLabel(`Role of ${who.name}`).selectOption("analyst");
  await expect(page.getByRole("alert")).toContainText("Somebody changed this meanwhile.");
  await expect(page.getByText("Finance: price lists too").first()).toBeVisible();
  await expectSound(page);
  expect(complaints.every((text) => text.includes("412"))).toBe(true);
  complaints.length = 0;
});
