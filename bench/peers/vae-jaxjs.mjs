/**
 * Dispatches of the VAE step 784-400-20-400-784 in jax-js: the whole step, draws and Adam included, as one jitted function on a WebGPU device.
 *
 *     npm i --no-save @jax-js/jax && node bench/peers/vae-jaxjs.mjs [steps]
 *
 * jax-js is made for browsers: Dawn stands in for `navigator.gpu`. Dispatches are counted where they are encoded. Prints one line of JSON: the version,
 * dispatches of each step (the first ones compile and start), milliseconds of the last, losses.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { create, globals } from "webgpu";
import { pictures } from "../pictures.mjs";

Object.assign(globalThis, globals);
Object.defineProperty(globalThis, "navigator", { value: { gpu: create([]), userAgent: "Chrome" }, configurable: true });

let dispatches = 0;
const { prototype } = globals.GPUComputePassEncoder;
for (const name of ["dispatchWorkgroups", "dispatchWorkgroupsIndirect"]) {
  const encode = prototype[name];
  prototype[name] = function (...sizes) {
    dispatches += 1;
    return encode.apply(this, sizes);
  };
}

const { blockUntilReady, defaultDevice, init, jit, nn, numpy: np, random, tree, valueAndGrad } = await import("@jax-js/jax");
await init("webgpu");
defaultDevice("webgpu");

const [BATCH, PIXELS, HIDDEN, LATENT, RATE] = [128, 784, 400, 20, 1e-3];
const sizes = {
  encoder: [PIXELS, HIDDEN],
  loc: [HIDDEN, LATENT],
  logVar: [HIDDEN, LATENT],
  decoder: [LATENT, HIDDEN],
  output: [HIDDEN, PIXELS],
};

// a value that is read again is handed on as `.ref`: functions own their arguments
const dense = (p, x) => np.matmul(x, p.w).add(p.b);

function lossOf(params, x, noise) {
  const h = nn.relu(dense(params.encoder, x.ref));
  const mu = dense(params.loc, h.ref);
  const logVar = dense(params.logVar, h);
  const z = mu.ref.add(noise.mul(np.exp(logVar.ref.mul(0.5))));
  const logits = dense(params.output, nn.relu(dense(params.decoder, z)));
  const bce = nn.softplus(logits.ref).sub(x.mul(logits)).sum(-1);
  const kl = logVar.ref.add(1).sub(np.square(mu)).sub(np.exp(logVar)).sum(-1).mul(-0.5);
  return bce.add(kl).mean();
}

const step = jit((params, m, v, count, key, probabilities) => {
  const [draw, noise] = [random.split(key.ref, 2).ref.slice(0), random.split(key, 2).slice(1)];
  const x = random.uniform(draw, [BATCH, PIXELS]).less(probabilities).astype(np.float32);
  const [loss, grads] = valueAndGrad(lossOf)(tree.ref(params), x, random.normal(noise, [BATCH, LATENT]));
  const mNext = tree.map((a, g) => a.mul(0.9).add(g.mul(0.1)), m, tree.ref(grads));
  const vNext = tree.map((a, g) => a.mul(0.999).add(np.square(g).mul(0.001)), v, grads);
  const first = np.subtract(1, np.power(0.9, count.ref));
  const second = np.subtract(1, np.power(0.999, count));
  const moved = tree.map(
    (p, a, b) =>
      p.sub(
        a
          .div(first.ref)
          .mul(RATE)
          .div(np.sqrt(b.div(second.ref)).add(1e-8)),
      ),
    params,
    tree.ref(mNext),
    tree.ref(vNext),
  );
  return [moved, mNext, vNext, loss];
});

const starts = Object.entries(sizes).map(([name, [rows, columns]], i) => {
  const bound = Math.sqrt(6 / (rows + columns));
  return [name, { w: random.uniform(random.key(i), [rows, columns], { minval: -bound, maxval: bound }), b: np.zeros([columns]) }];
});
let params = Object.fromEntries(starts);
let m = tree.map((a) => np.zeros(a.shape), params);
let v = tree.map((a) => np.zeros(a.shape), params);
const rows = np.array(Float32Array.from(pictures(BATCH))).reshape([BATCH, PIXELS]);
const counted = [];
const losses = [];
let ms = 0;
for (let count = 1; count <= Number(process.argv[2] ?? 5); count += 1) {
  const [t, key, batch] = [np.array(count, { dtype: np.float32 }), random.key(count), rows.ref];
  await blockUntilReady([t.ref, key.ref, batch.ref]);
  dispatches = 0;
  const begun = performance.now();
  let loss;
  [params, m, v, loss] = step(params, m, v, t, key, batch);
  await blockUntilReady(tree.ref([params, m, v, loss]));
  ms = performance.now() - begun;
  counted.push(dispatches);
  losses.push((await loss.data())[0]);
}
const { version } = JSON.parse(
  readFileSync(
    createRequire(import.meta.url)
      .resolve("@jax-js/jax")
      .replace(/dist\/.*$/u, "package.json"),
    "utf8",
  ),
);
console.log(JSON.stringify({ version: `jax-js ${version}`, dispatches: counted, ms, losses }));
process.exit(0);
