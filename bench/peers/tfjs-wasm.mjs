/** Peer: the VAE step in TensorFlow.js by hand, on its WebAssembly backend (SIMD; in Node it has one thread). */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import { initialWeights, vae } from "../vae.mjs";

export const version = `tfjs ${tf.version.tfjs}, wasm backend`;

export async function open({ data: pictures }) {
  setWasmPaths(join(dirname(createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm")), "/"));
  await tf.setBackend("wasm");
  await tf.ready();
  const w = Object.fromEntries(
    Object.entries(initialWeights()).map(([name, { shape, data }]) => [name, tf.variable(tf.tensor(data, shape))]),
  );
  const optimizer = tf.train.adam(vae.rate, vae.beta1, vae.beta2, vae.epsilon);
  const size = vae.batch * vae.pixels;
  const xs = Array.from({ length: pictures.length / size }, (_, i) =>
    tf.tensor(pictures.subarray(i * size, (i + 1) * size), [vae.batch, vae.pixels]),
  );
  const dense = (h, layer) => tf.add(tf.matMul(h, w[`${layer}.kernel`]), w[`${layer}.bias`]);
  const loss = (x) => {
    const h = tf.relu(dense(x, "encoder"));
    const [mu, logVar] = [dense(h, "loc"), dense(h, "logVar")];
    const z = tf.add(mu, tf.mul(tf.exp(tf.mul(logVar, 0.5)), tf.randomNormal([vae.batch, vae.latent])));
    const logits = dense(tf.relu(dense(z, "decoder")), "output");
    // the stable form of the cross-entropy, as in tf.losses.sigmoidCrossEntropy
    const bce = tf.sum(tf.add(tf.sub(tf.relu(logits), tf.mul(x, logits)), tf.log1p(tf.exp(tf.neg(tf.abs(logits))))));
    const kl = tf.mul(0.5, tf.sum(tf.sub(tf.sub(tf.add(tf.square(mu), tf.exp(logVar)), logVar), 1)));
    return tf.div(tf.add(bce, kl), vae.batch);
  };
  let count = 0;
  return {
    async step() {
      const x = tf.tidy(() => tf.cast(tf.less(tf.randomUniform([vae.batch, vae.pixels]), xs[count++ % xs.length]), "float32"));
      const value = optimizer.minimize(() => loss(x), true);
      const [number] = await value.data();
      tf.dispose([x, value]);
      return number;
    },
  };
}
