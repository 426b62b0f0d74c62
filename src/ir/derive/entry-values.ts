/**
 * Sums of values over the entries of latents: what `sum(w * z)` adds up, so that the average of each entry can be taken at that entry's own states. A
 * single entry, `z[3]`, is the sum of all of them times 1 at its place and 0 elsewhere.
 */
import { builtins } from "../builtins.js";
import { scalarType, shapeOf, tensor } from "../shapes.js";
import type { BuiltinExpr, Dim, Expr } from "../types.js";

/** What a scalar is the sum of, times `scale`; undefined where it is no such sum. `reads`: whether an expression reads a latent's entries. */
export function summandOf(expr: Expr, reads: (e: Expr) => boolean): { readonly scale: number; readonly of: Expr } | undefined {
  if (expr.kind !== "builtin" || shapeOf(expr).length > 0) return undefined;
  const [a, b] = expr.args;
  if ((expr.fn === "sum" || expr.fn === "mean") && a) {
    const inner = a.kind === "builtin" && a.fn === "sum" ? a.args[0] : undefined;
    const scale = expr.fn === "mean" ? 1 / shapeOf(a).reduce((n, d) => n * d.size, 1) : 1;
    return { scale, of: inner ?? a };
  }
  if (expr.fn === "neg" && a) {
    const found = summandOf(a, reads);
    return found && { ...found, scale: -found.scale };
  }
  if ((expr.fn === "mul" || expr.fn === "div") && a && b) {
    const [sum, other] = reads(a) ? [a, b] : [b, a];
    const found = !reads(other) && (expr.fn === "mul" || sum === a) ? summandOf(sum, reads) : undefined;
    const at = found?.of;
    if (found && at) return { ...found, of: { ...expr, args: sum === a ? [at, other] : [other, at], type: at.type } };
  }
  return summandOfOne(expr, reads);
}

/** Places that are read as masks, up to so many entries. */
const MOST = 1024;

/** An expression of one entry, `sigmoid(a * z[3])`, at all entries, times the mask of that one. */
function summandOfOne(expr: BuiltinExpr, reads: (e: Expr) => boolean): { readonly scale: number; readonly of: Expr } | undefined {
  let place: { readonly key: string; readonly shape: readonly Dim[]; readonly at: readonly number[] } | undefined;
  let meets = false;
  const atAll = (e: Expr): Expr | undefined => {
    if (!reads(e)) return shapeOf(e).length === 0 ? e : undefined;
    if (e.kind !== "builtin") return undefined;
    const entry = entryOf(e);
    if (entry) {
      const found = { key: `${entry.variable.variable} ${entry.at.join(" ")}`, shape: shapeOf(entry.variable), at: entry.at };
      meets ||= place !== undefined && place.key !== found.key;
      place = found;
      return entry.variable;
    }
    const [table, label] = e.args;
    if (e.fn === "take" && table && label && !reads(table) && shapeOf(table).length === 1) {
      const labels = atAll(label);
      return labels && { ...e, args: [table, labels], type: tensor(shapeOf(labels)) };
    }
    if (builtins.get(e.fn)?.reads !== "place" || shapeOf(e).length > 0) return undefined;
    const args = e.args.map(atAll);
    const shape = args.map((x) => (x ? shapeOf(x) : [])).find((s) => s.length > 0) ?? [];
    return args.every((x) => x !== undefined) ? { ...e, args, type: tensor(shape) } : undefined;
  };
  const values = atAll(expr);
  if (!values || !place || meets || place.shape.reduce((n, d) => n * d.size, 1) > MOST) return undefined;
  const { shape, at } = place;
  return { scale: 1, of: { ...expr, fn: "mul", args: [maskOf(expr, shape, at), values], options: {}, type: tensor(shape) } };
}

/** `z[3]`, `z[2, 5]`: one entry of a variable. */
function entryOf(expr: Expr): { readonly variable: Extract<Expr, { kind: "variable" }>; readonly at: readonly number[] } | undefined {
  const at: number[] = [];
  let e = expr;
  for (; e.kind === "builtin" && e.fn === "index" && e.args[0]; e = e.args[0]) {
    // indices are taken from the first axis on: what is outermost is the last
    if (e.options["axis"] !== -shapeOf(e.args[0]).length) return undefined;
    at.unshift(e.options["position"] as number);
  }
  return e.kind === "variable" && at.length === shapeOf(e).length && at.length > 0 ? { variable: e, at } : undefined;
}

function maskOf(like: BuiltinExpr, [first, ...rest]: readonly Dim[], [at, ...inner]: readonly number[], within = true): Expr {
  if (!first) return { kind: "number", value: within ? 1 : 0, text: undefined, type: scalarType, span: like.span };
  const rows = Array.from({ length: first.size }, (_, i) => maskOf(like, rest, inner, within && i === at));
  return { ...like, fn: "stack", args: rows, options: {}, type: tensor([first, ...rest]) };
}

/** A value summed over all of its axes but those. */
export function summedBut(values: Expr, kept: readonly number[]): Expr {
  const shape = shapeOf(values);
  const axes = shape.map((_, i) => i - shape.length).filter((axis) => !kept.includes(axis));
  if (axes.length === 0) return values;
  const type = tensor(kept.flatMap((axis) => shape[shape.length + axis] ?? []));
  return { kind: "builtin", fn: "sum", args: [values], options: { axes }, type, span: values.span };
}
