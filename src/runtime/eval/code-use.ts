/**
 * How many codes are in use: exp of the entropy of their frequencies over all rows of a split, the perplexity of a codebook. A code below 0 is of a
 * value that is missing, and counts for nothing.
 */
import type { CodeUseMetric } from "../model.js";
import { defined } from "../train/context.js";
import { feedsFor, type Measurement, type MeasureOptions, type Opened } from "./measurements.js";

/** Frequencies of the codes at each place, and in all. */
interface Counts {
  readonly places: readonly Float64Array[];
  readonly all: Float64Array;
}

export function codeUse(options: MeasureOptions, name: string, metric: CodeUseMetric, opened: Opened): Measurement {
  const counts = new Map<string, Counts>();
  return {
    run: async (feeds, rows, offset) => {
      const outputs = await opened.executable.run(feedsFor(options, opened, feeds, 0, offset));
      for (const [of, t] of Object.entries(outputs)) {
        const classes = defined(metric.classes[of], `classes of ${of}`);
        const width = t.data.length / Math.max(1, t.shape[0] ?? 1);
        let found = counts.get(of);
        if (found === undefined) {
          found = { places: Array.from({ length: width }, () => new Float64Array(classes)), all: new Float64Array(classes) };
          counts.set(of, found);
        }
        for (let i = 0; i < rows * width; i++) {
          const code = t.data[i] ?? -1;
          if (code < 0) continue;
          found.all[code]!++;
          found.places[i % width]![code]!++;
        }
      }
    },
    results: () => {
      const all = [...counts];
      const value = Math.exp(mean(all.map(([, c]) => entropy(c.all))));
      const detail = Object.fromEntries(all.flatMap(([of, c]) => facts(all.length === 1 ? "" : `${of} `, all.length === 1, c)));
      return { [name]: { label: metric.label, value, standardError: null, unit: "codes", k: null, bound: null, detail } };
    },
    dispose: () => opened.executable.dispose(),
  };
}

/** How many codes occur, of how many, counted how often; of several places, the perplexity at one of them by the mean of the entropies. */
function facts(prefix: string, alone: boolean, { all, places }: Counts): [string, number][] {
  return [
    ...(alone ? [] : [[`${prefix}perplexity`, Math.exp(entropy(all))] as [string, number]]),
    [`${prefix}used`, all.filter((n) => n > 0).length],
    [`${prefix}used of`, all.length],
    ...(places.length > 1 ? [[`${prefix}at one place`, Math.exp(mean(places.map(entropy)))] as [string, number]] : []),
    [`${prefix}counted`, all.reduce((total, n) => total + n, 0)],
  ];
}

/** In nats; 0 where nothing was counted. */
function entropy(counts: Float64Array): number {
  const total = counts.reduce((sum, n) => sum + n, 0);
  return counts.reduce((sum, n) => (n > 0 ? sum - (n / total) * Math.log(n / total) : sum), 0);
}

function mean(values: readonly number[]): number {
  return values.reduce((total, v) => total + v, 0) / Math.max(1, values.length);
}
