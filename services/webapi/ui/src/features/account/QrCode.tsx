import { generate } from "lean-qr";
import css from "./account.module.css";

const QUIET_ZONE = 4;

/** A text as a QR code, drawn here: no other host learns what it says. */
export function QrCode({ text, label }: { text: string; label: string }) {
  const code = generate(text);
  const cells: string[] = [];
  for (let y = 0; y < code.size; y += 1) {
    for (let x = 0; x < code.size; x += 1) {
      if (code.get(x, y)) {
        cells.push(`M${x} ${y}h1v1h-1z`);
      }
    }
  }
  const side = code.size + 2 * QUIET_ZONE;
  return (
    <svg
      className={css.qr}
      viewBox={`${-QUIET_ZONE} ${-QUIET_ZONE} ${side} ${side}`}
      role="img"
      aria-label={label}
      shapeRendering="crispEdges"
    >
      <path d={cells.join("")} />
    </svg>
  );
}
