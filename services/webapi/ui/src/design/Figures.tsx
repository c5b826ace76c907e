/** Money, durations, instants and phone numbers as small elements; they know no API. */
import { Trans } from "@lingui/react/macro";
import type { InstantStyle, Money, Places } from "./format";
import { phoneNumber } from "./format";
import { useFormats } from "./formats";

export function Amount({ money, places = "total" }: { money: Money; places?: Places }) {
  const { amount } = useFormats();
  return (
    <span className="figure" dir="ltr">
      {amount(money, places)} {money.currency}
    </span>
  );
}

export function Duration({ ms }: { ms: number }) {
  const { duration, durationInWords } = useFormats();
  return (
    <span className="figure" title={durationInWords(ms)}>
      {duration(ms)}
    </span>
  );
}

export function Instant({
  at,
  zone,
  style = "moment",
}: {
  at: string;
  zone: string;
  style?: InstantStyle;
}) {
  const { instant } = useFormats();
  return (
    <time className="figure" dateTime={at} title={instant(at, zone, "full")}>
      {instant(at, zone, style)}
    </time>
  );
}

export function PhoneNumber({
  party,
}: {
  party: { shown: string; e164: string | null; masked: boolean } | null;
}) {
  if (party === null) {
    return <Unknown />;
  }
  return (
    <span className="figure" dir="ltr">
      {party.e164 !== null && !party.masked ? phoneNumber(party.e164) : party.shown}
    </span>
  );
}

export function Unknown() {
  return (
    <>
      <span aria-hidden="true">–</span>
      <span className="heard-only">
        <Trans>not known</Trans>
      </span>
    </>
  );
}
