/** News of the server as they come: one stream for the whole page, that the browser takes up again. */
export type News = "calls" | "alerts" | "reset";

const KINDS = ["calls", "alerts", "reset"] as const;
const HIDDEN_MS = 30_000;

const hearers = new Set<(news: News) => void>();
let source: EventSource | null = null;
let hiding: number | undefined;

/** Listen until the returned function is called; a page that nobody sees stops listening. */
export function listen(heard: (news: News) => void): () => void {
  hearers.add(heard);
  if (hearers.size === 1) {
    open();
    document.addEventListener("visibilitychange", shownOrHidden);
  }
  return () => {
    hearers.delete(heard);
    if (hearers.size === 0) {
      window.clearTimeout(hiding);
      document.removeEventListener("visibilitychange", shownOrHidden);
      close();
    }
  };
}

function tell(news: News) {
  for (const heard of hearers) {
    heard(news);
  }
}

function open() {
  source = new EventSource("/api/v1/events");
  for (const kind of KINDS) {
    source.addEventListener(kind, () => tell(kind));
  }
}

function close() {
  source?.close();
  source = null;
}

function shownOrHidden() {
  window.clearTimeout(hiding);
  if (document.hidden) {
    hiding = window.setTimeout(close, HIDDEN_MS);
  } else if (source === null) {
    open();
    tell("reset");
  }
}
