/**
 * Toy densities in the plane, drawn by seed: the test beds of flow and mixture papers. Each gives rows [n, 2]; coordinates are mostly within [-4, 4].
 */
import { hostStream, type HostStream } from "../graph/random.js";
import type { DataArray } from "./array.js";

export interface SyntheticOptions {
  readonly rows: number;
  readonly seed: number;
  /** Standard deviation of the noise around the shape; each shape has its own default. */
  readonly noise?: number;
}

interface Shape {
  /** One line for the protocol. */
  readonly title: string;
  readonly noise: number;
  readonly draw: (random: HostStream, noise: number) => readonly [number, number];
}

const turn = 2 * Math.PI;

const shapes = {
  rings: {
    title: "four concentric rings of radius 0.75 to 3",
    noise: 0.08,
    draw: (random, noise) => {
      const radius = 0.75 * (1 + random.below(4)) + noise * random.normal();
      const angle = turn * random.uniform();
      return [radius * Math.cos(angle), radius * Math.sin(angle)];
    },
  },
  // Johnson et al. 2016, "Composing graphical models with neural networks": five warped arms.
  pinwheel: {
    title: "a pinwheel of five arms",
    noise: 0.1,
    draw: (random, noise) => {
      const arm = random.below(5);
      const along = 1 + 0.3 * random.normal();
      const across = noise * random.normal();
      const angle = (turn * arm) / 5 + 0.25 * Math.exp(along);
      return [2 * (along * Math.cos(angle) - across * Math.sin(angle)), 2 * (along * Math.sin(angle) + across * Math.cos(angle))];
    },
  },
  two_moons: {
    title: "two interleaved half circles",
    noise: 0.1,
    draw: (random, noise) => {
      const upper = random.below(2) === 0;
      const angle = Math.PI * random.uniform();
      const x = upper ? Math.cos(angle) : 1 - Math.cos(angle);
      const y = upper ? Math.sin(angle) : 0.5 - Math.sin(angle);
      return [2 * (x - 0.5 + noise * random.normal()), 2 * (y - 0.25 + noise * random.normal())];
    },
  },
  eight_gaussians: {
    title: "eight Gaussians on a circle of radius 2.83",
    noise: 0.35,
    draw: (random, noise) => {
      const angle = (turn * random.below(8)) / 8;
      return [2 * Math.SQRT2 * Math.cos(angle) + noise * random.normal(), 2 * Math.SQRT2 * Math.sin(angle) + noise * random.normal()];
    },
  },
  checkerboard: {
    title: "the eight dark fields of a 4 x 4 board on [-4, 4] x [-4, 4]",
    noise: 0,
    draw: (random, noise) => {
      const x = 4 * random.uniform() - 2;
      const row = 2 * random.below(2);
      const y = random.uniform() - row + (((Math.floor(x) % 2) + 2) % 2);
      return [2 * x + noise * random.normal(), 2 * y + noise * random.normal()];
    },
  },
  swiss_roll: {
    title: "a spiral of one and a half turns",
    noise: 0.1,
    draw: (random, noise) => {
      const angle = 1.5 * Math.PI * (1 + 2 * random.uniform());
      const scale = 0.28;
      return [scale * angle * Math.cos(angle) + noise * random.normal(), scale * angle * Math.sin(angle) + noise * random.normal()];
    },
  },
} satisfies Readonly<Record<string, Shape>>;

export type SyntheticName = keyof typeof shapes;

export const syntheticNames = Object.keys(shapes) as readonly SyntheticName[];

/** The rows of one split: other splits are other draws of the same density. */
export function drawSynthetic(name: SyntheticName, split: string, options: SyntheticOptions): DataArray {
  const shape: Shape = shapes[name];
  const random = hostStream(options.seed, `data.synthetic.${name}.${split}`);
  const noise = options.noise ?? shape.noise;
  const data = new Float32Array(options.rows * 2);
  for (let row = 0; row < options.rows; row++) data.set(shape.draw(random, noise), 2 * row);
  return { shape: [options.rows, 2], dtype: "f32", data };
}

export function describeSynthetic(name: SyntheticName, options: SyntheticOptions): string {
  const shape: Shape = shapes[name];
  return `${shape.title}, noise ${options.noise ?? shape.noise}, drawn by seed ${options.seed}`;
}
