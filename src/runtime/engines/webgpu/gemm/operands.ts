/**
 * Reading the operands: the two WGSL functions through which every kernel form reads A and B. `mm_a(batch, outer, depth)` is one element,
 * `mm_a4(batch, outer, depth)` four neighbours in memory, with zeros where the index is out of bounds; so for `mm_b`. "Outer" is the axis an
 * operand shares with C (rows of A, columns of B), "depth" the one that is summed over: seen so, A and B are alike.
 */
import type { FunctionOperand, GemmOperand, GemmSpec, StridedOperand } from "./types.js";

export type Axis = "outer" | "depth";

/** One operand, seen from the product. */
export interface Side {
  readonly letter: "a" | "b";
  readonly operand: GemmOperand;
  readonly outer: number;
  readonly depth: number;
  /** The axis along which neighbours lie next to each other in memory (the better guess where none is contiguous). */
  readonly along: Axis;
  /** Runs of four along `along` can be fetched at once. */
  readonly vector: boolean;
  /** They come in one 128-bit (f16: 64-bit) load. */
  readonly wide: boolean;
}

export function sideOf(spec: GemmSpec, letter: "a" | "b"): Side {
  const operand = spec[letter];
  const [outer, depth] = [letter === "a" ? spec.m : spec.n, spec.k];
  const [rows, columns] = letter === "a" ? [outer, depth] : [depth, outer];
  const columnsAlong = operand.kind === "function" ? operand.along !== "rows" : stridesAlongColumns(operand, rows, columns);
  const along = columnsAlong === (letter === "a") ? "depth" : "outer";
  const [extent, others] = columnsAlong ? [columns, rows] : [rows, columns];
  const runs = extent % 4 === 0 && (operand.kind === "function" ? operand.vector !== undefined : contiguous(operand, columnsAlong));
  const vector = runs && (operand.kind === "function" || operand.vectors !== true || aligned(operand, columnsAlong, others, spec.batch));
  return { letter, operand, outer, depth, along, vector, wide: vector && (operand.kind === "function" || operand.vectors === true) };
}

/** The axis of stride 1; one of extent 1 has no neighbours. */
function stridesAlongColumns(operand: StridedOperand, rows: number, columns: number): boolean {
  if (columns === 1 || rows === 1) return rows === 1;
  return operand.colStride === 1 || (operand.rowStride !== 1 && operand.colStride <= operand.rowStride);
}

const contiguous = (operand: StridedOperand, columnsAlong: boolean): boolean =>
  (columnsAlong ? operand.colStride : operand.rowStride) === 1;

function aligned(operand: StridedOperand, columnsAlong: boolean, others: number, batch: number): boolean {
  const stride = columnsAlong ? operand.rowStride : operand.colStride;
  return operand.offset % 4 === 0 && (others === 1 || stride % 4 === 0) && (batch === 1 || operand.batchStride % 4 === 0);
}

/** The type a tile of the operand has in workgroup memory. */
export const elementOf = (side: Side): "f32" | "f16" => side.operand.element ?? "f32";

/** What of an index may lie out of bounds: a kernel whose tiles fit exactly asks for no checks. */
export interface Checks {
  readonly outer: boolean;
  readonly depth: boolean;
}

/** WGSL of the side's reading functions; `widths` says which are needed. */
export function readers(side: Side, checks: Checks, widths: readonly (1 | 4)[]): string {
  return widths.map((width) => (width === 1 ? reader(side, checks) : vectorReader(side, checks))).join("\n");
}

/** A guard that returns `zero` out of bounds. */
function guard(side: Side, checks: Checks, zero: string): string {
  const out = [...(checks.outer ? [`outer >= ${side.outer}u`] : []), ...(checks.depth ? [`depth >= ${side.depth}u`] : [])];
  return out.length === 0 ? "" : `  if (${out.join(" || ")}) { return ${zero}; }\n`;
}

function reader(side: Side, checks: Checks): string {
  const { operand } = side;
  const value = operand.kind === "function" ? called(side, operand.name) : scalar(operand, indexText(side, operand));
  return `fn mm_${side.letter}(batch: u32, outer: u32, depth: u32) -> f32 {\n${guard(side, checks, "0.0")}  return ${value};\n}`;
}

function vectorReader(side: Side, checks: Checks): string {
  const { operand } = side;
  const body = operand.kind === "function" ? `  return ${called(side, (operand as FunctionOperand).vector!)};` : run(side, operand);
  return `fn mm_${side.letter}4(batch: u32, outer: u32, depth: u32) -> vec4f {\n${guard(side, checks, "vec4f()")}${body}\n}`;
}

const called = (side: Side, name: string): string => `${name}(batch, ${side.letter === "a" ? "outer, depth" : "depth, outer"})`;

function run(side: Side, operand: StridedOperand): string {
  const index = `  let first = ${indexText(side, operand)};\n`;
  if (operand.vectors) return `${index}  return vec4f(${operand.array}[first / 4u]);`;
  const parts = [0, 1, 2, 3].map((i) => asFloat(operand, `${operand.array}[first${i === 0 ? "" : ` + ${i}u`}]`));
  return `${index}  return vec4f(${parts.join(", ")});`;
}

function scalar(operand: StridedOperand, index: string): string {
  if (!operand.vectors) return asFloat(operand, `${operand.array}[${index}]`);
  return asFloat(operand, `${operand.array}[(${index}) / 4u][(${index}) % 4u]`);
}

const asFloat = (operand: StridedOperand, text: string): string => (operand.element === "f16" ? `f32(${text})` : text);

function indexText(side: Side, operand: StridedOperand): string {
  const [outer, depth] = side.letter === "a" ? [operand.rowStride, operand.colStride] : [operand.colStride, operand.rowStride];
  const terms = [
    ...(operand.offset === 0 ? [] : [`${operand.offset}u`]),
    ...term("batch", operand.batchStride),
    ...term("outer", outer),
    ...term("depth", depth),
  ];
  return terms.length === 0 ? "0u" : terms.join(" + ");
}

const term = (name: string, stride: number): string[] => (stride === 0 ? [] : [stride === 1 ? name : `${name} * ${stride}u`]);
