/** Every page at once: dark, in a language that is longer, marked, and read from either side. */
import { enter, expect, expectSound, test } from "./browser";

const PAGES = [
  "/",
  "/calls",
  "/reports",
  "/units",
  "/tariffs",
  "/tariffs/import",
  "/try",
  "/completeness",
  "/suspense",
  "/suspense/twice",
  "/workshop",
  "/alerts",
  "/alerts/rules",
  "/jobs",
  "/directory",
  "/settings/me",
  "/settings/people",
  "/settings/keys",
  "/settings/audit",
  "/server",
];
/** Looked at by light here, too: no other test opens them. */
const BY_LIGHT = ["/reports", "/units", "/tariffs", "/try"];
const MARK = "⟦";
const CATALOGUE = /\/assets\/en-[^/]*\.js$/;
const PARSED = /JSON\.parse\((`(?:[^`\\]|\\.)*`|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\)/;

/** Runs in the page: marks every text of a catalogue and makes it longer by two fifths. */
function prepareStretching(): void {
  const stretched = (text: string): string =>
    `⟦${text}${"·".repeat(Math.ceil(text.length * 0.4))}⟧`;
  /** A message is a list of texts and values; a value may have texts to choose from. */
  const walked = (piece: unknown): unknown => {
    if (typeof piece === "string") {
      return piece.trim() === "" || piece === "#" ? piece : stretched(piece);
    }
    if (!Array.isArray(piece)) {
      return piece;
    }
    const [name, kind, choices] = piece;
    const said = Object.entries(choices ?? {}).map(([choice, texts]) => [
      choice,
      Array.isArray(texts) ? texts.map(walked) : choice === "offset" ? texts : walked(texts),
    ]);
    return choices === undefined ? piece : [name, kind, Object.fromEntries(said)];
  };
  Object.assign(globalThis, {
    stretch: (catalogue: Readonly<Record<string, unknown>>) =>
      Object.fromEntries(
        Object.entries(catalogue).map(([id, message]) => [
          id,
          Array.isArray(message) ? message.map(walked) : walked(message),
        ]),
      ),
  });
}

test("every page is sound in the dark, and longer words fit from either side", async ({ page }) => {
  await page.route(CATALOGUE, async (route) => {
    const answer = await route.fetch();
    const body = (await answer.text()).replace(PARSED, "globalThis.stretch(JSON.parse($1))");
    expect(body).toContain("globalThis.stretch(");
    await route.fulfill({ response: answer, body });
  });
  await page.addInitScript(prepareStretching);
  await page.addInitScript(() => localStorage.setItem("bluewhale-language", "en"));
  await page.emulateMedia({ colorScheme: "dark" });
  await enter(page);
  for (const path of PAGES) {
    await page.goto(path);
    await expect(page.locator("h1")).toContainText(MARK);
    await expect(page.getByRole("status", { name: /Loading/ })).toHaveCount(0);
    await expectSound(page);
    if (BY_LIGHT.includes(path)) {
      await page.emulateMedia({ colorScheme: "light" });
      await expectSound(page);
      await page.emulateMedia({ colorScheme: "dark" });
    }
    for (const direction of ["ltr", "rtl"]) {
      await page.locator("html").evaluate((html, dir) => html.setAttribute("dir", dir), direction);
      const found = await page.evaluate((mark) => {
        const shown = (element: Element) => element.getClientRects().length > 0;
        const words = [...document.querySelectorAll("h1, h2, th[scope=col], main label")].filter(
          (element) =>
            shown(element) &&
            // but for days, and for price lists, which have the names that they were given
            /[a-z]/i.test((element.textContent ?? "").replace(/^(carrier|internal), EUR$/, "")),
        );
        const clipped = [...document.querySelectorAll("main button, th[scope=col]")].filter(
          (element) =>
            shown(element) &&
            element.closest("thead")?.clientWidth !== 1 && // cards name each value themselves
            element.scrollWidth > element.clientWidth + 1,
        );
        return {
          wide: document.documentElement.scrollWidth - window.innerWidth,
          english: words.map((one) => one.textContent ?? "").filter((one) => !one.includes(mark)),
          clipped: clipped.map((one) => one.textContent),
        };
      }, MARK);
      expect({ path, direction, ...found }).toEqual({
        path,
        direction,
        wide: 0,
        english: [],
        clipped: [],
      });
    }
  }
});
