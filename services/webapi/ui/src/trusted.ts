/** The one policy for text that becomes markup: none does. Style sheets of components pass. */
interface PolicyFactory {
  createPolicy(name: string, rules: Record<string, (text: string) => string>): unknown;
}

export function refuseMarkup(): void {
  const factory = (window as { trustedTypes?: PolicyFactory }).trustedTypes;
  factory?.createPolicy("default", {
    createHTML: (text) => {
      if (text.includes("<")) {
        throw new TypeError("markup from text is refused");
      }
      return text;
    },
    createScriptURL: (text) => {
      if (new URL(text, window.location.href).origin !== window.location.origin) {
        throw new TypeError("scripts of other hosts are refused");
      }
      return text;
    },
  });
}
