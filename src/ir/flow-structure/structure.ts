/**
 * The structure of the Jacobian of a bijection that a model writes out, found from which entries read which: elementwise, triangular in some
 * order, linear, or a rank-one update of a diagonal through one scalar. Structure alone does not prove a bijection; the flow gives its inverse.
 */
import { builtins, isLinearIn } from "../builtins.js";
import { layers } from "../layers.js";
import type { Expr, Local } from "../types.js";
import { childrenOf } from "../walk.js";
import { readsOfEntries, sizeOf } from "./reads.js";
import { waistOf } from "./waist.js";
import { sizesOf } from "../shapes.js";
import { fingerprint } from "../same-expr.js";

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

/** Why there is none: `singular` where no structure would help, since the determinant is 0; `tooLarge` where a smaller one would have it. */
interface NoStructure {
  readonly kind: "none";
  readonly reason: string;
  readonly problem?: "singular" | "narrow" | "tooLarge";
}

export type Found = JacobianStructure | NoStructure;

export function structureOf(expr: Expr, input: Local, scalarLocal: () => Local): Found {
  const reads = readsOfEntries(expr, input.id);
  const lost = lostEntry(reads, input.name);
  if (lost) return lost;
  const narrow = tooNarrow(expr, input);
  if (narrow) return narrow;
  if (reads.every((set, i) => set.size === 1 && set.has(i))) return { kind: "elementwise" };
  const levels = triangular(reads);
  if (levels) return { kind: "triangular", levels };
  const linear = isLinear(expr, input.id);
  if (linear && reads.length <= MOST_ENTRIES) return { kind: "linear" };
  const update = rankOne(expr, input, scalarLocal);
  if (!update && linear) {
    const reason = `it is linear, which is for at most ${MOST_ENTRIES} entries where nothing else is known of it, and it has ${reads.length}`;
    return { kind: "none", reason, problem: "tooLarge" };
  }
  return update ?? { kind: "none", reason: cycleIn(reads, input.name) };
}

/** An entry that nothing reads: the map is none to one, whatever its Jacobian is called. */
function lostEntry(reads: readonly ReadonlySet<number>[], name: string): NoStructure | undefined {
  const missing = new Set(reads.map((_, i) => i));
  for (const set of reads) for (const i of set) missing.delete(i);
  const [lost] = missing;
  if (lost === undefined) return undefined;
  return { kind: "none", reason: `nothing reads entry ${lost + 1} of \`${name}\`, so it cannot be found again`, problem: "singular" };
}

/** The structure that a model asks for by `jacobian = dense`; none where the determinant is 0 all the same. */
export function denseStructure(expr: Expr, input: Local): Found {
  return lostEntry(readsOfEntries(expr, input.id), input.name) ?? tooNarrow(expr, input) ?? { kind: "dense" };
}

/** A map through fewer numbers than it has entries. */
function tooNarrow(expr: Expr, input: Local): NoStructure | undefined {
  const size = sizeOf(sizesOf(expr));
  const waist = waistOf(expr, input.id);
  if (waist >= size) return undefined;
  const through = waist === 1 ? "one number" : `${waist} numbers`;
  return {
    kind: "none",
    reason: `all of \`${input.name}\` goes through ${through}, and ${size} entries are made of that`,
    problem: "narrow",
  };
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

export function isLinear(expr: Expr, input: string): boolean {
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
    sizesOf(e).length === 0 && e.type.kind === "tensor" && (readsOfEntries(e, input.id)[0]?.size ?? 0) > 1;
  const outer = (e: Expr): readonly Expr[] => (mixing(e) ? [e] : childrenOf(e).flatMap(outer));
  // `tanh(sum(z)) * sum(z)`: what the scalars are made of may be one where they are several
  const inner = (e: Expr): readonly Expr[] => {
    const below = childrenOf(e).flatMap(inner);
    return below.length === 0 && mixing(e) ? [e] : below;
  };
  const scalars = [outer, inner].map((find) => find(expr)).find((found) => new Set(found.map((e) => fingerprint(e))).size === 1);
  const [scalar] = scalars ?? [];
  if (!scalar || !scalars) return undefined;
  const isScalar = (e: Expr): boolean => scalars.includes(e);
  const rest = readsOfEntries(expr, input.id, { cut: isScalar });
  if (!rest.every((set, i) => set.size === 1 && set.has(i))) return undefined;
  const local = scalarLocal();
  const value: Expr = { kind: "local", local, type: local.type, span: scalar.span };
  let plain = true;
  const replaced = (e: Expr): Expr => {
    if (isScalar(e)) return value;
    if (e.kind !== "builtin") return e;
    const reads = e.args.some((a) => contains(a, isScalar));
    if (reads && builtins.get(e.fn)?.reads !== "place") plain = false;
    // s is as wide as the input, and so is what is made of it alone
    const type = reads && sizesOf(e).length === 0 ? local.type : e.type;
    return { ...e, type, args: e.args.map(replaced) };
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
