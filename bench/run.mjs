/**
 * `npm run bench`: one training step of a VAE, gmc against its peers; prints one Markdown table.
 *
 *     node bench/run.mjs [--rounds 15] [--steps 40] [--threads N] [--only gmc,torch]
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
import { pictures } from "./vae.mjs";

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "15" },
    steps: { type: "string", default: "40" },
    threads: { type: "string", default: String(physicalCores()) },
    only: { type: "string" },
  },
});
const path = (file) => fileURLToPath(new URL(file, import.meta.url));
const js = (module) => ({ command: process.execPath, args: [path("peer.mjs"), module] });
const all = {
  gmc: { label: "gmc, `onnx` engine", ...js("./peers/gmc.mjs") },
  naive: { label: "one ONNX graph by hand", ...js("./peers/onnx-naive.mjs") },
  tfjs: { label: "TensorFlow.js by hand", ...js("./peers/tfjs-wasm.mjs") },
  torch: {
    label: "PyTorch",
    command: "python3",
    args: [path("peers/vae_torch.py")],
    present: () => runs("python3", ["-c", "import torch"]),
  },
};
const chosen = flags.only?.split(",") ?? Object.keys(all);

const folder = mkdtempSync(join(os.tmpdir(), "gmc-bench-"));
try {
  const data = join(folder, "pictures.f32");
  writeFileSync(data, pictures(40));
  const peers = [];
  for (const name of chosen) {
    const peer = all[name];
    if (peer === undefined) throw new Error(`no peer ${name}: ${Object.keys(all).join(", ")}`);
    if (peer.present && !peer.present()) console.error(`${peer.label}: not installed here, left out`);
    else peers.push({ name, label: peer.label, runs: [], steps: [], ...(await start(peer, [flags.threads, data, flags.steps])) });
  }
  for (let round = -1; round < Number(flags.rounds); round += 1) {
    const order = peers.map((_, i) => peers[(i + round + peers.length) % peers.length]);
    for (const peer of order) {
      const answer = await peer.ask();
      // round -1 warms up
      if (round >= 0) {
        peer.runs.push(median(answer.ms));
        peer.steps.push(...answer.ms);
      }
      peer.last = answer;
    }
    process.stderr.write(".");
  }
  process.stderr.write("\n");
  for (const peer of peers) peer.stop();
  console.log(table(peers));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function start({ command, args }, more) {
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

function table(peers) {
  const base = peers[0];
  const number = (value, digits = 2) => value.toFixed(digits);
  const rows = peers.map((peer) => [
    peer.label,
    peer.version,
    number(median(peer.runs)),
    number(quantile(peer.steps, 0.1)),
    peer === base ? "" : number(median(peer.runs.map((own, i) => base.runs[i] / own))),
    number(peer.last.peakMiB, 0),
    number(peer.last.loss, 1),
  ]);
  const head = ["", "version", "ms a step, median", "fastest tenth", `${base.name} / this`, "peak MiB", "loss"];
  const lines = [head, head.map((_, i) => (i < 2 ? "---" : "---:")), ...rows].map((row) => `| ${row.join(" | ")} |`);
  const cpu = os.cpus()[0]?.model ?? "?";
  return [
    `VAE 784-400-20-400-784, batch 128, Adam; pixels drawn and noise drawn in the step. ${flags.rounds} rounds of ${flags.steps} steps.`,
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
