/** The RBM whose log Z the peers estimate: 784 and 500 units, a random kernel, biases 0. */
export const rbm = { visible: 784, hidden: 500 };

/** Normal entries of deviation 0.1, from a small reproducible generator (mulberry32). */
export function firstKernel() {
  let a = 7;
  const uniform = () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = a;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 4294967296;
  };
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  return Float32Array.from({ length: rbm.visible * rbm.hidden }, () => 0.1 * normal());
}
