import { expect, expectSound, open, test } from "./browser";

test("the erasure of a person waits for the files that name them", async ({ page }) => {
  await open(page, "/directory");
  await page.getByRole("button", { name: "Erase a person" }).click();
  const dialog = page.getByRole("dialog", { name: "Erase a person" });
  await dialog.getByLabel("Person").fill("eve");
  await dialog.getByRole("button", { name: "Look" }).click();
  await expect(dialog.getByText("Eve Example")).toBeVisible();
  await expect(
    dialog.getByText("First take them and their extensions out of directory.yaml"),
  ).toBeVisible();
  await expect(dialog.getByRole("button", { name: "Erase for good" })).toHaveCount(0);
  await expectSound(page);
});
