/** The pages of whoever runs the installation, each by its main path. */
import { readFileSync } from "node:fs";
import { expect, expectSound, open, test } from "./browser";

const LINES = new URL("../../../../examples/small-site/lines/avaya.txt", import.meta.url);

test("a job is shown with what it counted, and cannot be steered when it has ended", async ({
  page,
}) => {
  await open(page, "/jobs");
  const ended = page.getByRole("region", { name: "Ended" });
  await expect(ended.getByRole("listitem").first()).toContainText("done");
  await expectSound(page);
  await ended.getByRole("link").first().click();
  await expect(page.getByText("Started by")).toBeVisible();
  await expect(page.getByRole("button", { name: "Cancel" })).toBeHidden();
  await expectSound(page);
});

test("a key is shown once, works for a program, and stops when it is ended", async ({
  page,
  site,
}, info) => {
  const name = `nightly ${info.project.name}`;
  await open(page, "/settings");
  await expect(page).toHaveURL(/\/settings\/me$/);
  await page.getByRole("link", { name: "Keys of programs" }).click();
  await page.getByRole("button", { name: "Make a key" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("What for").fill(name);
  await expectSound(page);
  await dialog.getByRole("button", { name: "Make the key" }).click();
  const token = (await dialog.locator("code").textContent()) ?? "";
  expect(token).toMatch(/^bwk_/);
  await expectSound(page);
  await dialog.getByRole("button", { name: "I have it" }).click();
  await expect(page.getByText(token)).toBeHidden();
  const asked = () =>
    fetch(`${site.url}/api/v1/me`, { headers: { Authorization: `Bearer ${token}` } });
  expect((await asked()).status).toBe(200);
  await page.getByRole("row").filter({ hasText: name }).getByRole("button").click();
  await page.getByRole("dialog").getByRole("button", { name: "End the key" }).click();
  await expect(page.getByRole("row").filter({ hasText: name })).toContainText("ended");
  expect((await asked()).status).toBe(401);
  await page.getByRole("link", { name: "Audit trail" }).click();
  await expect(page.getByText(/^\d+ entries, unbroken$/)).toBeVisible();
  await page.getByLabel("What", { exact: true }).fill(name);
  await expect(page).toHaveURL(/about=nightly%20/);
  await expect(page.getByRole("row").filter({ hasText: name }).first()).toContainText("Key made");
  await expectSound(page);
});

test("the one process says how it is, and writes more into its log for a while", async ({
  page,
}) => {
  await open(page, "/server");
  await expect(page.getByText("Its one process is ready")).toBeVisible();
  await expectSound(page);
  await page.getByRole("button", { name: "Log level…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Level").selectOption("warning");
  await dialog.getByRole("button", { name: "Set the level" }).click();
  // the other size may have set it before
  await expect(dialog).toBeHidden();
  await expect(page.getByText(/^warning until /)).toBeVisible();
  await page.getByRole("button", { name: "Let it end…" }).click();
  await expect(dialog).toContainText("Until somebody starts it again no PBX is read");
  await expectSound(page);
  await dialog.getByRole("button", { name: "Leave it" }).click();
  await expect(page.getByText("Its one process is ready")).toBeVisible();
});

test("what was shown stays with its time while the server is away", async ({
  page,
  complaints,
}) => {
  await open(page, "/server");
  await expect(page.getByText("Its one process is ready")).toBeVisible();
  await page.route("**/api/v1/server", (route) => route.abort());
  await expect(page.getByText(/^as of \d\d:\d\d:\d\d, asking again$/)).toBeVisible();
  await expect(page.getByText("Runs since")).toBeVisible();
  await expectSound(page);
  await page.unroute("**/api/v1/server");
  await expect(page.getByText(/asking again/)).toBeHidden();
  expect(complaints.every((text) => text.includes("ERR_FAILED"))).toBe(true);
  complaints.length = 0;
});

test("a page that cannot be asked says what to do about it", async ({ page, complaints }) => {
  const problem = {
    type: "urn:bluewhale:problem:not_permitted",
    title: "Your role may not do this",
    status: 403,
    detail: "this needs jobs.see: one of the roles telecom_admin, security, owner",
    code: "not_permitted",
    params: {},
    remedy: "An owner can give the role that may.",
    trace_id: "0af7651916cd43dd8448eb211c80319c",
  };
  await open(page);
  await page.route(/\/api\/v1\/(jobs|keys|directory|dialects|duplicates|audit)(\?|$)/, (route) =>
    route.fulfill({ status: 403, contentType: "application/problem+json", json: problem }),
  );
  for (const path of [
    "/jobs",
    "/settings/keys",
    "/directory",
    "/workshop",
    "/suspense/twice",
    "/settings/audit",
  ]) {
    await page.goto(path);
    await expect(page.getByRole("alert").first()).toContainText("Your role does not allow this.");
    await expect(page.getByText(problem.trace_id).first()).toBeVisible();
  }
  await expectSound(page);
  expect(complaints.every((text) => text.includes("403"))).toBe(true);
  complaints.length = 0;
});

test("the directory shows who was where on a day", async ({ page }) => {
  await open(page, "/directory");
  await page.getByRole("link", { name: /^Sales/ }).click();
  await expect(page.getByRole("link", { name: "Ben Example" })).toBeVisible();
  await page.getByLabel("As of").fill("2025-04-16");
  await expect(page.getByText("The past: as it was on 16 April 2025")).toBeVisible();
  await expect(page.getByRole("link", { name: "Ben Example" })).toBeHidden();
  await page.getByLabel("Find").fill("70");
  await expect(page.getByRole("link", { name: "701" })).toBeVisible();
  await page.getByRole("button", { name: "History" }).first().click();
  await expect(page.getByRole("dialog")).toContainText("Ada Example");
  await expectSound(page);
});

test("pasted lines show which bytes became which field", async ({ page }) => {
  const [first] = readFileSync(LINES, "latin1").split("\r\n");
  await open(page, "/workshop");
  await expect(page.getByText("No line yet")).toBeVisible();
  await page.getByLabel("Lines as printed").fill(`${first}\n${first?.replace(/^(\d{6}) /, "$1x")}`);
  await expect(page.getByText("1 line is a leg")).toBeVisible();
  await expect(page.getByText("1 is refused")).toBeVisible();
  const line = page.getByRole("region", { name: "Line 1" });
  await line.getByRole("rowheader").first().getByRole("button").focus();
  await expect(line.locator("bdi[data-lit=true]").first()).toBeVisible();
  await expectSound(page);
});

test("the palette goes to a page, a person and a number", async ({ page }) => {
  await open(page);
  const palette = page.getByRole("dialog", { name: "Go to" });
  const field = page.getByRole("combobox", { name: "Page, action, person, number" });
  await page.keyboard.press("Control+k");
  await expect(field).toBeFocused();
  await expectSound(page);
  await field.fill("direc");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/directory$/);
  await page.keyboard.press("Control+k");
  await field.fill("@ada");
  await expect(palette.getByRole("option").first()).toContainText("Ada Example");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/calls\?person=ada$/);
  await page.keyboard.press("Control+k");
  await field.fill("+61 491 570 156");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/calls#number=\+61491570156$/);
  await page.keyboard.press("Control+k");
  await page.keyboard.press("Escape");
  await expect(palette).toBeHidden();
});

test("letters do nothing for whoever switched them off", { tag: "@once" }, async ({ page }) => {
  await open(page);
  await page.keyboard.press("?");
  const dialog = page.getByRole("dialog", { name: "Keys" });
  await expectSound(page);
  await dialog.getByLabel("Keys of one letter are on").uncheck();
  await dialog.getByRole("button", { name: "Close" }).click();
  await page.keyboard.press("?");
  await expect(dialog).toBeHidden();
  await page.keyboard.press("g");
  await page.keyboard.press("c");
  await expect(page).toHaveURL(/\/$/);
});

test("a record that came twice is said to be two calls", async ({ page }, info) => {
  await open(page, "/suspense/twice");
  const place = info.project.name === "phone" ? 1 : 0;
  const row = page.getByRole("row").filter({ hasText: "Avaya" }).nth(place);
  await expect(row).toContainText("counted once");
  await expectSound(page);
  await row.getByRole("button", { name: "These are two calls" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Why").fill("two people called at once");
  await expectSound(page);
  await dialog.getByRole("button", { name: "Make a second call" }).click();
  await expect(row).toContainText("two calls");
  await expect(row.getByRole("button")).toHaveCount(0);
});
