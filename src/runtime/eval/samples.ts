/**
 * Samples of a density against the rows of a split: what an implicit density, which has no likelihood, can be judged by. One sample is drawn for
 * each row, given the row's conditions; all of both are held on the host, so the number of rows is limited.
 */
import type { HostTensors } from "../engines/engine.js";
import { hostStream, type HostStream } from "../graph/random.js";
import type { SamplesMetric } from "../model.js";
import { dataName, defined } from "../train/context.js";
import { feedsFor, type MeasureOptions, type Measurement, type Opened } from "./measurements.js";
import type { Result } from "./protocol.js";

/** Rows as vectors of one width, one after the other. */
interface Points {
  readonly width: number;
  readonly data: readonly number[];
}

export function sampleMeasurement(options: MeasureOptions, name: string, metric: SamplesMetric, opened: Opened): Measurement {
  const [real, drawn]: [number[], number[]] = [[], []];
  let width = 1;
  const take = (into: number[], values: ArrayLike<number>, rows: number): void => {
    for (let i = 0; i < rows * width; i++) into.push(values[i] ?? NaN);
  };
  return {
    run: async (feeds: HostTensors, rows, offset) => {
      const outputs = await opened.executable.run(feedsFor(options, opened, feeds, 0, offset));
      const samples = defined(outputs["samples"], "samples");
      width = samples.data.length / Math.max(1, samples.shape[0] ?? 1);
      take(drawn, samples.data, rows);
      take(real, defined(feeds[dataName(metric.variable)], `data for ${metric.variable}`).data, rows);
    },
    results: () => {
      const base = { label: metric.label, standardError: null, k: null, bound: null };
      return { [name]: { ...base, ...judge(metric, { width, data: real }, { width, data: drawn }, options.seed) } };
    },
    dispose: () => opened.executable.dispose(),
  };
}

function judge(metric: SamplesMetric, real: Points, drawn: Points, seed: number): Pick<Result, "value" | "unit" | "detail"> {
  switch (metric.method.kind) {
    case "mmd": {
      const test = mmdTest(real, drawn, metric.method.permutations, hostStream(seed, "mmd.permutations"));
      return { value: test.value, unit: "squared MMD", detail: { p: test.p, bandwidth: test.bandwidth } };
    }
    case "modes": {
      const found = countModes(drawn, metric.method.centres, metric.method.scale);
      return { value: found.covered, unit: `of ${metric.method.centres.length} modes`, detail: { "within three scales": found.quality } };
    }
  }
}

// ---- maximum mean discrepancy -------------------------------------------------------------------

/**
 * The unbiased estimate of squared MMD between two samples by the kernel exp(-d^2 / (2 s)), and how probable one as large is between samples of one
 * distribution: the share of `permutations` random divisions of all points that reach it, with the division at hand counted (Gretton et al.
 * 2012, eq. 3; Phipson & Smyth 2010). s is the median of the squared distances between rows of the data: the kernel is that of the data alone.
 */
export function mmdTest(
  real: Points,
  drawn: Points,
  permutations: number,
  random: Pick<HostStream, "below">,
): { readonly value: number; readonly p: number; readonly bandwidth: number } {
  const { width } = real;
  const [n, m] = [real.data.length / width, drawn.data.length / width];
  const all = [...real.data, ...drawn.data];
  const total = n + m;
  const distances = new Float64Array(total * total);
  for (let i = 0; i < total; i++) {
    for (let j = i + 1; j < total; j++) {
      let d = 0;
      for (let k = 0; k < width; k++) d += ((all[i * width + k] ?? 0) - (all[j * width + k] ?? 0)) ** 2;
      distances[i * total + j] = distances[j * total + i] = d;
    }
  }
  const own: number[] = [];
  for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) own.push(distances[i * total + j] ?? 0);
  own.sort((a, b) => a - b);
  const bandwidth = own[Math.floor(own.length / 2)] || 1;
  const kernel = distances.map((d) => Math.exp(-d / (2 * bandwidth)));
  const order = Int32Array.from({ length: total }, (_, i) => i);
  const statistic = (): number => {
    let [first, second, cross] = [0, 0, 0];
    for (let a = 0; a < total; a++) {
      const row = (order[a] ?? 0) * total;
      for (let b = a + 1; b < total; b++) {
        const k = kernel[row + (order[b] ?? 0)] ?? 0;
        if (b < n) first += k;
        else if (a >= n) second += k;
        else cross += k;
      }
    }
    return (2 * first) / (n * (n - 1)) + (2 * second) / (m * (m - 1)) - (2 * cross) / (n * m);
  };
  const value = statistic();
  let reached = 1;
  for (let t = 0; t < permutations; t++) {
    for (let i = total - 1; i > 0; i--) {
      const j = random.below(i + 1);
      [order[i], order[j]] = [order[j] ?? 0, order[i] ?? 0];
    }
    if (statistic() >= value) reached++;
  }
  return { value, p: reached / (permutations + 1), bandwidth };
}

// ---- modes ----------------------------------------------------------------------------------------

/**
 * How many modes hold samples: a sample belongs to its nearest centre if that is within three scales, and a mode is covered that holds a fifth of its
 * even share at least. Also the share of all samples that belong to a mode (Srivastava et al. 2017, section 4.1, "high quality").
 */
export function countModes(
  drawn: Points,
  centres: readonly (readonly number[])[],
  scale: number,
): { readonly covered: number; readonly quality: number } {
  const { width, data } = drawn;
  const rows = data.length / width;
  const counts = new Array<number>(centres.length).fill(0);
  for (let row = 0; row < rows; row++) {
    let [nearest, least] = [-1, (3 * scale) ** 2];
    centres.forEach((centre, c) => {
      const d = centre.reduce((sum, v, k) => sum + (v - (data[row * width + k] ?? NaN)) ** 2, 0);
      if (d <= least) [nearest, least] = [c, d];
    });
    if (nearest >= 0) counts[nearest] = (counts[nearest] ?? 0) + 1;
  }
  const share = rows / centres.length / 5;
  return { covered: counts.filter((n) => n >= share && n > 0).length, quality: counts.reduce((a, b) => a + b, 0) / Math.max(1, rows) };
}

/** Centres of modes evenly spaced on a circle, the first to the right. */
export function ringCentres(modes: number, radius: number): readonly (readonly number[])[] {
  return Array.from({ length: modes }, (_, i) => {
    const angle = (2 * Math.PI * i) / modes;
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  });
}

/** Centres of modes on a square grid around 0, `side` a row. */
export function gridCentres(side: number, spacing: number): readonly (readonly number[])[] {
  const at = (i: number): number => spacing * (i - (side - 1) / 2);
  return Array.from({ length: side * side }, (_, i) => [at(i % side), at(Math.floor(i / side))]);
}
