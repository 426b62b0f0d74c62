/**
 * `npm run bench -- gpu`: a training step of each family on the webgpu engine, beside its peers in Python where they are there; prints one Markdown table.
 *
 *     node bench/gpu/run.mjs [--only vae,gan] [--seconds 5] [--peers] [--python python3] [--peak-tflops 67 --peak-gbs 4800]
 *
 * For `ais` a step is a run of 100 chains, of 10,000 temperatures on a card and 50 elsewhere; its log Z goes to standard error.
 * Milliseconds a step are of the training loop as `gmc train` runs it, data on the device. Dispatches, FLOPs and bytes are the planner's (`gmc explain
 * --kernels`). Shares are of the device's peak in float32 and of its bandwidth, as `gmc explain --kernels` measures both on the device and keeps them, or as flags
 * tell them. A software device is named as one. Peers run on CUDA where PyTorch or JAX find it; `--peers` runs them on the processor too, which says nothing of a card.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { train } from "gmc/node";
import { openDevice } from "../../dist/runtime/engines/webgpu/device.js";
import { webgpuEngine } from "../../dist/runtime/engines/webgpu/index.js";
import { peaksOf } from "../../dist/runtime/engines/webgpu/roofline.js";
import { Choices } from "../../dist/runtime/engines/webgpu/tuning-file.js";
import { compiledModel } from "../peers/compiled.mjs";
import { openAis } from "../peers/gmc-ais.mjs";
import { firstKernel } from "../peers/rbm.mjs";

const { values: flags } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: "string" },
    seconds: { type: "string", default: "5" },
    peers: { type: "boolean", default: false },
    python: { type: "string", default: "python3" },
    "peak-tflops": { type: "string" },
    "peak-gbs": { type: "string" },
  },
});

/** Models by family; peers are files of bench/peers, `rows` the numbers of a batch that they read. A family with `run` has no training step: it counts with a run of AIS. */
const families = {
  vae: { file: "vae-bench.gm", torch: "vae_torch.py", jax: "vae_jax.py", rows: 128 * 784 },
  iwae: { file: "../../examples/iwae.gm", torch: "iwae_torch.py", jax: "iwae_jax.py", rows: 100 * 784 },
  rbm: { file: "rbm-bench.gm", torch: "cd_torch.py", jax: "cd_jax.py", rows: 100 * 784 },
  ais: { file: "rbm-bench.gm", torch: "ais_torch.py", jax: "ais_jax.py", run: true },
  gan: { file: "gan-bench.gm", torch: "gan_torch.py", jax: "gan_jax.py", rows: 100 * 784 },
  realnvp: { file: "realnvp-bench.gm", torch: "realnvp_torch.py", jax: "realnvp_jax.py", rows: 256 * 64 },
  dcgan: { file: "dcgan-bench.gm", torch: "dcgan_torch.py", jax: "dcgan_jax.py", rows: 100 * 784 },
  glow: { file: "glow-bench.gm", torch: "glow_torch.py", jax: "glow_jax.py", rows: 16 * 32 * 32 * 3 },
  pixelcnn: { file: "../../examples/pixelcnn.gm", torch: "pixelcnn_torch.py", jax: "pixelcnn_jax.py", rows: 50 * 784 },
  made: { file: "made-bench.gm", torch: "made_torch.py", jax: "made_jax.py", rows: 100 * 784 },
};

const path = (file) => fileURLToPath(new URL(file, import.meta.url));
const probe = await webgpuEngine.probe();
if (!probe.available) {
  console.error(`no webgpu device: ${probe.detail}`);
  process.exit(1);
}
const told = { flops: flags["peak-tflops"], bytes: flags["peak-gbs"] };
const measured = await peaksOf(await openDevice(), await Choices.open());
const peak = {
  flops: told.flops === undefined ? measured.flops : Number(told.flops) * 1e12,
  bytes: told.bytes === undefined ? measured.bytes : Number(told.bytes) * 1e9,
};
const temperatures = probe.software ? 50 : 10000;
const cuda = {
  torch: succeeds("import torch; assert torch.cuda.is_available()"),
  jax: succeeds("import jax; assert jax.devices()[0].platform == 'gpu'"),
};
const present = {
  torch: cuda.torch || (flags.peers && succeeds("import torch")),
  jax: cuda.jax || (flags.peers && succeeds("import jax")),
};
const folder = mkdtempSync(join(os.tmpdir(), "gmc-bench-"));
const head = ["family", "ms a step", "dispatches", "on the host", "share of FLOP/s", "share of bandwidth", "PyTorch eager", "PyTorch compiled", "JAX jit"]; // prettier-ignore
const where = probe.software ? "a software device: times say nothing of a card" : "hardware";
console.log(`${probe.detail.replace(/, a software adapter$/u, "")} (${where}), Node ${process.version}, ${os.type()} ${os.arch()}`);
const whose = (name) => (told[name] === undefined ? "measured on it" : "told");
console.log(
  `Peak: ${(peak.flops / 1e9).toPrecision(3)} GFLOP/s (${whose("flops")}), ${(peak.bytes / 1e9).toPrecision(3)} GB/s (${whose("bytes")}).`,
);
console.log(`Peers: PyTorch on ${deviceOf("torch")}, JAX on ${deviceOf("jax")}; ms a step.\n`);
const print = (cells) => console.log(`| ${cells.join(" | ")} |`);
print(head);
print(head.map((_, i) => (i === 0 ? "---" : "---:")));
const failures = [];
try {
  for (const name of flags.only?.split(",") ?? Object.keys(families)) {
    const family = families[name];
    if (family === undefined) throw new Error(`no family ${name}: ${Object.keys(families).join(", ")}`);
    // a row as soon as it is measured: a machine that is lent may go before the last
    print(await row(name, family));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
for (const failure of failures) console.log(`\n${failure}`);
process.exit(0);

async function row(name, { file, torch, jax, rows: numbers, run }) {
  const data = join(folder, `${name}.f32`);
  const peer = (script, kind, mode) => (script !== undefined && present[kind] ? python(script, data, kind, mode, run) : "");
  const peers = async () => [await peer(torch, "torch", "eager"), await peer(torch, "torch", "compiled"), await peer(jax, "jax", "eager")];
  if (run) {
    const kernel = firstKernel();
    writeFileSync(data, kernel);
    return [`${name}, ${temperatures} temperatures`, (await timedRun(kernel)).toPrecision(3), "", "", "", "", ...(await peers())];
  }
  if (numbers !== undefined) writeFileSync(data, Float32Array.from({ length: 10 * numbers }, random(1)));
  const explained = spawnSync(
    process.execPath,
    [path("../../dist/cli/main.js"), "explain", path(`../models/${file}`), "--kernels", "--no-measure", "--json"],
    {
      encoding: "utf8",
      maxBuffer: 2 ** 28,
    },
  );
  if (explained.status !== 0) throw new Error(explained.stderr);
  const { step } = JSON.parse(explained.stdout).phases[0];
  const ms = await timed(await compiledModel(file));
  const share = (amount, most) => (most > 0 ? `${((100 * amount) / ((ms / 1000) * most)).toFixed(1)} %` : "");
  return [
    name,
    ms.toPrecision(3),
    step.dispatches,
    step.host,
    share(step.flops, peak.flops),
    share(step.bytes, peak.bytes),
    ...(await peers()),
  ];
}

/** Milliseconds of a run of AIS, the second of two: the first compiles. */
async function timedRun(kernel) {
  const { step } = await openAis(kernel, { engine: "webgpu" }, temperatures);
  await step();
  const begun = performance.now();
  const logZ = await step();
  process.stderr.write(` log Z ${logZ.toFixed(1)} `);
  return performance.now() - begun;
}

/** Milliseconds of a step, after a warm-up of a third of the time. */
async function timed(model) {
  const seconds = Number(flags.seconds);
  const phase = model.train[0];
  const stop = new AbortController();
  const times = [];
  const begun = performance.now();
  await train(
    { ...model, train: [{ ...phase, steps: undefined, epochs: 1e6 }] },
    {
      data: dataOf(model, 8 * phase.batch),
      engine: "webgpu",
      seed: 1,
      recordEvery: 1e9,
      signal: stop.signal,
      onStep: () => {
        times.push(performance.now());
        if (times.at(-1) - begun > seconds * 1000 && times.length > 3) stop.abort();
      },
    },
  );
  const first = Math.max(1, Math.floor(times.length / 3));
  return (times.at(-1) - times[first - 1]) / (times.length - first);
}

/** Numbers of each variable's domain: how long a step takes does not depend on them. */
function dataOf(model, count) {
  const variables = Object.assign({}, ...model.streams);
  return Object.fromEntries(
    Object.entries(variables).map(([name, { shape, domain, classes }], i) => {
      const draw = random(i + 1);
      const length = count * shape.reduce((a, b) => a * b, 1);
      const of = {
        binary: () => (draw() < 0.3 ? 1 : 0),
        category: () => Math.floor(draw() * classes),
        count: () => Math.floor(draw() * 5),
        byte: () => Math.floor(draw() * 256),
        real: () => 2 * draw() - 1,
      };
      const data = Float32Array.from({ length }, of[domain] ?? (() => 0.05 + 0.9 * draw()));
      return [name, { shape: [count, ...shape], data: domain === "category" || domain === "byte" ? Int32Array.from(data) : data }];
    }),
  );
}

/** Numbers in [0, 1): a linear congruence, so that all peers read the same. */
function random(seed) {
  let state = seed >>> 0;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}

async function python(script, data, kind, mode, run = false) {
  const steps = run ? 1 : cuda[kind] ? 200 : 5;
  const child = spawn(flags.python, [path(`../peers/${script}`), String(os.availableParallelism()), data, String(steps)], {
    stdio: ["pipe", "pipe", "pipe"],
    env: {
      ...process.env,
      GMC_BENCH_DEVICE: cuda[kind] ? "cuda" : "cpu",
      GMC_BENCH_MODE: mode,
      GMC_BENCH_TEMPERATURES: String(temperatures),
    },
  });
  let errors = "";
  child.stderr.on("data", (text) => (errors = `${errors}${text}`.slice(-4000)));
  const runs = [];
  // the first warms up
  child.stdin.on("error", () => undefined);
  child.stdin.end("run\nrun\nrun\n");
  for await (const line of createInterface({ input: child.stdout })) {
    const { ms } = JSON.parse(line);
    if (ms !== undefined) runs.push(ms);
  }
  if (runs.length < 2) {
    failures.push(`${script}, ${mode}: ${errors.trim().split("\n").at(-1) || "no output"}`);
    return "failed";
  }
  const all = runs.slice(1).flat().sort((a, b) => a - b); // prettier-ignore
  return all[Math.floor(all.length / 2)].toPrecision(3);
}

function succeeds(code) {
  return spawnSync(flags.python, ["-c", code], { stdio: "ignore" }).status === 0;
}

function deviceOf(kind) {
  return cuda[kind] ? "CUDA" : present[kind] ? "the processor" : "nothing: not run";
}
