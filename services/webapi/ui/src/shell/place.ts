/** The address that was asked for, kept in this tab while its reader is at the provider. */
const KEY = "bluewhale-place";

export function keepPlace(): void {
  const { pathname, search, hash } = window.location;
  if (pathname !== "/sign-in") {
    sessionStorage.setItem(KEY, pathname + search + hash);
  }
}

/** Go on where the reader was; what stands behind # never left this browser. */
export function takePlace(): void {
  const kept = sessionStorage.getItem(KEY);
  if (kept !== null && window.location.pathname === "/") {
    window.history.replaceState(null, "", kept);
  }
  sessionStorage.removeItem(KEY);
}
