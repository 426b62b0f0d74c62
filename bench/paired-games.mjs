/**
 * dcgan.gm or mmd.gm beside its PyTorch twin, both from the same weights.
 *
 *     node bench/paired-games.mjs [--only mmd] [--steps 400] [--seeds 8] [--threads N]    each draws its own batches and noise: is there a difference?
 *     node bench/paired-games.mjs --shared [--only mmd] [--steps 1,10,100]                the same batches and noise too: is it the same model?
 *
 * Samples of all seeds are judged by one classifier, so that they compare. Set PYTHON to an interpreter that has PyTorch.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { loadDataset, train } from "gmc/node";
import { datasetOf, initialState, leavesOf, sizeOf } from "gmc/runtime";
import { rowsOf, trainClassifier } from "../dist/runtime/eval/classifier.js";
import { frechetDistance, gaussianOf, precisionRecall } from "../dist/runtime/eval/frechet.js";
import { openTrainStream } from "../dist/runtime/data/streams.js";
import { compiledModel } from "./peers/compiled.mjs";
import { pictures } from "./pictures.mjs";
import { uniforms } from "./vae.mjs";

const { values: flags } = parseArgs({
  options: {
    only: { type: "string", default: "mmd" },
    shared: { type: "boolean", default: false },
    steps: { type: "string" },
    seeds: { type: "string", default: "8" },
    threads: { type: "string", default: "1" },
  },
});
const name = flags.only;
const threads = Number(flags.threads);
const running = { engine: "onnx", engineOptions: { threads } };
const DRAWN = 2000;

const folder = mkdtempSync(join(os.tmpdir(), "gmc-paired-"));
const at = (file) => join(folder, file);
const readFloats = (file) => {
  const bytes = readFileSync(at(file));
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
};

function twin(steps, seed, shared) {
  const script = fileURLToPath(new URL("peers/quality_torch.py", import.meta.url));
  const args = [script, name, steps, seed, threads, at("pictures"), DRAWN, at("written"), ...shared.map(at)].map(String);
  const { status } = spawnSync(process.env.PYTHON ?? "python3", args, { stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) throw new Error("PyTorch is not installed here, or its twin failed");
  return readFloats("written");
}

/** What a run of `seed` starts with, all leaves one after another. */
function writeStart(model, seed) {
  const leaves = leavesOf(model.weights).map(({ path, spec }) => Float32Array.from(initialState(spec, { seed, path })));
  writeFileSync(at("start"), joined(leaves));
  return leaves;
}

function joined(arrays) {
  const all = new Float32Array(arrays.reduce((n, a) => n + a.length, 0));
  arrays.reduce((from, a) => (all.set(a, from), from + a.length), 0);
  return all;
}

const norm = (a, b) => Math.sqrt(a.reduce((s, v, i) => s + (v - (b?.[i] ?? 0)) ** 2, 0));

/** Noise becomes data, so that both are given the same. */
function noiseGiven(text) {
  const edits = [
    [/y : category\[10\]/, "z : real[Z]"],
    [/ *latent z.*\n/, ""],
    [/ *z ~ .*\n/, ""],
    [/density p\(x, z\)/, "density p(x | z)"],
    [/ *evaluate \{[^}]*\}\n/, ""],
    [/, ema = [\d.]+/, ""],
  ];
  return edits.reduce((now, [from, to]) => now.replace(from, to), text);
}

async function sameModel(marks) {
  const model = await compiledModel(`../../examples/${name}.gm`, {}, noiseGiven);
  const { batch } = model.train[0];
  const [rows, width] = [batch * Math.max(...marks), sizeOf(model.streams[0].z.shape)];
  const x = pictures(Math.min(rows, 60000));
  const next = uniforms(23);
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  const z = Float32Array.from({ length: rows * width }, name === "mmd" ? () => 2 * next() - 1 : normal);
  const repeated = Float32Array.from({ length: rows * 784 }, (_, i) => x[i % x.length]);
  const dataset = datasetOf(model, {
    train: { x: { shape: [rows, ...model.streams[0].x.shape], data: repeated }, z: { shape: [rows, width], data: z } },
  });
  // in the order in which training takes them
  const stream = openTrainStream(dataset, { batch, seed: 0 });
  const taken = Array.from({ length: rows / batch }, () => {
    const { tensors } = stream.next();
    return [tensors.x.data.slice(), tensors.z.data.slice()];
  });
  writeFileSync(at("pictures"), joined(taken.map(([rows]) => rows)));
  writeFileSync(at("noise"), joined(taken.map(([, rows]) => rows)));
  const begun = writeStart(model, 0);
  console.log("| model | steps | weights apart, share of the way from the start | furthest leaf |\n|---|---:|---:|---|");
  for (const steps of marks) {
    const trained = await train(model, { data: dataset, ...running, seed: 0, steps });
    const stored = await trained.weights();
    trained.close();
    const other = twin(steps, 0, ["start", "noise"]);
    let from = 0;
    const leaves = leavesOf(model.weights).map(({ path }, i) => {
      const { data } = stored[path];
      const theirs = other.subarray(from, (from += data.length));
      return { path, apart: norm(data, theirs), way: norm(theirs, begun[i]) };
    });
    const total = (of) => Math.hypot(...leaves.map(of));
    const furthest = leaves.reduce((a, b) => (b.apart / b.way > a.apart / a.way ? b : a));
    const share = (leaf) => (leaf.apart / leaf.way).toExponential(1);
    const all = share({ apart: total((l) => l.apart), way: total((l) => l.way) });
    console.log(`| ${name} | ${steps} | ${all} | ${furthest.path} ${share(furthest)} |`);
  }
}

async function difference(steps, seeds) {
  const model = await compiledModel(`../../examples/${name}.gm`);
  const data = await loadDataset("mnist", model.streams);
  writeFileSync(at("pictures"), pictures(60000));
  let judge;
  const pairs = [];
  for (let seed = 0; seed < seeds; seed++) {
    writeStart(model, seed);
    const trained = await train(model, { data, ...running, seed, steps });
    const { method, variable } = model.evaluate.quality;
    judge ??= await fixedJudge(trained.session, model, data, { variable, labels: method.labels, steps: method.steps });
    const { values } = await trained.sample(DRAWN, { seed });
    const ours = await judge(values[variable].data);
    const theirs = await judge(twin(steps, seed, ["start"]));
    if (seed > 0) trained.close();
    pairs.push([ours, theirs]);
    console.log(`seed ${seed}: gmc ${shown(ours)}   PyTorch ${shown(theirs)}`);
  }
  for (const what of Object.keys(pairs[0][0])) {
    const apart = pairs.map(([a, b]) => a[what] - b[what]);
    const mean = apart.reduce((a, b) => a + b, 0) / seeds;
    const error = Math.sqrt(apart.reduce((s, v) => s + (v - mean) ** 2, 0) / (seeds - 1) / seeds);
    const side = (i) => (pairs.reduce((s, pair) => s + pair[i][what], 0) / seeds).toFixed(3);
    console.log(
      `${name}, ${steps} steps, ${seeds} seeds, ${what}: gmc ${side(0)}, PyTorch ${side(1)}, difference ${mean.toFixed(3)} ± ${error.toFixed(3)}`,
    );
  }
}

const shown = (judged) =>
  Object.entries(judged)
    .map(([what, v]) => `${what} ${v.toFixed(3)}`)
    .join(", ");

/** One classifier for samples of all seeds. */
async function fixedJudge(session, model, dataset, { variable, labels, steps }) {
  const classifier = await trainClassifier({ session, model, dataset, seed: 0, variable, labels, steps });
  const features = async (values) => (await classifier.judge(values, values.length / 784)).features;
  const real = await features(rowsOf(dataset, "test", { variable, labels, seed: 0, count: DRAWN }).values);
  const gaussian = gaussianOf(real);
  return async (values) => {
    const drawn = await features(values);
    const { precision, recall } = precisionRecall(real, drawn, 3);
    return { distance: frechetDistance(gaussian, gaussianOf(drawn)), precision, recall };
  };
}

try {
  if (flags.shared) await sameModel((flags.steps ?? "1,10,100").split(",").map(Number));
  else await difference(Number(flags.steps ?? 400), Number(flags.seeds));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
// the session of the classifier may hold threads
process.exit();
