// Runs before the first paint: the reader's colours, or those of the system.
(() => {
  let kept = null;
  try {
    kept = localStorage.getItem("bluewhale-theme");
  } catch {
    // storage may be switched off
  }
  const dark =
    kept === "dark" || (kept !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
})();
