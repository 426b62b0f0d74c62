/**
 * Initialisers: how a weight starts. An `Init` is plain data, so that a weights tree can be printed and compared;
 * `evaluateInit` computes the numbers on the host in float64 from (seed, leaf path) alone, so they are the same for every engine,
 * whatever the other leaves are. The caller rounds to float32 when it writes the state.
 */
import { hostStream, sizeOf } from "../graph/index.js";
import { GmcError, assertNever } from "../graph/errors.js";
import type { HostStream } from "../graph/random.js";
import type { Shape } from "../graph/types.js";
import { factorise } from "./rotation.js";
import type { Factors } from "./rotation.js";

export type Init =
  | { readonly kind: "constant"; readonly value: number }
  /** All values in C order; their count is checked against the leaf's shape. */
  | { readonly kind: "values"; readonly values: readonly number[] }
  | { readonly kind: "normal"; readonly loc: number; readonly scale: number }
  | { readonly kind: "uniform"; readonly low: number; readonly high: number }
  /** Zero mean, variance `gain / fan`. */
  | {
      readonly kind: "varianceScaling";
      readonly gain: number;
      readonly fan: "in" | "out" | "average";
      readonly distribution: "normal" | "uniform";
    }
  /** Rows (or columns, where there are fewer) orthonormal, times `gain`. */
  | { readonly kind: "orthogonal"; readonly gain: number }
  /** The identity matrix on the last two axes, times `gain`. */
  | { readonly kind: "identity"; readonly gain: number }
  /**
   * One of the factors of a random rotation W = P L (U + diag(s)), see rotation.ts. Leaves of one layer take theirs of the same rotation; for
   * `lu` and `permutation` the leaf is square.
   */
  | { readonly kind: "rotation"; readonly part: keyof Factors }
  /**
   * Starts from data: the leaf's leading axes are filled with distinct random rows of the data variable. `variable` null takes the
   * only data variable of the model. Evaluated by whoever has the data, through `InitContext.rows`.
   */
  | { readonly kind: "data"; readonly variable: string | null };

/** The initialisers under the names that a `.gm` file and generated code use. */
export const init = {
  zeros: { kind: "constant", value: 0 },
  ones: { kind: "constant", value: 1 },
  constant: (value: number): Init => ({ kind: "constant", value }),
  values: (values: readonly number[]): Init => ({ kind: "values", values }),
  normal: (loc = 0, scale = 1): Init => ({ kind: "normal", loc, scale }),
  uniform: (low = 0, high = 1): Init => ({ kind: "uniform", low, high }),
  /** Glorot & Bengio 2010, eq. 16: U(-a, a), a = sqrt(6 / (fanIn + fanOut)). */
  glorotUniform: { kind: "varianceScaling", gain: 1, fan: "average", distribution: "uniform" },
  /** Glorot & Bengio 2010, eq. 12: variance 2 / (fanIn + fanOut). Not truncated. */
  glorotNormal: { kind: "varianceScaling", gain: 1, fan: "average", distribution: "normal" },
  /** He et al. 2015, eq. 10: variance 2 / fanIn. */
  heNormal: { kind: "varianceScaling", gain: 2, fan: "in", distribution: "normal" },
  heUniform: { kind: "varianceScaling", gain: 2, fan: "in", distribution: "uniform" },
  /** LeCun et al. 1998, eq. 16: variance 1 / fanIn. */
  lecunNormal: { kind: "varianceScaling", gain: 1, fan: "in", distribution: "normal" },
  lecunUniform: { kind: "varianceScaling", gain: 1, fan: "in", distribution: "uniform" },
  /** Saxe et al. 2014: the Q of a random normal matrix [prod(leading), last]. */
  orthogonal: (gain = 1): Init => ({ kind: "orthogonal", gain }),
  identity: (gain = 1): Init => ({ kind: "identity", gain }),
  /** A factor of a random rotation, the same for all leaves of a layer. */
  rotation: (part: keyof Factors): Init => ({ kind: "rotation", part }),
  /** Rows of the model's only data variable. */
  data: { kind: "data", variable: null },
  /** Rows of the data variable of that name. */
  dataOf: (variable: string): Init => ({ kind: "data", variable }),
} as const satisfies Record<string, Init | ((...args: never[]) => Init)>;

export interface InitContext {
  /** The run's seed. */
  readonly seed: number;
  /** The leaf's path, `decoder.dense1.kernel`: each leaf has its own random numbers. */
  readonly path: string;
  /** Fan in and fan out where the layer knows better than `fansOf`. */
  readonly fans?: readonly [number, number] | undefined;
  /** Where initialisers may ask for data. */
  readonly data?: InitData | undefined;
}

/** Data for `init data`. */
export interface InitData {
  /** Entries of one row of the variable; null: the model's only data variable. */
  rowSize(variable: string | null): number;
  /** `count` distinct rows chosen with the stream's numbers, as model values, flattened in C order. Too few rows is the callee's error. */
  rows(variable: string | null, count: number, stream: HostStream): Float64Array;
}

/**
 * Fan in and fan out of a kernel [...window, in, out]: the last two axes times the window's size.
 * A vector counts as [in, 1], a scalar as 1.
 */
export function fansOf(shape: Shape): readonly [number, number] {
  if (shape.length < 2) return [shape[0] ?? 1, 1];
  const window = sizeOf(shape.slice(0, -2));
  return [window * (shape.at(-2) ?? 1), window * (shape.at(-1) ?? 1)];
}

/** The initial values of one leaf in C order, float64. Throws GM4501 where the initialiser does not fit the shape. */
export function evaluateInit(spec: Init, shape: Shape, context: InitContext): Float64Array {
  const size = sizeOf(shape);
  switch (spec.kind) {
    case "constant":
      return new Float64Array(size).fill(spec.value);
    case "values":
      if (spec.values.length !== size) {
        throw new GmcError(
          "GM4501",
          `\`${context.path}\` of shape [${shape.join(", ")}] needs ${size} initial values, ${spec.values.length} given`,
        );
      }
      return Float64Array.from(spec.values);
    case "normal":
      return normals(context, size).map((v) => spec.loc + spec.scale * v);
    case "uniform":
      return uniforms(context, size).map((u) => spec.low + (spec.high - spec.low) * u);
    case "varianceScaling": {
      const [fanIn, fanOut] = context.fans ?? fansOf(shape);
      const fan = spec.fan === "in" ? fanIn : spec.fan === "out" ? fanOut : (fanIn + fanOut) / 2;
      const variance = spec.gain / Math.max(1, fan);
      if (spec.distribution === "normal") return normals(context, size).map((v) => Math.sqrt(variance) * v);
      const bound = Math.sqrt(3 * variance);
      return uniforms(context, size).map((u) => bound * (2 * u - 1));
    }
    case "orthogonal":
      return orthogonal(context, shape).map((v) => spec.gain * v);
    case "identity": {
      const [rows, columns] = [shape.at(-2), shape.at(-1)];
      if (rows === undefined || columns === undefined || rows !== columns) {
        throw new GmcError(
          "GM4501",
          `\`${context.path}\` of shape [${shape.join(", ")}] cannot start as the identity: its last two axes differ`,
        );
      }
      return new Float64Array(size).map((_, i) => (Math.floor(i / columns) % rows === i % columns ? spec.gain : 0));
    }
    case "rotation": {
      const n = shape.at(-1) ?? 1;
      // the random numbers are those of the layer, not of the leaf
      const path = context.path.slice(0, Math.max(0, context.path.lastIndexOf(".")));
      return factorise(orthogonal({ ...context, path }, [n, n]), n)[spec.part];
    }
    case "data":
      return fromData(spec.variable, shape, context);
    default:
      return assertNever(spec);
  }
}

function fromData(variable: string | null, shape: Shape, context: InitContext): Float64Array {
  if (context.data === undefined) {
    throw new GmcError("GM4502", `\`${context.path}\` starts from data, and no data set was given`, ["name a data set with --data"]);
  }
  const size = sizeOf(shape);
  const rowSize = context.data.rowSize(variable);
  if (rowSize === 0 || size % rowSize !== 0) {
    throw new GmcError(
      "GM4501",
      `\`${context.path}\` of shape [${shape.join(", ")}] (${size} entries) is not made of whole data rows of ${rowSize} entries`,
    );
  }
  return context.data.rows(variable, size / rowSize, streamOf(context));
}

function streamOf(context: InitContext): HostStream {
  return hostStream(context.seed, `init:${context.path}`);
}

function uniforms(context: InitContext, count: number): Float64Array {
  const stream = streamOf(context);
  return Float64Array.from({ length: count }, () => stream.uniform());
}

function normals(context: InitContext, count: number): Float64Array {
  const stream = streamOf(context);
  return Float64Array.from({ length: count }, () => stream.normal());
}

/** Modified Gram-Schmidt, applied twice for float64 orthogonality, on the shorter side of [prod(leading), last]. */
function orthogonal(context: InitContext, shape: Shape): Float64Array {
  if (shape.length < 2)
    throw new GmcError("GM4501", `\`${context.path}\` of shape [${shape.join(", ")}] cannot start orthogonal: it has fewer than two axes`);
  const columns = shape.at(-1) ?? 1;
  const rows = sizeOf(shape) / Math.max(1, columns);
  const [count, length] = rows <= columns ? [rows, columns] : [columns, rows];
  const raw = normals(context, count * length);
  const vectors = Array.from({ length: count }, (_, i) => raw.slice(i * length, (i + 1) * length));
  vectors.forEach((vector, i) => {
    for (let round = 0; round < 2; round++) {
      for (const earlier of vectors.slice(0, i)) {
        const along = dot(vector, earlier);
        for (let j = 0; j < length; j++) vector[j] = (vector[j] ?? 0) - along * (earlier[j] ?? 0);
      }
    }
    const norm = Math.sqrt(dot(vector, vector));
    for (let j = 0; j < length; j++) vector[j] = (vector[j] ?? 0) / norm;
  });
  const out = new Float64Array(rows * columns);
  vectors.forEach((vector, i) => {
    for (let j = 0; j < length; j++) out[rows <= columns ? i * columns + j : j * columns + i] = vector[j] ?? 0;
  });
  return out;
}

function dot(a: Float64Array, b: Float64Array): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += (a[i] ?? 0) * (b[i] ?? 0);
  return total;
}
