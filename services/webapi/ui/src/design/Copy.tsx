import { useLingui } from "@lingui/react/macro";
import { useState } from "react";
import { Button } from "./controls";
import { ChosenIcon, CopyIcon } from "./icons";

/** Puts a text on the clipboard and says that it did. */
export function Copy({ text }: { text: string }) {
  const { t } = useLingui();
  const [copied, setCopied] = useState(false);
  return (
    <Button
      icon={copied ? ChosenIcon : CopyIcon}
      onPress={() => void navigator.clipboard.writeText(text).then(() => setCopied(true))}
    >
      {copied ? t`Copied` : t`Copy`}
    </Button>
  );
}
