import { useLingui } from "@lingui/react/macro";
import { useState } from "react";
import { Button } from "@/design/controls";
import { ChosenIcon, CopyIcon } from "@/design/icons";
import { addressOf, parseScope } from "@/scope/grammar";

/** Copy an address that shows the same calls tomorrow: its period is fixed to instants. */
export function CopyLink({ scope }: { scope: string }) {
  const { t } = useLingui();
  const [copied, setCopied] = useState<string | null>(null);
  const { search, hash } = addressOf(parseScope(scope));
  const address = new URL("/calls", window.location.origin);
  address.search = search;
  address.hash = hash;
  return (
    <Button
      icon={copied === address.href ? ChosenIcon : CopyIcon}
      onPress={() =>
        void navigator.clipboard.writeText(address.href).then(() => setCopied(address.href))
      }
    >
      {copied === address.href ? t`Copied` : t`Copy link`}
    </Button>
  );
}
