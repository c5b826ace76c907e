import { useLingui } from "@lingui/react/macro";
import type { Gap } from "@/api/types";
import { Panel } from "@/design/Page";
import { Status } from "@/design/Status";
import css from "./completeness.module.css";

/** Records that were numbered and never came, each range by name. */
export function Gaps({ gaps }: { gaps: readonly Gap[] }) {
  const { t } = useLingui();
  if (gaps.length === 0) {
    return null;
  }
  return (
    <Panel title={t`Gaps`} flush>
      <div className={css.scroll}>
        <table className={css.gaps}>
          <thead>
            <tr>
              <th scope="col">{t`Site`}</th>
              <th scope="col">{t`Link`}</th>
              <th scope="col">{t`Records`}</th>
              <th scope="col">{t`State`}</th>
              <th scope="col">{t`Reason`}</th>
            </tr>
          </thead>
          <tbody>
            {gaps.map((gap) => (
              <tr key={`${gap.stream_id} ${gap.incarnation} ${gap.first_seq}`}>
                <td>{gap.site?.name ?? gap.site?.uid}</td>
                <td>{gap.link_uid}</td>
                <td className="figure">
                  {gap.first_seq === gap.last_seq
                    ? gap.first_seq
                    : `${gap.first_seq} – ${gap.last_seq}`}
                </td>
                <td>
                  <Status level={gap.state === "lost" ? "bad" : "warn"}>
                    {gap.state === "lost" ? t`lost` : t`missing`}
                  </Status>
                </td>
                <td>{gap.reason.replaceAll("_", " ")}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}
