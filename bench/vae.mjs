/** What every peer of the benchmark runs: the sizes, the optimiser and the first weights of the VAE step 784-400-20-400-784. */
export const vae = { batch: 128, pixels: 784, hidden: 400, latent: 20, rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

/** A small reproducible generator (mulberry32) for weights and pictures; the peers draw their noise with their own. */
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

/** Batches of pixel probabilities. MNIST where it is installed, else blobs of as many bright pixels (19 % on). */
export async function pictureBatches(count) {
  const next = uniforms(11);
  const batches = [];
  for (let b = 0; b < count; b += 1) {
    const batch = new Float32Array(vae.batch * vae.pixels);
    for (let row = 0; row < vae.batch; row += 1) {
      const cx = 8 + 12 * next();
      const cy = 8 + 12 * next();
      const a = 3 + 4 * next();
      const c = 3 + 6 * next();
      for (let i = 0; i < vae.pixels; i += 1) {
        const dx = ((i % 28) - cx) / a;
        const dy = (Math.floor(i / 28) - cy) / c;
        batch[row * vae.pixels + i] = Math.max(0, Math.min(1, 1.6 - dx * dx - dy * dy));
      }
    }
    batches.push(batch);
  }
  return batches;
}
