/**
 * Peer: the VAE step as a person would build it by hand as one ONNX graph: binarisation, forward, backward and Adam all inside,
 * textbook formulas, ONNX's own operators (Softplus, Bernoulli, RandomNormalLike). Weights and slots go in and come out of one run;
 * outputs are preallocated and swapped with the inputs after each step, the best such a graph can do.
 */
import ort from "onnxruntime-node";
import { encodeModel } from "../../dist/runtime/engines/onnx/proto.js";
import { initialWeights, vae } from "../vae.mjs";

export const version = `onnxruntime-node ${ort.env.versions.node}`;

export async function open({ threads, data: pictures }) {
  const session = await ort.InferenceSession.create(naiveStep(), { intraOpNumThreads: threads, executionMode: "sequential" });
  const sides = [{}, {}];
  for (const [weight, { shape, data }] of Object.entries(initialWeights())) {
    const zeros = new Float32Array(data.length);
    const starts = { [weight]: data, [`m.${weight}`]: zeros, [`v.${weight}`]: zeros };
    for (const side of sides)
      for (const [key, start] of Object.entries(starts)) side[key] = new ort.Tensor("float32", start.slice(), shape);
  }
  const loss = new ort.Tensor("float32", new Float32Array(1), []);
  const size = vae.batch * vae.pixels;
  const xs = Array.from(
    { length: pictures.length / size },
    (_, i) => new ort.Tensor("float32", pictures.slice(i * size, (i + 1) * size), [vae.batch, vae.pixels]),
  );
  const scalar = (value) => new ort.Tensor("float32", Float32Array.of(value), []);
  let t = 0;
  return {
    async step() {
      const x = xs[t % xs.length];
      const [from, to] = t % 2 === 0 ? sides : [sides[1], sides[0]];
      t += 1;
      const feeds = { x, c1: scalar(1 / (1 - vae.beta1 ** t)), c2: scalar(1 / (1 - vae.beta2 ** t)), ...from };
      const fetches = { loss, ...Object.fromEntries(Object.entries(to).map(([key, tensor]) => [`new.${key}`, tensor])) };
      await session.run(feeds, fetches);
      return loss.data[0];
    },
  };
}

function naiveStep() {
  const { batch, pixels, hidden, latent } = vae;
  const nodes = [];
  const initializers = [];
  const attribute = (value) => ({ kind: Number.isInteger(value) ? "int" : "float", value });
  const node = (op, inputs, attributes = {}, output = `t${nodes.length}`) => {
    const list = Object.entries(attributes).map(([key, value]) => [key, attribute(value)]);
    nodes.push({ op, domain: "", name: output, inputs, outputs: [output], attributes: Object.fromEntries(list) });
    return output;
  };
  const constant = (value) => {
    const key = `constant${initializers.length}`;
    initializers.push([key, { type: "f32", shape: [], bytes: new Uint8Array(Float32Array.of(value).buffer) }]);
    return key;
  };
  initializers.push(["axes", { type: "i64", shape: [1], bytes: new Uint8Array(BigInt64Array.of(0n).buffer) }]);
  const columnSum = (g) => node("ReduceSum", [g, "axes"], { keepdims: 0 });
  const sum = (x) => node("ReduceSum", [x], { keepdims: 0 });
  const mul = (a, b, output) => node("Mul", [a, b], {}, output);
  const add = (a, b, output) => node("Add", [a, b], {}, output);
  const sub = (a, b, output) => node("Sub", [a, b], {}, output);
  const half = constant(0.5);
  const one = constant(1);
  const zero = constant(0);
  const perRow = constant(1 / batch);

  // forward
  const x = node("Bernoulli", ["x"]);
  const dense = (h, layer) => node("Gemm", [h, `${layer}.kernel`, `${layer}.bias`]);
  const h1 = node("Relu", [dense(x, "encoder")]);
  const mu = dense(h1, "loc");
  const logVar = dense(h1, "logVar");
  const std = node("Exp", [mul(half, logVar)]);
  const noise = node("RandomNormalLike", [mu]);
  const z = add(mu, mul(std, noise));
  const h2 = node("Relu", [dense(z, "decoder")]);
  const logits = dense(h2, "output");
  const bce = sum(sub(node("Softplus", [logits]), mul(x, logits)));
  const variance = node("Exp", [logVar]);
  const kl = mul(half, sum(sub(sub(add(mul(mu, mu), variance), logVar), one)));
  mul(add(bce, kl), perRow, "loss");

  // backward
  const gradients = {};
  const backDense = (layer, input, g) => {
    gradients[`${layer}.kernel`] = node("Gemm", [input, g], { transA: 1 });
    gradients[`${layer}.bias`] = columnSum(g);
    return node("Gemm", [g, `${layer}.kernel`], { transB: 1 });
  };
  const gate = (g, h) => node("Where", [node("Greater", [h, zero]), g, zero]);
  const gLogits = mul(sub(node("Sigmoid", [logits]), x), perRow);
  const gZ = backDense("decoder", z, gate(backDense("output", h2, gLogits), h2));
  const gMu = add(gZ, mul(mu, perRow));
  const gLogVar = add(mul(half, mul(gZ, mul(std, noise))), mul(mul(half, perRow), sub(variance, one)));
  const gH1 = add(backDense("loc", h1, gMu), backDense("logVar", h1, gLogVar));
  const gPre = gate(gH1, h1);
  gradients["encoder.kernel"] = node("Gemm", [x, gPre], { transA: 1 });
  gradients["encoder.bias"] = columnSum(gPre);

  // Adam
  const beta1 = constant(vae.beta1);
  const beta2 = constant(vae.beta2);
  const rest1 = constant(1 - vae.beta1);
  const rest2 = constant(1 - vae.beta2);
  const rate = constant(vae.rate);
  const epsilon = constant(vae.epsilon);
  for (const [weight, g] of Object.entries(gradients)) {
    const m = add(mul(beta1, `m.${weight}`), mul(rest1, g), `new.m.${weight}`);
    const v = add(mul(beta2, `v.${weight}`), mul(rest2, mul(g, g)), `new.v.${weight}`);
    const step = node("Div", [mul(rate, mul(m, "c1")), add(node("Sqrt", [mul(v, "c2")]), epsilon)]);
    sub(weight, step, `new.${weight}`);
  }

  const scalar = (key) => ({ name: key, type: "f32", shape: [] });
  const layers = {
    encoder: [pixels, hidden],
    loc: [hidden, latent],
    logVar: [hidden, latent],
    decoder: [latent, hidden],
    output: [hidden, pixels],
  };
  const shapes = Object.entries(layers).flatMap(([layer, [n, m]]) => [
    [`${layer}.kernel`, [n, m]],
    [`${layer}.bias`, [m]],
  ]);
  const store = shapes.flatMap(([key, shape]) => ["", "m.", "v."].map((prefix) => ({ name: prefix + key, type: "f32", shape })));
  return encodeModel({
    name: "naive",
    nodes,
    initializers,
    inputs: [{ name: "x", type: "f32", shape: [batch, pixels] }, scalar("c1"), scalar("c2"), ...store],
    outputs: [scalar("loss"), ...store.map((value) => ({ ...value, name: `new.${value.name}` }))],
  });
}
