/** What every peer of the benchmark runs: the VAE step 784-400-20-400-784, its first weights. */
export const vae = { batch: 128, pixels: 784, hidden: 400, latent: 20, rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

/** A small reproducible generator (mulberry32) for first weights and noise in the data; the peers draw the noise of their steps with their own. */
export function uniforms(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = a;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Glorot uniform kernels [in, out], zero biases. */
export function initialWeights() {
  const { pixels, hidden, latent } = vae;
  const layers = {
    encoder: [pixels, hidden],
    loc: [hidden, latent],
    logVar: [hidden, latent],
    decoder: [latent, hidden],
    output: [hidden, pixels],
  };
  const next = uniforms(7);
  const weights = {};
  for (const [layer, [n, m]] of Object.entries(layers)) {
    const limit = Math.sqrt(6 / (n + m));
    weights[`${layer}.kernel`] = { shape: [n, m], data: Float32Array.from({ length: n * m }, () => (2 * next() - 1) * limit) };
    weights[`${layer}.bias`] = { shape: [m], data: new Float32Array(m) };
  }
  return weights;
}
