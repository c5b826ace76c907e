/** One installation for all tests, made before the first: its calls are imported once. */
import { install } from "./installation";
import { OWNER } from "./people";

export default async function begin(): Promise<(() => Promise<void>) | undefined> {
  if (process.env.BLUEWHALE_PAGE !== undefined) {
    return undefined;
  }
  const site = await install();
  const made = await fetch(`${site.url}/api/v1/welcome`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token: site.token, display_name: "Ana Ruiz", ...OWNER }),
  });
  if (made.status !== 201) {
    await site.stop();
    throw new Error(`the first account was not made: ${made.status} ${await made.text()}`);
  }
  process.env.BLUEWHALE_PAGE = site.url;
  process.env.PBX_PORT = String(site.pbxPort);
  return site.stop;
}
