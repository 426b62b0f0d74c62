/** Writes checkpoints without end, for the test that kills it: tensors of a size that takes a while, every value the step's number. */
import { saveCheckpoint } from "../../src/runtime/node/checkpoint.js";

const folder = process.argv[2]!;
for (let step = 1; ; step++) {
  saveCheckpoint(
    folder,
    {
      model: { name: "M", source: "s", compiler: "0", hyperparameters: {} },
      step,
      epoch: 0,
      seed: 0,
      engine: { name: "reference", detail: "", threads: null },
      versions: {},
      data: { spec: "none", provenance: [] },
      cursor: { step },
    },
    {
      a: { dtype: "f32", shape: [400_000], data: new Float32Array(400_000).fill(step) },
      b: { dtype: "i32", shape: [], data: Int32Array.of(step) },
    },
  );
  process.stdout.write(`${step}\n`);
}
