/** The energies of Rezende & Mohamed 2015: their normalisers against closed forms. */
import { describe, expect, it } from "vitest";
import { logNormaliser, potentials } from "../support/potentials.js";

describe("potentials", () => {
  const gaussian = (deviation: number): number => deviation * Math.sqrt(2 * Math.PI);

  it("along y they are Gaussians: their normalisers over |x| < 4 are in closed form", () => {
    expect(logNormaliser(potentials[1]!)).toBeCloseTo(Math.log(8 * gaussian(0.4)), 10);
    expect(logNormaliser(potentials[2]!)).toBeCloseTo(Math.log(8 * 2 * gaussian(0.35)), 10);
    expect(logNormaliser(potentials[3]!)).toBeCloseTo(Math.log(8 * (gaussian(0.4) + gaussian(0.35))), 10);
  });

  it("the ring is, in polar coordinates, one integral over the radius and one over the angle", () => {
    let sum = 0;
    const [n, m] = [1000, 400];
    for (let i = 0; i < n; i++) {
      const r = ((i + 0.5) / n) * 6;
      for (let j = 0; j < m; j++) {
        const x = r * Math.cos((2 * Math.PI * j) / m);
        const lobes = Math.exp(-(((x - 2) / 0.6) ** 2) / 2) + Math.exp(-(((x + 2) / 0.6) ** 2) / 2);
        sum += r * Math.exp(-(((r - 2) / 0.4) ** 2) / 2) * lobes * (6 / n) * ((2 * Math.PI) / m);
      }
    }
    expect(logNormaliser(potentials[0]!)).toBeCloseTo(Math.log(sum), 5);
  });
});
