/** Products to try kernels on: operands in every layout, with data and WGSL, and the plain float64 product of the same numbers. */
import type { GemmOperand, GemmSpec } from "../../../src/runtime/engines/webgpu/gemm/types.js";

/**
 * "rows": the columns of a row are neighbours; "columns": transposed; "apart": nothing is contiguous; "shared": one matrix for the whole batch;
 * "function": read through a function, along columns; "vectorFunction": with a vector form along columns; "halves": float16, as "rows".
 */
export type Layout = "rows" | "columns" | "apart" | "shared" | "function" | "functionAlongRows" | "vectorFunction" | "halves";

export interface Case {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batch: number;
  readonly a: Layout;
  readonly b: Layout;
  /** Strided arrays are declared as arrays of vec4. */
  readonly vectors: boolean;
}

export interface Prepared {
  readonly spec: GemmSpec;
  /** The bytes of A's and B's arrays, and the numbers in them. */
  readonly inputs: readonly ArrayBufferView[];
  readonly numbers: readonly [Float32Array, Float32Array];
  /** Elements of C, and one behind them that a call out of bounds makes 1. */
  readonly outputs: number;
  /** Largest |C - product| / (Σ |a||b|), and whether anything was called out of bounds. */
  errorOf(c: Float32Array): { readonly error: number; readonly strayed: boolean };
}

/** Numbers in [-1, 1), multiples of 1/256 where `coarse`: exact in float16. */
export function numbers(count: number, seed: number, coarse = false): Float32Array {
  let state = (seed * 2654435761) >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return coarse ? (state >>> 23) / 256 - 1 : state / 2147483648 - 1;
  });
}

interface Operand {
  readonly operand: GemmOperand;
  readonly declaration: string;
  readonly data: ArrayBufferView;
  readonly values: Float32Array;
  /** All elements, [batch][row][col]. */
  readonly dense: Float64Array;
}

function operandOf(name: "a" | "b", layout: Layout, rows: number, cols: number, batch: number, vectors: boolean): Operand {
  const shared = layout === "shared";
  const transposed = layout === "columns" || layout === "functionAlongRows";
  const [inner, outer] = layout === "apart" ? [3, 3 * cols + 5] : transposed ? [1, 1] : [1, cols];
  const [rowStride, colStride] = transposed ? [1, rows] : [outer, inner];
  const one = layout === "apart" ? rows * outer : rows * cols;
  const offset = 4;
  const batchStride = shared ? 0 : one;
  const length = Math.ceil((offset + one * (shared ? 1 : batch)) / 4) * 4;
  const values = numbers(length, name === "a" ? 1 : 2, layout === "halves");
  const dense = new Float64Array(batch * rows * cols);
  for (let g = 0, i = 0; g < batch; g++)
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < cols; c++) dense[i++] = values[offset + g * batchStride + r * rowStride + c * colStride]!;
  const half = layout === "halves";
  const scalar = half ? "f16" : "f32";
  const called = layout === "function" || layout === "functionAlongRows" || layout === "vectorFunction";
  const binding = `@group(0) @binding(${name === "a" ? 0 : 1}) var<storage, read> ${name}Data: array<${vectors && !called ? `vec4<${scalar}>` : scalar}>;`;
  if (!called) {
    const operand: GemmOperand = {
      kind: "strided",
      array: `${name}Data`,
      offset,
      batchStride,
      rowStride,
      colStride,
      element: scalar,
      vectors,
    };
    return { operand, declaration: binding, data: half ? Uint16Array.from(values, toHalf) : values, values, dense };
  }
  const vector = layout === "vectorFunction" && cols % 4 === 0;
  const index = `${offset}u + batch * ${batchStride}u + row * ${rowStride}u + col * ${colStride}u`;
  const stray = (last: string): string => `if (batch >= ${batch}u || row >= ${rows}u || ${last} >= ${cols}u) { strayed(); }`;
  const functions = [
    `fn ${name}At(batch: u32, row: u32, col: u32) -> f32 { ${stray("col")} return ${name}Data[${index}]; }`,
    ...(vector
      ? [
          `fn ${name}Run(batch: u32, row: u32, col: u32) -> vec4f { ${stray("col + 3u")} if (col % 4u != 0u) { strayed(); } let i = ${index};
  return vec4f(${[0, 1, 2, 3].map((i) => `${name}Data[i + ${i}u]`).join(", ")}); }`,
        ]
      : []),
  ];
  return {
    operand: { kind: "function", name: `${name}At`, along: transposed ? "rows" : "columns", ...(vector ? { vector: `${name}Run` } : {}) },
    declaration: [binding, ...functions].join("\n"),
    data: values,
    values,
    dense,
  };
}

export function prepare({ m, n, k, batch, a, b, vectors }: Case): Prepared {
  const left = operandOf("a", a, m, k, batch, vectors);
  const right = operandOf("b", b, k, n, batch, vectors);
  const count = batch * m * n;
  const declarations = `${left.declaration}
${right.declaration}
@group(0) @binding(2) var<storage, read_write> cData: array<f32>;
fn strayed() { cData[${count}] = 1.0; }
fn put(batch: u32, row: u32, col: u32, value: f32) {
  if (batch >= ${batch}u || row >= ${m}u || col >= ${n}u) { strayed(); }
  cData[(batch * ${m}u + row) * ${n}u + col] += value;
}`;
  const product = new Float64Array(count);
  const scale = new Float64Array(count);
  for (let g = 0; g < batch; g++)
    for (let i = 0; i < m; i++) {
      const row = (g * m + i) * n;
      for (let l = 0; l < k; l++) {
        const x = left.dense[(g * m + i) * k + l]!;
        const from = (g * k + l) * n;
        for (let j = 0; j < n; j++) {
          const y = x * right.dense[from + j]!;
          product[row + j]! += y;
          scale[row + j]! += Math.abs(y);
        }
      }
    }
  return {
    spec: { m, n, k, batch, a: left.operand, b: right.operand, declarations, store: "put" },
    inputs: [left.data, right.data],
    numbers: [left.values, right.values],
    outputs: count + 1,
    errorOf(c) {
      let error = 0;
      for (let i = 0; i < count; i++) {
        const e = Math.abs(c[i]! - product[i]!) / (scale[i]! + 1e-30);
        if (!(e <= error)) error = e;
      }
      return { error, strayed: c[count] !== 0 };
    },
  };
}

/** The bits of a number that float16 holds exactly. */
function toHalf(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
  if (value === 0) return 0;
  return ((bits >>> 16) & 0x8000) | ((((bits >>> 23) & 0xff) - 112) << 10) | ((bits >>> 13) & 0x3ff);
}
