import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { parseScope } from "./grammar";
import { callsOf } from "./use-scope";

/** A figure as a door: opens the calls that it counts, by the scope that came with it. */
export function ScopeLink({
  scope,
  children,
  className,
}: {
  scope: string | null;
  children: ReactNode;
  className?: string | undefined;
}) {
  if (scope === null) {
    return <span className={className}>{children}</span>;
  }
  return (
    <Link {...callsOf(parseScope(scope))} className={className}>
      {children}
    </Link>
  );
}
