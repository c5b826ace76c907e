/** What was done, in the reader's language; an action of another release is shown as it is stored. */
import { useLingui } from "@lingui/react/macro";

export function useActions(): (action: string) => string {
  const { t } = useLingui();
  return (action) => {
    switch (action) {
      case "alert_open":
        return t`Alert opened again`;
      case "alert_acknowledged":
        return t`Alert taken on`;
      case "alert_snoozed":
        return t`Alert put off`;
      case "alert_closed":
        return t`Alert closed`;
      case "directory_import":
        return t`Directory imported`;
      case "drain":
        return t`Process drained`;
      case "export":
        return t`Calls exported`;
      case "job_start":
        return t`Job started`;
      case "job_pausing":
        return t`Job told to pause`;
      case "job_running":
        return t`Job goes on`;
      case "job_waiting":
        return t`Job put back in line`;
      case "job_cancelling":
        return t`Job told to end`;
      case "job_cancelled":
        return t`Job cancelled`;
      case "key add":
        return t`Key made`;
      case "key end":
        return t`Key ended`;
      case "log level":
        return t`Log level changed`;
      case "person_erased":
        return t`Person erased`;
      case "recovery code used":
        return t`Recovery code used`;
      case "second factor on":
        return t`Second factor switched on`;
      case "second factor off":
        return t`Second factor switched off`;
      case "segments_compacted":
        return t`Sealed files put together`;
      case "sign-in":
        return t`Signed in`;
      case "sign-in locked":
        return t`Name locked`;
      case "sign-in refused":
        return t`Sign-in refused`;
      case "suspense_apply":
        return t`Mended record stored`;
      case "suspense_dismiss":
        return t`Record dismissed`;
      case "suspense_repair":
        return t`Record mended`;
      case "suspense_take_apart":
        return t`Record taken apart`;
      case "tariff_active":
        return t`Tariff activated`;
      case "tariff_draft":
        return t`Tariff kept as a draft`;
      case "tariff_import":
        return t`Tariff imported`;
      case "tariff_retired":
        return t`Tariff retired`;
      case "tariff_validated":
        return t`Tariff checked`;
      case "two_calls":
        return t`Duplicate counted as a call`;
      case "unit approve":
        return t`Unit approved`;
      case "unit configure":
        return t`Unit configured`;
      case "unit enrol":
        return t`Unit enrolled`;
      case "unit renew":
        return t`Certificate of a unit renewed`;
      case "unit renew expired":
        return t`Expired certificate of a unit renewed`;
      case "unit revoke":
        return t`Unit revoked`;
      case "unit token":
        return t`Token for a unit made`;
      case "user add":
        return t`Person added`;
      case "user change":
        return t`Person changed`;
      case "user password":
        return t`Password changed`;
      default:
        return action;
    }
  };
}
