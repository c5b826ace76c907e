/** The tree of departments as lines in reading order, each with all people below it. */
import type { Directory } from "@/api/types";

type Department = Directory["departments"][number];

export interface Line {
  readonly department: Department;
  readonly depth: number;
  /** People in it and in all below it. */
  readonly people: number;
}

/** Give every department once, also one whose parents lead back to it. */
export function linesOf(departments: readonly Department[]): Line[] {
  const children = new Map<string | null, Department[]>();
  for (const department of departments) {
    const of = children.get(department.parent_uid) ?? [];
    of.push(department);
    children.set(department.parent_uid, of);
  }
  const seen = new Set<string>();
  const walk = (department: Department, depth: number): Line[] => {
    if (seen.has(department.uid)) {
      return [];
    }
    seen.add(department.uid);
    const below = sorted(children.get(department.uid) ?? []).flatMap((child) =>
      walk(child, depth + 1),
    );
    const people = below
      .filter((line) => line.depth === depth + 1)
      .reduce((sum, line) => sum + line.people, department.people);
    return [{ department, depth, people }, ...below];
  };
  const rooted = sorted(children.get(null) ?? []).flatMap((root) => walk(root, 0));
  return [...rooted, ...sorted(departments).flatMap((department) => walk(department, 0))];
}

function sorted(departments: readonly Department[]): Department[] {
  return [...departments].sort((a, b) => a.name.localeCompare(b.name));
}
