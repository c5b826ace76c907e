import { useLingui } from "@lingui/react/macro";
import { Link } from "@tanstack/react-router";
import type { Directory } from "@/api/types";
import { useFormats } from "@/design/formats";
import type { RawSearch } from "@/scope/use-scope";
import css from "./directory.module.css";
import { linesOf } from "./tree";

/** Every department under its parent; choosing one shows who is in it and below. */
export function DepartmentTree({
  departments,
  chosen,
}: {
  departments: Directory["departments"];
  chosen: string | null;
}) {
  const { t } = useLingui();
  const { count } = useFormats();
  const lines = linesOf(departments);
  return (
    <ul className={css.tree}>
      <li>
        <Link
          to="/directory"
          search={(old: RawSearch) => ({ ...old, department: "" })}
          aria-current={chosen === null ? "true" : undefined}
          activeProps={{}}
        >
          {t`All departments`}
        </Link>
      </li>
      {lines.map(({ department, depth, people }) => (
        <li key={department.uid}>
          <Link
            to="/directory"
            search={(old: RawSearch) => ({ ...old, department: department.uid })}
            aria-current={chosen === department.uid ? "true" : undefined}
            activeProps={{}}
            style={{ paddingInlineStart: `${0.75 + depth * 1.25}rem` }}
          >
            <span>{department.name || department.uid}</span>
            <span className={css.count}>{count(people)}</span>
          </Link>
        </li>
      ))}
    </ul>
  );
}
