/**
 * `node bench/convolutions.mjs [rounds]`: a convolution and its two gradients in each ONNX formulation that the onnx engine knows, at the shapes of
 * DCGAN, the convolutional VAE and PixelCNN (examples/). Prints milliseconds and marks what the engine takes; needs `npm run build`.
 *
 * Formulations take turns, in a new order each round, so that whatever else the machine does hits all alike; each counts with the median of its rounds,
 * beside the fastest tenth. Operands and results have channels last, as in gmc's graphs, so forms with channels first pay for transpositions here that
 * onnxruntime may cancel between neighbours: a choice that is close here is to be settled by the step of a model (`npm run bench -- --suite dcgan`).
 */
import os from "node:os";
import * as ort from "onnxruntime-node";
import { ModelBuilder, full } from "../dist/runtime/engines/onnx/builder.js";
import { convolution, convolutionWays } from "../dist/runtime/engines/onnx/lower-conv.js";
import { encodeModel } from "../dist/runtime/engines/onnx/proto.js";

const rounds = Number(process.argv[2] ?? 40);
const threads = Math.max(1, os.availableParallelism());

/** x [N, H, W, Cin], w [h, w, Cin, Cout], padded so that H / stride places are left. */
const layers = [
  ["dcgan, critic 1", [100, 28, 28, 1], [5, 5, 1, 32], 2],
  ["dcgan, critic 2", [100, 14, 14, 32], [5, 5, 32, 64], 2],
  ["conv_vae, encoder 1", [100, 28, 28, 1], [3, 3, 1, 32], 2],
  ["conv_vae, encoder 2", [100, 14, 14, 32], [3, 3, 32, 64], 2],
  ["pixelcnn, first", [50, 28, 28, 1], [7, 7, 1, 32], 1],
  ["pixelcnn, block 3x3", [50, 28, 28, 16], [3, 3, 16, 16], 1],
  ["pixelcnn, block 1x1", [50, 28, 28, 32], [1, 1, 32, 16], 1],
];

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
const tenth = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 10)];

function problems([, x, w, stride]) {
  const padding = [0, 1].map((i) => {
    const total = Math.max(0, (Math.ceil(x[i + 1] / stride) - 1) * stride + w[i] - x[i + 1]);
    return [total >> 1, total - (total >> 1)];
  });
  const y = [x[0], Math.ceil(x[1] / stride), Math.ceil(x[2] / stride), w[3]];
  const params = { stride: [stride, stride], padding, dilation: [1, 1], groups: 1 };
  return [
    { prim: "conv", params, shape: y, operands: [x, w] },
    { prim: "convInputGrad", params: { ...params, inputShape: x }, shape: x, operands: [y, w] },
    { prim: "convFilterGrad", params: { ...params, filterShape: w }, shape: w, operands: [x, y] },
  ];
}

/** The model of one node. */
function modelOf(lowering, { prim, params, shape, operands }) {
  const b = new ModelBuilder(prim);
  b.label = prim;
  const sources = operands.map((of, id) => ({ id, prim: "input", inputs: [], params: { name: `x${id}` }, shape: of, dtype: "f32" }));
  const node = { id: 2, prim, inputs: [0, 1], params, shape, dtype: "f32" };
  const nodes = [...sources, node];
  const values = sources.map((source) => ({ name: b.input(source.params.name, "f32", source.shape), shape: source.shape }));
  const value = (id) => values[id];
  const context = { b, node: (id) => nodes[id], value, full: (id) => full(b, value(id), nodes[id].shape), scalar: () => undefined };
  const result = lowering(context, node, values);
  b.output("y", "f32", shape, full(b, result, shape));
  return encodeModel(b.finish());
}

const wave = (shape) => {
  const data = new Float32Array(shape.reduce((a, n) => a * n, 1)).map((_, i) => Math.sin(i * 12.9898));
  return new ort.Tensor("float32", data, shape);
};
const options = { intraOpNumThreads: threads, executionMode: "sequential", logSeverityLevel: 4 };
const same = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)) === 0;

async function measure(problem) {
  const feeds = { x0: wave(problem.operands[0]), x1: wave(problem.operands[1]) };
  const taken = modelOf(convolution[problem.prim], problem);
  const ways = [];
  for (const [name, lowering] of Object.entries(convolutionWays[problem.prim])) {
    if (name === "reversed Conv" && problem.params.stride[0] !== 1) continue;
    const bytes = modelOf(lowering, problem);
    const session = await ort.InferenceSession.create(bytes, options);
    const { y } = await session.run(feeds);
    ways.push({ name, session, y: y.data, taken: same(bytes, taken), ms: [] });
  }
  const size = Math.sqrt(ways[0].y.reduce((sum, v) => sum + v * v, 0) / ways[0].y.length);
  for (const way of ways)
    if (way.y.some((v, i) => Math.abs(v - ways[0].y[i]) > 1e-3 * size)) throw new Error(`${way.name} computes something else`);
  for (let round = 0; round < rounds; round += 1) {
    for (let i = 0; i < ways.length; i += 1) {
      const way = ways[(i + round) % ways.length];
      const begun = performance.now();
      await way.session.run(feeds);
      way.ms.push(performance.now() - begun);
    }
  }
  for (const way of ways) await way.session.release();
  return ways;
}

console.log(
  `onnxruntime ${ort.env.versions.node}, ${os.cpus()[0].model.trim()}, ${threads} threads, ${rounds} rounds; ms: median (fastest tenth)\n`,
);
console.log(
  "| layer | computes | formulations; * is what the engine takes |\n| ----- | -------- | ---------------------------------------- |",
);
for (const layer of layers) {
  for (const problem of problems(layer)) {
    const ways = await measure(problem);
    const cells = ways.map((way) => `${way.name}${way.taken ? "*" : ""} ${median(way.ms).toFixed(2)} (${tenth(way.ms).toFixed(2)})`);
    console.log(`| ${layer[0]} | ${{ conv: "y", convInputGrad: "dx", convFilterGrad: "dw" }[problem.prim]} | ${cells.join("; ")} |`);
  }
}
