/**
 * gmc: models/vae-bench.gm through the compiler, staging, differentiation and simplification, trained by the loop that `gmc train` runs, on the
 * onnx engine. A step's time is all that the loop does for it: the batch, the draws, the gradients, Adam, the metrics, the check for faults.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { compile } from "gmc";
import { train } from "gmc/node";
import { vae } from "../vae.mjs";

const source = new URL("../models/vae-bench.gm", import.meta.url);

export const version = `gmc ${JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version}`;

export async function open({ threads, pictures, steps }) {
  const model = await compiledModel();
  const begun = performance.now();
  let firstStep;
  const runs = gate();
  let ms = [];
  let last = 0;
  void train(model, {
    data: { x: { shape: [pictures.length / vae.pixels, vae.pixels], data: pictures } },
    engine: "onnx",
    engineOptions: { threads },
    seed: 1,
    // until the process ends
    epochs: 1e6,
    recordEvery: steps,
    onStep: () => {
      const now = performance.now();
      firstStep ??= now - begun;
      ms.push(now - last);
      last = now;
    },
    onRecord: async (record) => {
      if (ms.length < steps) return;
      runs.done({ ms: ms.slice(0, steps), loss: -Object.values(record.values)[0] });
      await runs.next();
      ms = [];
      last = performance.now();
    },
  }).catch((error) => {
    console.error(error);
    process.exit(1);
  });
  // the first run warms up
  await runs.finished();
  return {
    note: `first step after ${Math.round(firstStep)} ms`,
    run: () => {
      runs.start();
      return runs.finished();
    },
  };
}

async function compiledModel() {
  const text = readFileSync(source, "utf8");
  const compiled = compile({ path: fileURLToPath(source), text });
  if (compiled.derived === undefined) throw new Error(JSON.stringify(compiled.diagnostics));
  // inside the package, where generated code finds gmc/runtime
  const folder = new URL("../../.tmp/", import.meta.url);
  const file = fileURLToPath(new URL(`bench-${process.pid}.mjs`, folder));
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, compiled.print("js"));
  try {
    return (await import(pathToFileURL(file))).model;
  } finally {
    rmSync(file);
  }
}

/** Lets the training loop wait between runs. */
function gate() {
  let open;
  let finish;
  let waiting = new Promise((resolve) => (open = resolve));
  let result = new Promise((resolve) => (finish = resolve));
  return {
    start: () => open(),
    next: () => waiting,
    done: (value) => {
      finish(value);
      waiting = new Promise((resolve) => (open = resolve));
    },
    finished: async () => {
      const value = await result;
      result = new Promise((resolve) => (finish = resolve));
      return value;
    },
  };
}
