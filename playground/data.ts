/** Data that a page can have without a download: points in the plane, pictures of bars, and a table of the visitor's own. */
import { parseCsv, tableArray } from "../src/runtime/data/csv.js";
import { hostStream } from "../src/runtime/graph/random.js";
import { drawSynthetic, syntheticNames, type SyntheticName } from "../src/runtime/data/synthetic.js";
import type { ModelDefinition, VariableSpec } from "../src/runtime/model.js";

/** Rows of a variable, [n, ...event]. */
export interface Rows {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface Source {
  readonly name: string;
  /** Whether the rows can be those of a variable. */
  readonly fits: (variable: VariableSpec) => boolean;
  readonly draw: (variable: VariableSpec, rows: number, seed: number) => Rows;
}

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Pictures [side, side] with each row and column drawn by a coin of its own (MacKay 2003, "Information Theory, Inference", section 43.4). */
function drawStripes(side: number, rows: number, seed: number): Float32Array {
  const random = hostStream(seed, "playground.stripes");
  const data = new Float32Array(rows * side * side);
  for (let row = 0; row < rows; row++) {
    const across = random.below(2) === 1;
    const on = Array.from({ length: side }, () => random.below(2));
    for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) data[(row * side + y) * side + x] = on[across ? y : x]!;
  }
  return data;
}

const plane = (name: SyntheticName): Source => ({
  name,
  fits: ({ domain, shape }) => domain === "real" && size(shape) === 2,
  draw: (variable, rows, seed) => ({
    shape: [rows, ...variable.shape],
    data: Float32Array.from(drawSynthetic(name, "train", { rows, seed }).data),
  }),
});

export const sources: readonly Source[] = [
  ...syntheticNames.map(plane),
  {
    name: "stripes",
    fits: ({ domain, shape }) => domain === "binary" && Number.isInteger(Math.sqrt(size(shape))) && size(shape) > 1,
    draw: (variable, rows, seed) => ({
      shape: [rows, ...variable.shape],
      data: drawStripes(Math.sqrt(size(variable.shape)), rows, seed),
    }),
  },
];

/** Rows of a table of numbers, for a variable of as many entries as it has columns. */
export function sourceOf(name: string, csv: string): Source {
  const array = tableArray(parseCsv({ path: name, bytes: new TextEncoder().encode(csv) }));
  const [rows, columns] = [array.shape[0] ?? 0, size(array.shape.slice(1))];
  return {
    name,
    fits: (variable) => size(variable.shape) === columns,
    draw: (variable) => ({ shape: [rows, ...variable.shape], data: Float32Array.from(array.data) }),
  };
}

/** The variable that the page shows: a model's one data variable, or undefined. */
export function dataVariable(model: Pick<ModelDefinition, "streams">): { readonly name: string; readonly spec: VariableSpec } | undefined {
  const all = model.streams.flatMap((stream) => Object.entries(stream));
  const [first] = all;
  return all.length === 1 && first ? { name: first[0], spec: first[1] } : undefined;
}
