import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, it } from "vitest";

const SRC = new URL(".", import.meta.url).pathname;
const ROOMS = ["api", "design", "scope", "grid", "charts", "raw", "receipt", "shell", "features"];

const FILES = readdirSync(SRC, { recursive: true, encoding: "utf8" })
  .filter((name) => /\.tsx?$/.test(name) && !/\.(test|d)\.tsx?$/.test(name))
  .map((name) => ({ name, text: readFileSync(join(SRC, name), "utf8") }));

function roomOf(path: string): string {
  return path.split("/")[0] ?? "";
}

/** Give what a file imports, as paths from `src`. */
function importsOf(file: { name: string; text: string }): string[] {
  return [...file.text.matchAll(/from "(\.[^"]*|@\/[^"]*)"|import\("(\.[^"]*|@\/[^"]*)"\)/g)].map(
    (found) => {
      const path = found[1] ?? found[2] ?? "";
      return path.startsWith("@/")
        ? path.slice(2)
        : relative(SRC, join(SRC, file.name, "..", path));
    },
  );
}

describe("the rooms of the page", () => {
  it.each(FILES)("$name imports only rooms below its own", (file) => {
    const own = ROOMS.indexOf(roomOf(file.name));
    const above = importsOf(file).filter((path) => {
      const other = ROOMS.indexOf(roomOf(path));
      return other > own;
    });
    expect(own < 0 ? [] : above).toEqual([]);
  });

  it.each(FILES.filter((file) => roomOf(file.name) === "features"))(
    "$name meets other features by address alone",
    (file) => {
      const own = file.name.split("/")[1];
      const others = importsOf(file).filter(
        (path) => roomOf(path) === "features" && path.split("/")[1] !== own,
      );
      expect(others).toEqual([]);
    },
  );

  it.each(FILES)("$name writes no markup from text and does no sum on money", (file) => {
    expect(file.text).not.toMatch(/dangerouslySetInnerHTML|\.innerHTML|insertAdjacentHTML/);
    const moneyAsNumber = /(parseFloat|Number)\([^)]*amount/;
    expect(file.text).not.toMatch(moneyAsNumber);
  });

  it.each(FILES)("$name stays below 300 lines", (file) => {
    expect(file.text.split("\n").length).toBeLessThan(300);
  });
});

describe("the style sheets", () => {
  const sheets = readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".css"),
  );

  it.each(sheets)("%s names colours by token and sides by reading direction", (name) => {
    const text = readFileSync(join(SRC, name), "utf8");
    expect(text).not.toMatch(/\b(margin|padding|border)-(left|right)\b|^\s*(left|right):/m);
    if (!/(tokens|print)\.css$/.test(name)) {
      expect(text).not.toMatch(/#[0-9a-f]{3,8}\b|rgba?\(/i);
    }
  });
});
