/** News of the server as they come: a stream that the browser takes up again by itself. */
export type News = "calls" | "reset";

const HIDDEN_MS = 30_000;

/** Listen until the returned function is called; a page that nobody sees stops listening. */
export function listen(heard: (news: News) => void): () => void {
  let source: EventSource | null = null;
  let hiding: number | undefined;
  const open = () => {
    source = new EventSource("/api/v1/events");
    source.addEventListener("calls", () => heard("calls"));
    source.addEventListener("reset", () => heard("reset"));
  };
  const close = () => {
    source?.close();
    source = null;
  };
  const shownOrHidden = () => {
    window.clearTimeout(hiding);
    if (document.hidden) {
      hiding = window.setTimeout(close, HIDDEN_MS);
    } else if (source === null) {
      open();
      heard("reset");
    }
  };
  open();
  document.addEventListener("visibilitychange", shownOrHidden);
  return () => {
    window.clearTimeout(hiding);
    document.removeEventListener("visibilitychange", shownOrHidden);
    close();
  };
}
