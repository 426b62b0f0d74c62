/**
 * `npm run bench`: gmc against its peers; prints one Markdown table for each suite.
 *
 *     node bench/run.mjs [--suite NAMES|all] [--rounds N] [--steps N] [--threads N] [--only gmc,torch]
 *     node bench/run.mjs gpu …   see gpu/run.mjs
 *
 * Each peer is a process of its own. They take turns, a run of `steps` steps each, in a new order each round, so that whatever else the
 * machine does hits all alike; a peer that waits for its turn is idle. A run counts with the median of its steps, a peer with the median of
 * its runs; ratios are medians of the ratios within a round. The fastest tenth, of all steps, is what the machine can do when nobody disturbs.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

if (process.argv[2] === "gpu") {
  const { status } = spawnSync(process.execPath, [fileURLToPath(new URL("gpu/run.mjs", import.meta.url)), ...process.argv.slice(3)], {
    stdio: "inherit",
  });
  process.exit(status ?? 1);
}
const SUITES = ["vae", "iwae", "cd", "ais", "made", "nade", "realnvp", "glow", "pixelcnn", "wavenet", "gan", "dcgan", "wgan_gp"];
const { values: flags } = parseArgs({
  options: {
    suite: { type: "string", default: "vae" },
    rounds: { type: "string" },
    steps: { type: "string" },
    threads: { type: "string", default: String(physicalCores()) },
    only: { type: "string" },
  },
});
const path = (file) => fileURLToPath(new URL(file, import.meta.url));
const wanted = flags.suite === "all" ? SUITES : flags.suite.split(",");
for (const name of wanted) if (!SUITES.includes(name)) throw new Error(`no suite ${name}: ${SUITES.join(", ")}, all`);
for (const name of wanted) console.log(`${await runSuite((await import(`./suites/${name}.mjs`)).default)}\n`);

async function runSuite(suite) {
  const rounds = Number(flags.rounds ?? suite.rounds);
  const steps = Number(flags.steps ?? suite.steps);
  const folder = mkdtempSync(join(os.tmpdir(), "gmc-bench-"));
  const peers = [];
  try {
    const data = join(folder, "data.f32");
    writeFileSync(data, suite.data());
    for (const name of flags.only?.split(",") ?? Object.keys(suite.peers)) {
      const peer = suite.peers[name];
      if (peer === undefined) throw new Error(`no peer ${name}: ${Object.keys(suite.peers).join(", ")}`);
      if (peer.needs && !runs("python3", ["-c", `import ${peer.needs}`])) console.error(`${peer.label}: not installed here, left out`);
      else peers.push({ name, label: peer.label, runs: [], steps: [], ...(await start(peer, [flags.threads, data, String(steps)])) });
    }
    // round -1 warms up, where there are several
    for (let round = rounds > 1 ? -1 : 0; round < rounds; round += 1) {
      const order = peers.map((_, i) => peers[(i + round + peers.length) % peers.length]);
      for (const peer of order) {
        const answer = await peer.ask();
        if (round >= 0) {
          peer.runs.push(median(answer.ms));
          peer.steps.push(...answer.ms);
        }
        peer.last = answer;
      }
      process.stderr.write(".");
    }
    process.stderr.write("\n");
  } finally {
    for (const peer of peers) peer.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  return table(suite, peers, `${rounds} ${rounds === 1 ? "round" : "rounds"} of ${steps} ${steps === 1 ? "step" : "steps"}`);
}

async function start({ module, script }, more) {
  const [command, args] = module ? [process.execPath, [path("peer.mjs"), `./${module}`]] : ["python3", [path(script)]];
  const child = spawn(command, [...args, ...more], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${command} ${args.join(" ")} ended`);
    return JSON.parse(value);
  };
  const { version, note } = await answer();
  const ask = () => {
    child.stdin.write("run\n");
    return answer();
  };
  return { version, note, ask, stop: () => child.stdin.end() };
}

function table(suite, peers, rounds) {
  const base = peers[0];
  const number = (value, digits = 2) => value.toFixed(digits);
  const rows = peers.map((peer) => [
    peer.label,
    peer.version,
    number(median(peer.runs)),
    number(quantile(peer.steps, 0.1)),
    peer === base ? "" : number(median(peer.runs.map((own, i) => base.runs[i] / own))),
    number(peer.last.peakMiB, 0),
    number(peer.last.last, 1),
  ]);
  const head = ["", "version", `${suite.unit}, median`, "fastest tenth", `${base.name} / this`, "peak MiB", suite.last];
  const lines = [head, head.map((_, i) => (i < 2 ? "---" : "---:")), ...rows].map((row) => `| ${row.join(" | ")} |`);
  const cpu = os.cpus()[0]?.model ?? "?";
  return [
    `${suite.title}. ${rounds}.`,
    `${cpu}, ${os.cpus().length} CPUs, ${flags.threads} threads; ${os.type()} ${os.arch()}, Node ${process.version}.${base.note ? ` gmc: ${base.note}.` : ""}`,
    "",
    ...lines,
  ].join("\n");
}

function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return low + (high - low) * (at - Math.floor(at));
}

function median(values) {
  return quantile(values, 0.5);
}

function runs(command, args) {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}

/** Cores as `lscpu` counts them, where it is there; else what the system reports. */
function physicalCores() {
  const { stdout, status } = spawnSync("lscpu", ["-p=CORE,SOCKET"], { encoding: "utf8" });
  if (status !== 0) return os.cpus().length;
  return new Set(stdout.split("\n").filter((line) => line !== "" && !line.startsWith("#"))).size;
}
