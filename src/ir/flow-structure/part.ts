/**
 * How much of the line an entry of a triangular map reaches in the entry of its input that it is paired with, the others held fixed: a map is onto only
 * where that is all of the range, wherever the others are. `cumsum(exp(z))` reaches positive numbers, but each entry only those above the one before it.
 */
import { builtins } from "../builtins.js";
import { negated, type Range } from "../range.js";
import type { Expr } from "../types.js";
import { type Source, readsOfEntries, runningSources, sourcesOf } from "./reads.js";
import type { Level } from "./structure.js";

/** What is reached: nothing but one value, an interval, or an interval that other entries move to and fro. */
type Part = "fixed" | { readonly range: Range; readonly moved: boolean } | undefined;

/** The first entry that is known to leave out a part of any range, since one end of what it reaches depends on other entries. */
export function endMovedByOthers(
  value: Expr,
  input: string,
  levels: readonly Level[],
  rangeOf: (expr: Expr) => Range,
): { readonly output: number; readonly range: Range } | undefined {
  for (const { outputs, inputs } of levels)
    for (const [k, output] of outputs.entries()) {
      const part = partOf(value, output, { local: input, entry: inputs[k] ?? 0 }, rangeOf);
      if (part === undefined || part === "fixed" || !part.moved) continue;
      if (Number.isFinite(part.range.low) || Number.isFinite(part.range.high)) return { output, range: part.range };
    }
  return undefined;
}

function partOf(expr: Expr, output: number, at: { readonly local: string; readonly entry: number }, rangeOf: (expr: Expr) => Range): Part {
  const readBy = new Map<Expr, readonly ReadonlySet<number>[]>();
  const readsAt = (e: Expr, i: number): ReadonlySet<number> => {
    const known = readBy.get(e) ?? readsOfEntries(e, at.local);
    readBy.set(e, known);
    return known[i] ?? new Set();
  };
  const visit = (e: Expr, i: number): Part => {
    if (e.kind === "local" && e.local.id === at.local && i === at.entry) return { range: rangeOf(e), moved: false };
    if (!readsAt(e, i).has(at.entry)) return "fixed";
    if (e.kind !== "builtin") return undefined;
    const entry = builtins.get(e.fn);
    const from = entry?.running ? runningSources(e, i) : sourcesOf(e, i);
    if (!from) return undefined;
    const parts = from.map(({ arg, entry: j }) => {
      const part = visit(e.args[arg] as Expr, j);
      return e.fn === "sub" && arg === 1 && typeof part === "object" ? { ...part, range: negated(part.range) } : part;
    });
    if (entry?.running || e.fn === "add" || e.fn === "sub") return sum(e.args, from, parts);
    const [only] = parts;
    if (parts.length !== 1 || only === undefined || only === "fixed") return undefined;
    // moving entries about keeps what is reached, a function of one entry takes an interval to an interval
    if (entry?.reads !== "place") return only;
    return only.moved || !entry.range ? undefined : { range: entry.range([only.range], e.options, []), moved: false };
  };
  /** One term that reaches an interval, moved where others of the sum read the input too. */
  const sum = (args: readonly Expr[], from: readonly Source[], parts: readonly Part[]): Part => {
    const reaching = parts.filter((p) => p !== "fixed");
    const [only] = reaching;
    if (reaching.length !== 1 || only === undefined) return undefined;
    const others = from.filter((_, k) => parts[k] === "fixed");
    const moved = others.some(({ arg, entry: j }) => readsAt(args[arg] as Expr, j).size > 0);
    return { range: only.range, moved: only.moved || moved };
  };
  return visit(expr, output);
}
