/** A real installation for the browser: the example site with its calls, served on a free port. */
import { execFileSync, spawn } from "node:child_process";
import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const EXAMPLE = new URL("../../../../examples/small-site", import.meta.url).pathname;
const PROGRAM = process.env.BLUEWHALE ?? "bluewhale";
const LINES = {
  "hq-avaya-cdr": ["avaya.txt", "again.txt"],
  "hq-cucm-cdr": ["cdr_BerlinCluster_01_202504161300_41"],
  "london-asterisk-cdr": ["Master.csv"],
};
/** Lines that wait in suspense, one for each size of window: there is no 25:61. */
const NO_SUCH_TIME = ["2561", "2562"]
  .map(
    (time) =>
      `180425 ${time} 00016 7       799                     112             299                           001               \r\n`,
  )
  .join("");
const RULES = `rules:
  - {rule: help, name: Somebody needs help, kind: emergency_call, severity: critical}
  - {rule: long, name: Long calls, kind: long_call, talk_minutes_min: 5, severity: info}
`;
const WELCOME = /Open (\S+)\/welcome\?token=(\S+)/;

export interface Installation {
  readonly url: string;
  /** Of the one-time link. */
  readonly token: string;
  /** Where the Avaya of the example would connect to. */
  readonly pbxPort: number;
  readonly stop: () => Promise<void>;
}

export async function install(): Promise<Installation> {
  const folder = join(mkdtempSync(join(tmpdir(), "bluewhale-page-")), "site");
  cpSync(EXAMPLE, folder, { recursive: true });
  const avaya = join(folder, "lines", "avaya.txt");
  // Two of its lines once more: they came twice, one for each size of window.
  const [first, second] = readFileSync(avaya, "latin1").split("\r\n");
  writeFileSync(join(folder, "lines", "again.txt"), `${first}\r\n${second}\r\n`, "latin1");
  appendFileSync(avaya, NO_SUCH_TIME);
  for (const [link, files] of Object.entries(LINES)) {
    const paths = files.map((file) => join(folder, "lines", file));
    execFileSync(PROGRAM, ["import", "--link", link, ...paths, "--config", folder], {
      stdio: "pipe",
    });
  }
  writeFileSync(join(folder, "alerts.yaml"), RULES);
  const pbxPort = await moved(join(folder, "bluewhale.yaml"));
  const server = spawn(PROGRAM, ["up", "--config", folder], { stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise<void>((resolve) => server.once("exit", () => resolve()));
  let said = "";
  const [url, token] = await new Promise<[string, string]>((resolve, reject) => {
    const heard = (bytes: Buffer) => {
      said += bytes.toString();
      if (bytes.includes('"level": "error"')) {
        console.error(bytes.toString());
      }
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
    pbxPort,
    stop: async () => {
      server.kill("SIGTERM");
      await ended;
      rmSync(join(folder, ".."), { recursive: true });
    },
  };
}

/** Put what listens on free ports; give that of the PBX. */
async function moved(path: string): Promise<number> {
  const text = readFileSync(path, "utf8");
  const [link, monitor] = [await freePort(), await freePort()];
  const free = text
    .replace(/(type: tcp_server.*port:) \d+/, `$1 ${link}`)
    .replace(/(monitor: \{port:) \d+/, `$1 ${monitor}`)
    .replace(/(web: \{listen: 127\.0\.0\.1:)\d+/, "$10");
  writeFileSync(path, `${free}\nalerts: alerts.yaml\n`);
  return link;
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
