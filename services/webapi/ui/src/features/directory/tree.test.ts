import { describe, expect, it } from "vitest";
import { linesOf } from "./tree";

function department(uid: string, parent: string | null, people: number) {
  return { uid, name: uid, parent_uid: parent, cost_center: null, people };
}

function said(...departments: ReturnType<typeof department>[]) {
  return linesOf(departments).map((line) => [line.department.uid, line.depth, line.people]);
}

describe("the tree of departments", () => {
  it("stands in reading order, each with all people below it", () => {
    expect(
      said(
        department("export", "sales", 2),
        department("company", null, 1),
        department("support", "company", 4),
        department("sales", "company", 3),
      ),
    ).toEqual([
      ["company", 0, 10],
      ["sales", 1, 5],
      ["export", 2, 2],
      ["support", 1, 4],
    ]);
  });

  it("shows each of a circle once", () => {
    expect(said(department("a", "b", 1), department("b", "a", 1)).map(([uid]) => uid)).toEqual([
      "a",
      "b",
    ]);
  });
});
