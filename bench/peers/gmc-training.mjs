/**
 * gmc's training loop in runs of so many steps: what `gmc train` runs, on the onnx engine. A step's time is all that the loop does for it: the
 * batch, the draws, the gradients, the update, the metrics, the check for faults.
 */
import { train } from "gmc/node";
import { compiledModel } from "./compiled.mjs";

/** `rows`: the data of `variable`, numbers of rows of shape `event`; `codes` where they are categories. */
export async function openTraining({ file, variable, rows, threads, steps, event = [784], codes = false }) {
  const width = event.reduce((a, b) => a * b, 1);
  const model = await compiledModel(file);
  const begun = performance.now();
  let firstStep;
  const runs = gate();
  let ms = [];
  let last = 0;
  void train(model, {
    data: { [variable]: { shape: [rows.length / width, ...event], data: codes ? Int32Array.from(rows) : rows } },
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
      runs.done({ ms: ms.slice(0, steps), last: -Object.values(record.values)[0] });
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
