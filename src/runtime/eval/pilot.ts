/**
 * Where the temperatures of annealed importance sampling lie, found by a short pilot run. In: log weights of the pilot's chains after each of its
 * steps. Out: inverse temperatures from 0 to 1, close together where the weights of a step vary, far apart where they do not.
 *
 * The variance that n steps add to a log weight is Σ (density of steps)^-1 (local variance); of a given n it is least where every step covers an
 * equal length of ∫ sqrt(Var_beta[dE/dbeta]) dbeta (Gelman & Meng 1998, section 3; Neal 2001, section 4). A pilot step from b to b' has weights of the
 * deviation sqrt(Var_b[dE/dbeta]) (b' - b), so its deviation is its length.
 */

/** Share of the final temperatures that follow the pilot's own, so that no stretch is left out for chance. */
const KEPT = 0.1;

/** The pilot's inverse temperatures, [steps + 1]: sin²(π i / 2 steps), dense at both ends, where hidden units begin to choose and where modes part. */
export function pilotTemperatures(steps: number): Float32Array {
  return Float32Array.from({ length: steps + 1 }, (_, i) => (i === steps ? 1 : Math.sin((Math.PI * i) / (2 * steps)) ** 2));
}

/**
 * Inverse temperatures [steps + 1], rising from 0 to 1. `betas` [n + 1] are the pilot's, `logs` its n + 1 sets of log weights [chains], before the first
 * step and after each. Equal shares of length; inside a pilot step evenly.
 */
export function spacedTemperatures(betas: ArrayLike<number>, logs: readonly ArrayLike<number>[], steps: number): Float32Array {
  const n = betas.length - 1;
  const lengths = Array.from({ length: n }, (_, i) => deviationOfStep(logs[i]!, logs[i + 1]!));
  const total = lengths.reduce((a, b) => a + b, 0);
  const shares = lengths.map((l) => (total > 0 ? ((1 - KEPT) * l) / total + KEPT / n : 1 / n));
  const spaced = new Float32Array(steps + 1);
  // `before`: the length up to the pilot's temperature i
  let [i, before] = [0, 0];
  for (let k = 1; k < steps; k++) {
    const goal = k / steps;
    while (i < n - 1 && before + shares[i]! < goal) before += shares[i++]!;
    const within = Math.min(1, (goal - before) / shares[i]!);
    spaced[k] = betas[i]! + within * (betas[i + 1]! - betas[i]!);
  }
  spaced[steps] = 1;
  return spaced;
}

/** Standard deviation over the chains of what one step adds to their log weights. */
function deviationOfStep(before: ArrayLike<number>, after: ArrayLike<number>): number {
  const added = Array.from(after, (l, i) => l - before[i]!);
  const mean = added.reduce((a, b) => a + b, 0) / added.length;
  return Math.sqrt(added.reduce((t, a) => t + (a - mean) ** 2, 0) / Math.max(1, added.length - 1));
}
