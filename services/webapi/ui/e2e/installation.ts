/** A real installation for the browser: the example site with its calls, served on a free port. */
import { execFileSync, spawn } from "node:child_process";
import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const EXAMPLE = new URL("../../../../examples/small-site", import.meta.url).pathname;
const PROGRAM = process.env.BLUEWHALE ?? "bluewhale";
const LINES = {
  "hq-avaya-cdr": "avaya.txt",
  "hq-cucm-cdr": "cdr_BerlinCluster_01_202504161300_41",
  "london-asterisk-cdr": "Master.csv",
};
const WELCOME = /Open (\S+)\/welcome\?token=(\S+)/;

export interface Installation {
  readonly url: string;
  /** Of the one-time link. */
  readonly token: string;
  readonly stop: () => Promise<void>;
}

export async function install(): Promise<Installation> {
  const folder = join(mkdtempSync(join(tmpdir(), "bluewhale-page-")), "site");
  cpSync(EXAMPLE, folder, { recursive: true });
  for (const [link, file] of Object.entries(LINES)) {
    execFileSync(
      PROGRAM,
      ["import", "--link", link, join(folder, "lines", file), "--config", folder],
      { stdio: "pipe" },
    );
  }
  await deaf(join(folder, "bluewhale.yaml"));
  const server = spawn(PROGRAM, ["up", "--config", folder], { stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise<void>((resolve) => server.once("exit", () => resolve()));
  let said = "";
  const [url, token] = await new Promise<[string, string]>((resolve, reject) => {
    const heard = (bytes: Buffer) => {
      said += bytes.toString();
      const found = WELCOME.exec(said);
      if (found?.[1] !== undefined && found[2] !== undefined) {
        resolve([found[1], found[2]]);
      }
    };
    server.stdout.on("data", heard);
    server.stderr.on("data", heard);
    void ended.then(() => reject(new Error(`the server ended: ${said}`)));
  });
  return {
    url,
    token,
    stop: async () => {
      server.kill("SIGTERM");
      await ended;
      rmSync(join(folder, ".."), { recursive: true });
    },
  };
}

/** Put what listens on free ports. */
async function deaf(path: string): Promise<void> {
  const text = readFileSync(path, "utf8");
  const [link, monitor] = [await freePort(), await freePort()];
  const moved = text
    .replace(/(type: tcp_server.*port:) \d+/, `$1 ${link}`)
    .replace(/(monitor: \{port:) \d+/, `$1 ${monitor}`);
  writeFileSync(path, moved);
  appendFileSync(path, "\nweb:\n  listen: 127.0.0.1:0\n");
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
