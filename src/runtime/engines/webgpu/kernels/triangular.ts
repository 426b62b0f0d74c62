/**
 * Cholesky factors, one workgroup a matrix, column by column (Golub & Van Loan 2013, algorithm 4.2.1); triangular systems, one thread a right-hand
 * side. Results are read again while they are made, from the first buffer that they are stored to.
 */
import { sizeOf } from "../../../graph/shape.js";
import type { NodeOf } from "../../../graph/types.js";
import { Emitter } from "../emitter.js";
import { flatAt, type Block } from "../text.js";
import { fresh, type Body, type KernelContext } from "./body.js";

const at = (flat: string): ReturnType<typeof flatAt> => ({ shape: [2], flat, axes: undefined });

export function choleskyKernel(context: KernelContext): Body {
  const { graph, part, bindings, threads } = context;
  const { inputs, shape } = graph.nodes[part.core!]! as NodeOf<"cholesky">;
  const n = shape[shape.length - 1]!;
  const block = fresh();
  const store = (inner: Block, flat: string, value: string): void =>
    bindings.store(part.core!, flat, value).forEach((line) => inner.add(line));
  block.add(`let base = group * ${n * n}u;`);
  const columns = block.child();
  const loop = columns.child();
  const value = new Emitter({ graph, bindings, core: undefined }).value(loop, inputs[0]!, {
    ...flatAt(graph.nodes[inputs[0]!]!.shape, `base + i * ${n}u + j`),
    flat: `base + i * ${n}u + j`,
  });
  const out = outputName(context);
  loop.add(`var rest = ${value};`);
  loop.add(`for (var p = 0u; p < j; p++) { rest -= ${out}[base + i * ${n}u + p] * ${out}[base + j * ${n}u + p]; }`);
  store(loop, `base + i * ${n}u + j`, "rest");
  columns.nest(`for (var i = j + thread; i < ${n}u; i += ${threads}u)`, loop);
  columns.add("storageBarrier();");
  columns.add(`let pivot = sqrt(${out}[base + j * ${n}u + j]);`);
  columns.add("storageBarrier();");
  const scaled = columns.child();
  const entry = `base + i * ${n}u + j`;
  scaled.add(`let entry = select(${out}[${entry}] / pivot, pivot, i == j);`);
  store(scaled, entry, "entry");
  columns.nest(`for (var i = j + thread; i < ${n}u; i += ${threads}u)`, scaled);
  const above = columns.child();
  store(above, entry, "0.0");
  columns.nest(`for (var i = thread; i < j; i += ${threads}u)`, above);
  columns.add("storageBarrier();");
  block.nest(`for (var j = 0u; j < ${n}u; j++)`, columns);
  return { lines: block.lines, groups: sizeOf(shape) / (n * n), storage: 0 };
}

export function triangularSolveKernel(context: KernelContext): Body {
  const { graph, part, bindings, threads } = context;
  const { params, inputs, shape } = graph.nodes[part.core!]! as NodeOf<"triangularSolve">;
  const [n, m] = shape.slice(-2) as [number, number];
  const sides = (sizeOf(shape) / (n * m)) * m;
  const block = fresh();
  const out = outputName(context);
  const emitter = new Emitter({ graph, bindings, core: undefined });
  block.add(`let side = group * ${threads}u + thread;`);
  const own = block.child();
  own.add(`let l0 = side / ${m}u * ${n * n}u;`);
  own.add(`let x0 = side / ${m}u * ${n * m}u + side % ${m}u;`);
  const rows = own.child();
  rows.add(`let i = ${params.transpose ? `${n - 1}u - s` : "s"};`);
  rows.add(`var rest = ${emitter.value(rows, inputs[1]!, at(`x0 + i * ${m}u`))};`);
  const inner = rows.child();
  inner.add(`let j = ${params.transpose ? `${n - 1}u - t` : "t"};`);
  const entry = params.transpose ? `l0 + j * ${n}u + i` : `l0 + i * ${n}u + j`;
  inner.add(`rest -= ${emitter.value(inner, inputs[0]!, at(entry))} * ${out}[x0 + j * ${m}u];`);
  rows.nest("for (var t = 0u; t < s; t++)", inner);
  rows.add(`rest /= ${emitter.value(rows, inputs[0]!, at(`l0 + i * ${n}u + i`))};`);
  bindings.store(part.core!, `x0 + i * ${m}u`, "rest").forEach((line) => rows.add(line));
  own.nest(`for (var s = 0u; s < ${n}u; s++)`, rows);
  block.nest(`if (side < ${sides}u)`, own);
  return { lines: block.lines, groups: Math.ceil(sides / threads), storage: 0 };
}

/** The array that the result is first stored to. */
function outputName({ bindings, part }: KernelContext): string {
  return bindings.store(part.core!, "0u", "0.0")[0]!.split("[")[0]!;
}
