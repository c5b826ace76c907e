import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { expect, expectSound, open, test } from "./browser";

const TARIFFS = new URL("../../../../examples/small-site/tariffs/", import.meta.url);

/** What a PBX prints at the end of a call: 201 was connected to Paris for 63 seconds. */
function line(minute: number): string {
  const clock = String(minute).padStart(2, "0");
  return `190425 12${clock} 00063 7       798           0033199001234             201                           001               \r\n`;
}

/** The carrier's price list with another rounding, as its next version. */
function changed(version: number) {
  const yaml = readFileSync(new URL("carrier.yaml", TARIFFS), "utf8")
    .replace("version: 1", `version: ${version}`)
    .replace("places: 4", "places: 3");
  return [
    { name: "carrier.yaml", mimeType: "text/yaml", buffer: Buffer.from(yaml) },
    {
      name: "carrier.csv",
      mimeType: "text/csv",
      buffer: readFileSync(new URL("carrier.csv", TARIFFS)),
    },
  ];
}

test("a call that a PBX prints appears while the list is open", async ({ page, site }, info) => {
  await open(page, "/calls?from=2025-04-19&to=2025-04-20");
  const grid = page.getByRole("grid", { name: "Calls" });
  const minute = info.project.name === "phone" ? 20 : 10;
  await expect(page.getByText(/^\d+ calls?$/)).toBeVisible();
  const before = await grid.getByRole("row").count();
  const pbx = connect(site.pbxPort, "127.0.0.1");
  pbx.write(line(minute) + line(minute + 1));
  await expect
    .poll(() => grid.getByRole("row").count(), { timeout: 30_000 })
    .toBeGreaterThan(before);
  pbx.destroy();
});

test("a scope is exported with as many lines as it has calls", async ({ page }) => {
  await open(page, "/calls?from=2025-04-16&to=2025-04-17");
  const said = await page.getByText(/^\d+ calls$/).textContent();
  await page.getByRole("button", { name: "Export" }).click();
  const waiting = page.waitForEvent("download");
  await page.getByRole("button", { name: "As CSV" }).click();
  const path = await (await waiting).path();
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  expect(`${lines.length - 1} calls`).toBe(said);
  await page.getByRole("button", { name: "Export" }).click();
  const booked = page.waitForEvent("download");
  await page.getByRole("button", { name: "As Excel workbook" }).click();
  expect((await booked).suggestedFilename()).toMatch(/^calls-\d{8}-\d{6}\.xlsx$/);
});

test("a price list is stored by one person and activated by another", async ({
  page,
  browser,
  site,
}, info) => {
  const version = info.project.name === "phone" ? 3 : 2;
  const somebody = { name: `ben-${version}`, password: "two whales sing at night" };
  await open(page, "/tariffs/import");
  await page.locator("input[type=file]").setInputFiles(changed(version));
  await expect(page.getByText("No mistake: it can be stored and previewed.")).toBeVisible();
  await expectSound(page);
  await page.getByRole("button", { name: "Store, not yet in force" }).click();
  await expect(page.getByText("waits for activation")).toBeVisible();
  await expect(page.getByRole("button", { name: "Activate" })).toBeDisabled();
  await expect(page.getByText("You stored it, so somebody else activates it.")).toBeVisible();
  await page.getByLabel("Calls of").selectOption({ label: "Any time" });
  await page.getByRole("button", { name: "Preview" }).click();
  await expect(
    page.getByText(/^[2-9]\d calls looked at, \d+ would cost something else$/),
  ).toBeVisible();
  await expectSound(page);
  const address = new URL(page.url()).pathname;

  await page.goto("/settings/people");
  await page.getByRole("button", { name: "Add somebody" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name", { exact: true }).fill(somebody.name);
  await dialog.getByLabel("First password").fill(somebody.password);
  await dialog.getByLabel("Role").selectOption("finance");
  await dialog.getByRole("button", { name: "Add" }).click();
  await expect(page.getByLabel(`Role of ${somebody.name}`)).toBeVisible();
  await expectSound(page);

  const other = await browser.newContext({ baseURL: site.url });
  const second = await other.newPage();
  await open(second, address, somebody);
  await expect(second.getByRole("link", { name: "Settings" })).toBeHidden();
  await second.getByRole("button", { name: "Activate" }).click();
  await expect(second.getByText("in force", { exact: true })).toBeVisible();
  await other.close();
});

test("a record that could not be read is mended and becomes a call", async ({ page }) => {
  await open(page, "/suspense");
  await expect(page.getByText(/records? waits? to be mended/)).toBeVisible();
  await expectSound(page);
  await page
    .getByRole("group", { name: "Records, the oldest first" })
    .getByRole("link")
    .first()
    .click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("There is no such date or time");
  await expectSound(page);
  const field = page.getByLabel("Corrected record");
  await field.fill((await field.inputValue()).replace(/256(\d)/, "113$1"));
  await page.getByLabel("Why").fill("clock of the switch");
  await page.getByRole("button", { name: "Apply" }).click();
  await expect(page.getByText(/^(mended|in a call)$/)).toBeVisible({ timeout: 30_000 });
});
