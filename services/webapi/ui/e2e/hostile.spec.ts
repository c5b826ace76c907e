import { expect, expectSound, open, test } from "./browser";

const MARKUP = '<img src=x onerror="document.title=1"><script>document.title=1</script>';

test("markup that a PBX or a directory brings is shown as it is", async ({ page }) => {
  await page.route("**/api/v1/calls/search", async (route) => {
    const answer = await route.fetch();
    const body = await answer.json();
    for (const call of body.items) {
      call.extension = MARKUP;
      call.account_code = MARKUP;
      call.person = { uid: "x", name: MARKUP };
      call.site = { uid: "berlin", name: MARKUP };
      call.calling = { shown: MARKUP, e164: null, masked: false };
    }
    await route.fulfill({ response: answer, json: body });
  });
  await page.route("**/api/v1/calls/*/raw", async (route) => {
    const answer = await route.fetch();
    const body = await answer.json();
    body.legs[0].bytes = Buffer.from(`${MARKUP}\u202e\u0007`).toString("base64");
    body.legs[0].fields = [];
    await route.fulfill({ response: answer, json: body });
  });
  await open(page, "/calls");
  await expect(page.getByText(MARKUP).first()).toBeVisible();
  await page.getByRole("row").last().focus();
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: "Raw record" }).click();
  await expect(page.locator("bdi").filter({ hasText: "onerror" }).first()).toBeVisible();
  expect(await page.locator("img[src=x], main script").count()).toBe(0);
  await expect(page).toHaveTitle(/Bluewhale$/);
});

test("a provider of sign-ins stands first, and its refusal is said", async ({ page }) => {
  await page.route("**/api/v1/session", async (route) => {
    const answer = await route.fetch();
    const body = await answer.json();
    await route.fulfill({ response: answer, json: { ...body, provider: "Contoso" } });
  });
  await page.goto("/sign-in?problem=no_grant");
  const button = page.getByRole("link", { name: "Sign in with Contoso" });
  await expect(button).toHaveAttribute("href", "/api/v1/session/oidc");
  await expect(page.getByRole("alert")).toContainText("none of your groups has a role here");
  await expectSound(page);
});
