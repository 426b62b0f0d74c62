/**
 * Toy densities in the plane, drawn by seed: the test beds of flow and mixture papers. Each gives rows [n, 2]; coordinates are mostly within [-4, 4].
 * Their log-densities are known, so what the best of all models comes to is known too: `syntheticLogDensity`.
 */
import { hostStream, type HostStream } from "../graph/random.js";
import { erf } from "../../math/special.js";
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
  /** Density at a point. */
  readonly density: (x: number, y: number, noise: number) => number;
}

const turn = 2 * Math.PI;

/** The normal density of deviation `noise`; 0 and infinity without noise. */
function gaussian(x: number, noise: number): number {
  return noise === 0 ? (x === 0 ? Infinity : 0) : Math.exp(-((x / noise) ** 2) / 2) / (noise * Math.sqrt(turn));
}

/** P(low < x - e < high), e normal of deviation `noise`: a uniform value that was blurred, times its width. */
function within(x: number, low: number, high: number, noise: number): number {
  if (noise === 0) return x >= low && x < high ? 1 : 0;
  return (erf((x - low) / (noise * Math.SQRT2)) - erf((x - high) / (noise * Math.SQRT2))) / 2;
}

interface Curves {
  /** Of the longest one. */
  readonly length: number;
  /** The coordinates of the point t in (0, 1) of each curve, one after another. */
  readonly points: (t: number) => readonly number[];
  /** Density of t; uniform unless told. */
  readonly weight?: (t: number) => number;
}

/**
 * A point on one of the curves, blurred by noise: normal densities integrated over t by the midpoint rule, with nodes so close, a quarter of the
 * noise apart, that nothing is lost but at the ends.
 */
function alongCurves(x: number, y: number, noise: number, { length, points, weight = () => 1 }: Curves): number {
  const n = Math.max(200, Math.ceil((4 * length) / noise));
  let sum = 0;
  let count = 0;
  for (let i = 0; i < n; i++) {
    const t = (i + 0.5) / n;
    const at = points(t);
    for (let c = 0; c < at.length; c += 2, count++) {
      const square = ((x - at[c]!) ** 2 + (y - at[c + 1]!) ** 2) / (2 * noise * noise);
      if (square < 700) sum += weight(t) * Math.exp(-square);
    }
  }
  return sum / count / (turn * noise * noise);
}

/**
 * Of each arm, the change of variables from (along, across) to the plane, a rotation by an angle that depends on `along`, doubled: its
 * determinant is 4 (1 - across d angle / d along). The preimages of a point are the roots of one equation in `along`, found by bisection between
 * nodes where its sign changes.
 */
function pinwheelDensity(x: number, y: number, noise: number): number {
  // six deviations of `along` about its mean
  const [nodes, low, high] = [60, 1 - 6 * 0.3, 1 + 6 * 0.3];
  let sum = 0;
  for (let arm = 0; arm < 5; arm++) {
    const rotated = (along: number): readonly [number, number] => {
      const angle = (turn * arm) / 5 + 0.25 * Math.exp(along);
      return [(Math.cos(angle) * x + Math.sin(angle) * y) / 2, (Math.cos(angle) * y - Math.sin(angle) * x) / 2];
    };
    const miss = (along: number): number => along - rotated(along)[0];
    let below = miss(low) > 0;
    for (let i = 0; i < nodes; i++) {
      let [a, b] = [low + ((high - low) * i) / nodes, low + ((high - low) * (i + 1)) / nodes];
      const rises = miss(b) > 0;
      if (below === rises) continue;
      below = rises;
      for (let step = 0; step < 48; step++) {
        const middle = (a + b) / 2;
        if (miss(middle) > 0 === rises) b = middle;
        else a = middle;
      }
      const across = rotated(a)[1];
      sum += (gaussian(a - 1, 0.3) * gaussian(across, noise)) / (4 * Math.abs(1 - 0.25 * Math.exp(a) * across));
    }
  }
  return sum / 5;
}

const shapes = {
  rings: {
    title: "four concentric rings of radius 0.75 to 3",
    noise: 0.08,
    draw: (random, noise) => {
      const radius = 0.75 * (1 + random.below(4)) + noise * random.normal();
      const angle = turn * random.uniform();
      return [radius * Math.cos(angle), radius * Math.sin(angle)];
    },
    // a radius below 0 stands for a point on the other side
    density: (x, y, noise) => {
      const r = Math.hypot(x, y);
      const radial = [1, 2, 3, 4].reduce((sum, k) => sum + gaussian(r - 0.75 * k, noise) + gaussian(r + 0.75 * k, noise), 0);
      return radial / 4 / (turn * r);
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
    density: pinwheelDensity,
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
    density: (x, y, noise) =>
      alongCurves(x, y, 2 * noise, {
        length: turn,
        points: (t) => {
          const [cos, sin] = [Math.cos(Math.PI * t), Math.sin(Math.PI * t)];
          return [2 * (cos - 0.5), 2 * (sin - 0.25), 2 * (0.5 - cos), 2 * (0.25 - sin)];
        },
      }),
  },
  eight_gaussians: {
    title: "eight Gaussians on a circle of radius 2.83",
    noise: 0.35,
    draw: (random, noise) => {
      const angle = (turn * random.below(8)) / 8;
      return [2 * Math.SQRT2 * Math.cos(angle) + noise * random.normal(), 2 * Math.SQRT2 * Math.sin(angle) + noise * random.normal()];
    },
    density: (x, y, noise) => {
      let sum = 0;
      for (let k = 0; k < 8; k++) {
        const angle = (turn * k) / 8;
        sum += gaussian(x - 2 * Math.SQRT2 * Math.cos(angle), noise) * gaussian(y - 2 * Math.SQRT2 * Math.sin(angle), noise);
      }
      return sum / 8;
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
    // fields of side 2, those whose column and row are both odd or both even
    density: (x, y, noise) => {
      let sum = 0;
      for (let column = -2; column < 2; column++)
        for (let row = -2; row < 2; row++)
          if ((column + row) % 2 === 0) sum += within(x, 2 * column, 2 * column + 2, noise) * within(y, 2 * row, 2 * row + 2, noise);
      return sum / 32;
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
    density: (x, y, noise) =>
      alongCurves(x, y, noise, {
        length: 25,
        points: (t) => {
          const angle = 1.5 * Math.PI * (1 + 2 * t);
          return [0.28 * angle * Math.cos(angle), 0.28 * angle * Math.sin(angle)];
        },
      }),
  },
  // Grathwohl et al. 2019, "FFJORD": two arms, evenly long stretches of which are equally likely.
  spirals: {
    title: "two spirals of one and a half turns, one inside the other",
    noise: 0.1,
    draw: (random, noise) => {
      const arm = 2 * random.below(2) - 1;
      const angle = 3 * Math.PI * Math.sqrt(random.uniform());
      return [
        ((arm * angle) / 3) * Math.cos(angle) + noise * random.normal(),
        ((arm * angle) / 3) * Math.sin(angle) + noise * random.normal(),
      ];
    },
    density: (x, y, noise) =>
      alongCurves(x, y, noise, {
        length: 16,
        points: (t) => {
          const angle = 3 * Math.PI * t;
          const [a, b] = [(angle / 3) * Math.cos(angle), (angle / 3) * Math.sin(angle)];
          return [a, b, -a, -b];
        },
        // of the square root of a uniform number
        weight: (t) => 2 * t,
      }),
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

/** Of rows [n, 2] the log-density of each, under what `drawSynthetic` draws from; -Infinity where nothing is drawn. */
export function syntheticLogDensity(
  name: SyntheticName,
  points: ArrayLike<number>,
  options: Pick<SyntheticOptions, "noise"> = {},
): Float64Array {
  const shape: Shape = shapes[name];
  const noise = options.noise ?? shape.noise;
  return Float64Array.from({ length: points.length / 2 }, (_, i) => Math.log(shape.density(points[2 * i]!, points[2 * i + 1]!, noise)));
}

export function describeSynthetic(name: SyntheticName, options: SyntheticOptions): string {
  const shape: Shape = shapes[name];
  return `${shape.title}, noise ${options.noise ?? shape.noise}, drawn by seed ${options.seed}`;
}
