/**
 * The structure of the Jacobian of a bijection that a model writes out, found from which entries read which: elementwise, triangular in some
 * order, linear, or a rank-one update of a diagonal through one scalar. Structure alone does not prove a bijection; the flow gives its inverse.
 */
import { builtins, isLinearIn } from "../builtins.js";
import { layers } from "../layers.js";
import type { Expr, Local } from "../types.js";
import { childrenOf } from "../walk.js";
import { readsOfEntries, shapeOf, sizeOf } from "./reads.js";

export interface Level {
  readonly outputs: readonly number[];
  readonly inputs: readonly number[];
}

export type JacobianStructure =
  | { readonly kind: "elementwise" }
  | { readonly kind: "triangular"; readonly levels: readonly Level[] }
  | { readonly kind: "linear" }
  /** x = rest(z, s), s = scalar(z): `local` stands for s in `rest`. */
  | { readonly kind: "rankOne"; readonly scalar: Expr; readonly rest: Expr; readonly local: Local }
  | { readonly kind: "dense" };

/** Most entries whose whole Jacobian may be taken; as in the runtime. */
export const MOST_ENTRIES = 32;

export type Found = JacobianStructure | { readonly kind: "none"; readonly reason: string };

export function structureOf(expr: Expr, input: Local, scalarLocal: () => Local): Found {
  const reads = readsOfEntries(expr, input.id);
  const missing = new Set(Array.from({ length: sizeOf(shapeOf(expr)) }, (_, i) => i));
  for (const set of reads) for (const i of set) missing.delete(i);
  const [lost] = missing;
  if (lost !== undefined)
    return { kind: "none", reason: `nothing reads entry ${lost + 1} of \`${input.name}\`, so it cannot be found again` };
  if (reads.every((set, i) => set.size === 1 && set.has(i))) return { kind: "elementwise" };
  const levels = triangular(reads);
  if (levels) return { kind: "triangular", levels };
  if (isLinear(expr, input.id) && reads.length <= MOST_ENTRIES) return { kind: "linear" };
  const update = rankOne(expr, input, scalarLocal);
  return update ?? { kind: "none", reason: cycleIn(reads, input.name) };
}

/** Pairs outputs with inputs so that the matrix is triangular: over and over, an output of which one input is left to pair takes it. */
function triangular(reads: readonly ReadonlySet<number>[]): readonly Level[] | undefined {
  const level = new Map<number, number>();
  const levels: { outputs: number[]; inputs: number[] }[] = [];
  let open = reads.map((_, i) => i);
  while (open.length > 0) {
    const outputs: number[] = [];
    const inputs: number[] = [];
    const before = new Set(level.keys());
    for (const i of open) {
      const left = [...(reads[i] ?? [])].filter((j) => !before.has(j));
      const [only] = left;
      if (only === undefined || left.length > 1 || inputs.includes(only)) continue;
      outputs.push(i);
      inputs.push(only);
    }
    if (outputs.length === 0) return undefined;
    for (const j of inputs) level.set(j, levels.length);
    levels.push({ outputs, inputs });
    open = open.filter((i) => !outputs.includes(i));
  }
  return levels;
}

function isLinear(expr: Expr, input: string): boolean {
  const depends = (e: Expr): boolean => (e.kind === "local" ? e.local.id === input : childrenOf(e).some(depends));
  const linear = (e: Expr): boolean => {
    if (!depends(e) || e.kind === "local") return true;
    const positions = childrenOf(e).flatMap((a, i) => (depends(a) ? [i] : []));
    if (!childrenOf(e).every(linear)) return false;
    if (e.kind === "builtin") return isLinearIn(builtins.get(e.fn)?.linear, positions);
    return e.kind === "layer" && layers.get(e.instance.layer)?.linear === true;
  };
  return linear(expr);
}

/** All that mixes entries passes through one scalar. */
function rankOne(expr: Expr, input: Local, scalarLocal: () => Local): JacobianStructure | undefined {
  const mixing = (e: Expr): boolean =>
    shapeOf(e).length === 0 && e.type.kind === "tensor" && (readsOfEntries(e, input.id)[0]?.size ?? 0) > 1;
  const scalars: Expr[] = [];
  const collect = (e: Expr): void => {
    if (mixing(e)) scalars.push(e);
    else childrenOf(e).forEach(collect);
  };
  collect(expr);
  const [scalar] = scalars;
  const text = (e: Expr): string => JSON.stringify(e, (key, value: unknown) => (key === "span" || key === "text" ? undefined : value));
  if (!scalar || scalars.some((s) => text(s) !== text(scalar))) return undefined;
  const isScalar = (e: Expr): boolean => scalars.includes(e);
  const rest = readsOfEntries(expr, input.id, { cut: isScalar });
  if (!rest.every((set, i) => set.size === 1 && set.has(i))) return undefined;
  const local = scalarLocal();
  const value: Expr = { kind: "local", local, type: local.type, span: scalar.span };
  let plain = true;
  const replaced = (e: Expr): Expr => {
    if (isScalar(e)) return value;
    if (e.kind !== "builtin") return e;
    if (e.args.some((a) => contains(a, isScalar)) && builtins.get(e.fn)?.reads !== "place") plain = false;
    return { ...e, args: e.args.map(replaced) };
  };
  const body = replaced(expr);
  return plain ? { kind: "rankOne", scalar, rest: body, local } : undefined;
}

function contains(e: Expr, what: (e: Expr) => boolean): boolean {
  return what(e) || childrenOf(e).some((c) => contains(c, what));
}

/** Two entries that read one another, for the error. */
function cycleIn(reads: readonly ReadonlySet<number>[], name: string): string {
  const list = reads.slice(0, 4).map(
    (set, i) =>
      `entry ${i + 1} reads ${[...set]
        .sort((a, b) => a - b)
        .slice(0, 4)
        .map((j) => `\`${name}[${j + 1}]\``)
        .join(", ")}${set.size > 4 ? ", …" : ""}`,
  );
  return `${list.join("; ")}${reads.length > 4 ? "; …" : ""}`;
}
