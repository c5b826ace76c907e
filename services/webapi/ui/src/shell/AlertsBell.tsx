/** The bell of the top bar: how many alerts need somebody, and the way to them. */
import { Plural, useLingui } from "@lingui/react/macro";
import { queryOptions, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { answered, api } from "@/api/client";
import { useFormats } from "@/design/formats";
import { AlertsIcon } from "@/design/icons";
import css from "./AlertsBell.module.css";
import { useMay } from "./permissions";
import { useNews } from "./useNews";

const openQuery = queryOptions({
  queryKey: ["alerts", "open"],
  queryFn: ({ signal }) =>
    answered(
      api.GET("/api/v1/alerts", { params: { query: { state: ["open"], limit: 1 } }, signal }),
    ),
  staleTime: 60_000,
});

export function AlertsBell() {
  const may = useMay();
  return may("alerts.see") ? <Bell /> : null;
}

function Bell() {
  const { t } = useLingui();
  const { count } = useFormats();
  const queries = useQueryClient();
  useNews(() => void queries.invalidateQueries({ queryKey: ["alerts"] }), "alerts");
  const open = useQuery(openQuery).data?.open ?? 0;
  return (
    <Link to="/alerts" className={css.bell} title={t`Alerts`}>
      <AlertsIcon size={20} stroke={1.75} aria-hidden="true" />
      {open === 0 ? null : (
        <span className={css.count} aria-hidden="true">
          {count(open)}
        </span>
      )}
      <span className="heard-only">
        <Plural value={open} _0="No open alert" one="# open alert" other="# open alerts" />
      </span>
    </Link>
  );
}
