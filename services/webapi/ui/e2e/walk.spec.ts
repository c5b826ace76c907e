import { gzipSync } from "node:zlib";
import { expect, expectSound, open, signIn, test } from "./browser";

const FIRST_LOAD_KIB_MAX = 300;
const ABROAD = "+61 491 570 156";

test("a call is found by its number, and its receipt says why it costs what it costs", async ({
  page,
}) => {
  await signIn(page);
  await page.getByRole("textbox", { name: "Search calls" }).fill(ABROAD);
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/calls#number=\+61491570156$/);
  await expect(page.getByText("1 call", { exact: true })).toBeVisible();
  await expectSound(page);
  await page.getByRole("row").last().focus();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 1 })).toContainText("+61 491 570 156");
  await page.getByRole("link", { name: "Receipt" }).click();
  const carrier = page.getByRole("region", { name: "Price list carrier" });
  await expect(carrier.getByRole("listitem").first()).toContainText("Tariff");
  const result = await carrier.getByRole("listitem").last().textContent();
  const head = await carrier.getByRole("strong").first().textContent();
  expect(result?.replace("Result", "")).toBe(head);
  await expectSound(page);
});

test("a field of the raw line lights up where its bytes stand", async ({ page }) => {
  await open(page, "/calls");
  await page.getByRole("row").last().focus();
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: "Raw record" }).click();
  const field = page.getByRole("rowheader").first();
  await field.getByRole("button").focus();
  await expect(page.locator("bdi[data-lit=true]").first()).toBeVisible();
  await expectSound(page);
});

test("back leads to the same filter, and a chip takes a condition away", async ({ page }) => {
  await open(page, "/calls?direction=outbound");
  await expect(page.getByText("Direction: outbound")).toBeVisible();
  await page.getByRole("row").last().focus();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/calls\/[a-z2-7]{26}/);
  await page.goBack();
  await expect(page.getByText("Direction: outbound")).toBeVisible();
  await page.getByRole("button", { name: "Remove Direction: outbound" }).click();
  await expect(page).toHaveURL(/\/calls$/);
});

test("a filter that is not understood is shown, never dropped", async ({ page, complaints }) => {
  await open(page, "/calls?colour=blue");
  await expect(page.getByText("not understood: colour=blue")).toBeVisible();
  await expect(page.getByRole("alert")).toContainText("A filter cannot be read.");
  await expectSound(page);
  await page.getByRole("button", { name: "Remove not understood: colour=blue" }).click();
  await expect(page.getByRole("grid", { name: "Calls" })).toBeVisible();
  expect(complaints.every((text) => text.includes("422"))).toBe(true);
  complaints.length = 0;
});

test("a number that is tried says its price in the words of the reader", async ({ page }) => {
  await open(page, "/try");
  await page.getByLabel("Number").fill("+49 30 23125 042");
  const carrier = page.getByRole("region", { name: "Price list carrier" });
  await expect(carrier.getByText("Time billed")).toBeVisible();
  await expect(carrier.getByText("180 s connected")).toBeVisible();
  await expect(carrier.getByText(/longest prefix \+49/)).toBeVisible();
  await expectSound(page);
});

test("the count of a tile is the count of the list that it opens", async ({ page }) => {
  await open(page, "/?from=2025-01-01&to=2026-01-01");
  const tile = page.getByRole("link", { name: /^Calls \d+$/ });
  const count = (await tile.textContent())?.replace("Calls", "");
  await expectSound(page);
  await tile.click();
  await expect(page.getByText(`${count} calls`, { exact: true })).toBeVisible();
});

test("wrong name and wrong password are told apart by nobody", { tag: "@once" }, async ({
  page,
}) => {
  for (const name of ["ana", "nobody"]) {
    await page.goto("/");
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("Sign in");
    await page.getByLabel("Name", { exact: true }).fill(name);
    await page.getByLabel("Password", { exact: true }).fill("not the password");
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page.getByRole("alert")).toHaveText(
      "Name or password is wrong. Check both and try again.",
    );
  }
  await expectSound(page);
});

test("the page speaks German and shows itself dark", async ({ page }) => {
  await open(page);
  await page.getByRole("button", { name: "Ana Ruiz" }).click();
  await expect(page.getByRole("dialog")).toBeVisible();
  await expectSound(page, "[role=dialog]");
  await page.getByRole("button", { name: "Deutsch" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Übersicht");
  await page.getByRole("button", { name: "Ana Ruiz" }).click();
  await page.getByRole("button", { name: "Dunkel" }).click();
  await expect(page.locator("html")).toHaveAttribute("data-mantine-color-scheme", "dark");
  await expect(page.getByRole("dialog")).toBeHidden();
});

test("completeness and an unknown address are sound", async ({ page }) => {
  await open(page, "/completeness");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Completeness");
  await expectSound(page);
  await page.goto("/nowhere");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(
    "There is no page at this address",
  );
  await expectSound(page);
});

test("the first load fits its budget and asks no other host", { tag: "@once" }, async ({
  page,
  site,
}) => {
  const hosts = new Set<string>();
  const sizes: Promise<number>[] = [];
  page.on("response", (response) => {
    hosts.add(new URL(response.url()).origin);
    if (!response.url().includes("/api/")) {
      sizes.push(response.body().then((body) => gzipSync(body, { level: 9 }).length));
    }
  });
  await signIn(page);
  await expect(page.getByRole("heading", { name: "Dashboard" })).toBeVisible();
  const bytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  expect([...hosts]).toEqual([site.url]);
  expect(bytes / 1024).toBeLessThan(FIRST_LOAD_KIB_MAX);
  console.log(`first load: ${(bytes / 1024).toFixed(1)} KiB gzip`);
});
