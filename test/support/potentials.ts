/**
 * The four energies of Rezende & Mohamed 2015, table 1, as functions of a point in the plane; p(z) = exp(-U(z)) / Z. For tests of flows that
 * are fitted to a density that is known up to a constant, with that constant.
 */

const w1 = (x: number): number => Math.sin((2 * Math.PI * x) / 4);
const w2 = (x: number): number => 3 * Math.exp(-(((x - 1) / 0.6) ** 2) / 2);
const w3 = (x: number): number => 3 / (1 + Math.exp(-(x - 1) / 0.3));

/** ln(exp(a) + exp(b)) */
function either(a: number, b: number): number {
  const top = Math.max(a, b);
  return top + Math.log(Math.exp(a - top) + Math.exp(b - top));
}

/**
 * U of each. 2, 3 and 4 depend on x through a sine alone: along x they do not fall off, and are meant on |x| < 4, as the paper draws them.
 */
export const potentials: readonly ((x: number, y: number) => number)[] = [
  (x, y) => ((Math.hypot(x, y) - 2) / 0.4) ** 2 / 2 - either(-(((x - 2) / 0.6) ** 2) / 2, -(((x + 2) / 0.6) ** 2) / 2),
  (x, y) => ((y - w1(x)) / 0.4) ** 2 / 2,
  (x, y) => -either(-(((y - w1(x)) / 0.35) ** 2) / 2, -(((y - w1(x) + w2(x)) / 0.35) ** 2) / 2),
  (x, y) => -either(-(((y - w1(x)) / 0.4) ** 2) / 2, -(((y - w1(x) + w3(x)) / 0.35) ** 2) / 2),
];

/** ln of the integral of exp(-U) over |x| < reach and all y, by the midpoint rule: rounding alone is lost, since all are smooth and fall off in y. */
export function logNormaliser(energy: (x: number, y: number) => number, reach = 4, nodes = 800): number {
  const [dx, dy] = [(2 * reach) / nodes, 24 / nodes];
  let sum = 0;
  for (let i = 0; i < nodes; i++) for (let j = 0; j < nodes; j++) sum += Math.exp(-energy(-reach + (i + 0.5) * dx, -12 + (j + 0.5) * dy));
  return Math.log(sum * dx * dy);
}
