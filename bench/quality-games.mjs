/**
 * Trains dcgan.gm and mmd.gm, and their PyTorch twins for as many steps, and lets one classifier of the data judge samples of both.
 *
 *     node bench/quality-games.mjs [--only dcgan,mmd] [--steps N] [--seed N] [--threads N]
 *
 * The classifier is that of `classifier_test`: seeded, the same for both. Twins draw their own numbers, so compare over several seeds.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { loadDataset, train } from "gmc/node";
import { compiledModel } from "./peers/compiled.mjs";
import { pictures } from "./pictures.mjs";

const { values: flags } = parseArgs({
  options: {
    only: { type: "string", default: "dcgan,mmd" },
    steps: { type: "string" },
    seed: { type: "string", default: "0" },
    threads: { type: "string", default: "2" },
  },
});
const seed = Number(flags.seed);
const threads = Number(flags.threads);
const DRAWN = 2000;
const models = [
  { name: "dcgan", steps: 3000 },
  { name: "mmd", steps: 2400 },
].filter(({ name }) => flags.only.split(",").includes(name));

const rows = [];
const folder = mkdtempSync(join(os.tmpdir(), "gmc-quality-"));
try {
  const source = join(folder, "pictures.f32");
  writeFileSync(source, pictures(60000));
  for (const { name, steps: own } of models) {
    const steps = Number(flags.steps ?? own);
    const model = await compiledModel(`../../examples/${name}.gm`);
    const data = await loadDataset("mnist", model.streams, { base: folder });
    const began = performance.now();
    const trained = await train(model, { data, engine: "onnx", engineOptions: { threads }, seed, steps });
    const seconds = (performance.now() - began) / 1000;
    const { metrics } = await trained.evaluate({ terms: false, reconstruction: false });
    rows.push({ name, steps, by: "gmc", seconds, result: metrics.quality });
    const target = join(folder, `${name}.f32`);
    const script = fileURLToPath(new URL("peers/quality_torch.py", import.meta.url));
    const started = performance.now();
    const twin = spawnSync("python3", [script, name, steps, seed, threads, source, DRAWN, target].map(String), {
      stdio: ["ignore", "ignore", "inherit"],
    });
    if (twin.status === 0) {
      const bytes = readFileSync(target);
      const samples = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
      const result = await trained.judge("quality", { shape: [DRAWN, 784], data: samples });
      rows.push({ name, steps, by: "PyTorch", seconds: (performance.now() - started) / 1000, result });
    } else console.error(`${name}: PyTorch is not installed here, or its twin failed; left out`);
    await trained.close();
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

console.log(`\n${os.cpus()[0]?.model ?? "unknown CPU"}, ${threads} threads, Node ${process.version}; seed ${seed}\n`);
console.log("| model | steps | by | Frechet distance | training rows | precision | recall | classes apart | classifier | seconds |");
console.log("|---|---:|---|---:|---:|---:|---:|---:|---:|---:|");
for (const { name, steps, by, seconds, result } of rows) {
  const { detail, classifier } = result;
  const numbers = [result.value, ...["training rows", "precision", "recall", "classes apart"].map((key) => detail[key])];
  const shown = numbers.map((v, i) => v.toFixed(i < 2 ? 1 : 3)).join(" | ");
  console.log(`| ${name} | ${steps} | ${by} | ${shown} | ${(100 * classifier.accuracy).toFixed(1)} % | ${seconds.toFixed(0)} |`);
}
