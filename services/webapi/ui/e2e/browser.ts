/** What every test of the page has: the installation, its owner, an eye on the console. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test as base, expect, type Page } from "@playwright/test";
import { OWNER } from "./people";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

interface Site {
  readonly url: string;
  /** Where the Avaya of the example would connect to. */
  readonly pbxPort: number;
}

export const test = base.extend<{ complaints: string[] }, { site: Site }>({
  site: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of what is needed
    async ({}, use) =>
      use({ url: process.env.BLUEWHALE_PAGE ?? "", pbxPort: Number(process.env.PBX_PORT) }),
    { scope: "worker" },
  ],
  baseURL: async ({ site }, use) => use(site.url),
  // Refusals of the policy, markup from text, errors: any of them fails the test.
  complaints: [
    async ({ page }, use) => {
      const complaints: string[] = [];
      page.on("pageerror", (error) => complaints.push(error.message));
      page.on("console", (message) => {
        if (message.type() === "error" && !message.text().includes("401 (Unauthorized)")) {
          complaints.push(`${message.text()} ${message.location().url}`);
        }
      });
      await use(complaints);
      expect(complaints).toEqual([]);
    },
    { auto: true },
  ],
});

export { expect };

/** Sign in without the form; gives the token that goes with every change. */
export async function enter(page: Page, { name, password } = OWNER): Promise<string> {
  const answer = await page.request.post("/api/v1/session", { data: { name, password } });
  expect(answer.status()).toBe(200);
  return (await answer.json()).csrf;
}

/** Open a page as the owner, or as somebody else. */
export async function open(page: Page, path = "/", who = OWNER): Promise<void> {
  await enter(page, who);
  await page.goto(path);
  await expect(page.getByRole("heading", { level: 1 })).not.toHaveText("Sign in");
}

/** Fill in the form that stands before every page. */
export async function signIn(page: Page, path = "/", who = OWNER): Promise<void> {
  await page.goto(path);
  await page.getByLabel("Name", { exact: true }).fill(who.name);
  await page.getByLabel("Password", { exact: true }).fill(who.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("heading", { level: 1 })).not.toHaveText("Sign in");
}

/** Hold the page, or what lies over it, against WCAG 2.2 AA and the width of the window. */
export async function expectSound(page: Page, within = "html"): Promise<void> {
  const session = await page.context().newCDPSession(page);
  // A document keeps it, whatever page the address is of; its half MiB is parsed once.
  if (!(await page.evaluate(() => "axe" in window))) {
    await session.send("Runtime.evaluate", { expression: AXE });
  }
  const { result } = await session.send("Runtime.evaluate", {
    expression: `axe.run(${JSON.stringify(within)}, { runOnly: ${JSON.stringify(RULES)}, resultTypes: ["violations"] }).then((found) =>
      JSON.stringify(found.violations.map((one) => one.id + " " + one.nodes[0].html)))`,
    awaitPromise: true,
    returnByValue: true,
  });
  await session.detach();
  expect(JSON.parse(String(result.value))).toEqual([]);
  const tooWide = await page.evaluate(
    () => document.documentElement.scrollWidth - window.innerWidth,
  );
  expect(tooWide).toBeLessThanOrEqual(0);
}
