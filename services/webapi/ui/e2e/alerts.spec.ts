import { connect } from "node:net";
import { expect, expectSound, open, test } from "./browser";

/** What the Avaya prints now, by the clock of Berlin: an extension has called 112. */
function emergency(extension: string): string {
  const parts = new Intl.DateTimeFormat("en-GB", {
    timeZone: "Europe/Berlin",
    dateStyle: "short",
    timeStyle: "short",
  }).formatToParts(Date.now() - 60_000);
  const part = (type: string) =>
    (parts.find((one) => one.type === type)?.value ?? "").slice(-2).padStart(2, "0");
  const day = part("day") + part("month") + part("year");
  return `${day} ${part("hour")}${part("minute")} 00016 7       799                     112             ${extension}                           001               \r\n`;
}

test("an emergency call is an alert while the inbox is open, and somebody takes it in hand", async ({
  page,
  site,
}, info) => {
  const extension = info.project.name === "phone" ? "202" : "201";
  await open(page, "/alerts");
  await expect(
    page.getByText("No alert is open").or(page.getByText("Open", { exact: true })),
  ).toBeVisible();
  const pbx = connect(site.pbxPort, "127.0.0.1");
  pbx.write(emergency(extension));
  const card = page.getByRole("listitem").filter({ hasText: `Extension ${extension}` });
  await expect(card.getByText("Critical")).toBeVisible({ timeout: 30_000 });
  pbx.destroy();
  await expect(page.getByRole("link", { name: /\d+ open alerts?/ })).toBeVisible();
  await expectSound(page);
  await card.getByRole("link", { name: "Somebody needs help" }).click();
  const calls = page.getByRole("group", { name: "The calls that did it" });
  await expect(calls.getByText("112")).toBeVisible();
  await expectSound(page);
  await page.getByRole("button", { name: "I look after it" }).click();
  await expect(page.getByText("ana looks after it")).toBeVisible();
  await page.getByRole("link", { name: "Open the call" }).click();
  await expect(page.getByText("1 call", { exact: true })).toBeVisible();
  await expect(page.getByText("Chosen calls: 1")).toBeVisible();
});

test("a rule is tried on stored calls, and names those that it would have told of", async ({
  page,
}) => {
  await open(page, "/alerts/rules");
  await page.getByLabel("Rules, as in the file").fill("rules:\n  - {rule: x, kind: long_call}\n");
  await page.getByRole("button", { name: "Check" }).click();
  await expect(page.getByText("rules.0.name")).toBeVisible();
  await expectSound(page);
  await page.getByRole("link", { name: "Long calls" }).click();
  await page.getByRole("button", { name: "Try it" }).click();
  await expect(page.getByText("It would have told nothing.")).toBeVisible();
  await expectSound(page);
});
