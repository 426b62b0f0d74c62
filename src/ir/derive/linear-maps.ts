import type { LinearMap, MapTerm } from "../maximisation.js";
import type { Expr } from "../types.js";
import { type DeriveContext, variablesIn } from "./context.js";
import { underPaths } from "./weight-paths.js";
import { weightsIn } from "./weights.js";
import { opened } from "./open-maps.js";
import { fingerprint } from "../same-expr.js";

/** The terms of a location in the weights of `over`; a text says why it is no sum of products of features and weights. */
export function linearMapOf(context: DeriveContext, loc: Expr, over: readonly string[], scale: Expr | undefined): LinearMap | string {
  const terms: MapTerm[] = [];
  const offset: { readonly sign: 1 | -1; readonly value: Expr }[] = [];
  const add = (expr: Expr, sign: 1 | -1): string | undefined => {
    const e = opened(context, expr);
    if (![...weightsIn(context, [e])].some((w) => underPaths(w, over))) {
      offset.push({ sign, value: e });
      return undefined;
    }
    const term = termOf(context, e, sign);
    if (term) {
      terms.push(term);
      return undefined;
    }
    const [a, b] = e.kind === "builtin" ? e.args : [];
    if (e.kind === "builtin" && e.fn === "neg" && a) return add(a, sign === 1 ? -1 : 1);
    if (e.kind === "builtin" && (e.fn === "add" || e.fn === "sub") && a && b)
      return add(a, sign) ?? add(b, e.fn === "add" ? sign : sign === 1 ? -1 : 1);
    return e.kind === "builtin"
      ? `\`${e.fn}\` in it is no product of features and one parameter`
      : "it is more than parameters and products with them";
  };
  const odd = add(loc, 1);
  if (odd !== undefined) return odd;
  const groups = groupsOf(context, terms);
  return (
    noiseFits(
      context,
      scale,
      groups.filter((g) => !g[0]?.entrywise),
    ) ?? { groups, offset }
  );
}

/**
 * Terms that are estimated together: products of vectors by one index, and products entry by entry of one index and shape. A weight alone belongs to
 * whichever of these there is.
 */
function groupsOf(context: DeriveContext, terms: readonly MapTerm[]): LinearMap["groups"] {
  const groups = new Map<string, MapTerm[]>();
  const put = (key: string, t: MapTerm): unknown => groups.set(key, [...(groups.get(key) ?? []), t]);
  const vectors = (t: MapTerm): string => indexOf(context, t.selection);
  const entries = (t: MapTerm): string => `entrywise ${vectors(t)} of ${shapeText(context, t.selection)}`;
  for (const t of terms) if (t.features) put(t.entrywise ? entries(t) : vectors(t), t);
  for (const t of terms) {
    if (t.features) continue;
    if (groups.has(entries(t)) && !groups.has(vectors(t))) put(entries(t), { ...t, entrywise: true });
    else put(vectors(t), t);
  }
  return [...groups.values()];
}

/** Of the parameter that is picked from. */
function shapeText(context: DeriveContext, selection: Expr): string {
  const e = opened(context, selection);
  const [first] = e.kind === "builtin" ? e.args : [];
  if (first) return shapeText(context, first);
  return e.type.kind === "tensor" ? e.type.shape.map((d) => d.size).join() : "";
}

/** A vector times a parameter, entries of one times others, or a parameter alone. */
function termOf(context: DeriveContext, e: Expr, sign: 1 | -1): MapTerm | undefined {
  const alone = picked(context, e);
  if (alone) return { ...alone, features: undefined, entrywise: false, transposed: false, sign };
  if (e.kind === "builtin" && e.fn === "mul") return entrywiseOf(context, e.args, sign);
  if (e.kind !== "builtin" || e.fn !== "matmul" || e.type.kind !== "tensor" || e.type.shape.length !== 1) return undefined;
  const [a, b] = e.args.map((arg) => opened(context, arg));
  if (!a || !b) return undefined;
  const vector = (x: Expr): boolean => x.type.kind === "tensor" && x.type.shape.length === 1 && weightsIn(context, [x]).size === 0;
  const [features, matrix, flipped] = vector(a) ? [a, b, false] : [b, a, true];
  if (!vector(features)) return undefined;
  const turned = matrix.kind === "builtin" && matrix.fn === "transpose" ? matrix.args[0] : undefined;
  const found = picked(context, turned ?? matrix);
  return found && { ...found, features, entrywise: false, transposed: flipped !== (turned !== undefined), sign };
}

/** `a * z`, either way round. */
function entrywiseOf(context: DeriveContext, args: readonly Expr[], sign: 1 | -1): MapTerm | undefined {
  const [a, b] = args;
  if (!a || !b) return undefined;
  const [weight, features] = weightsIn(context, [a]).size > 0 ? [picked(context, a), b] : [picked(context, b), a];
  if (!weight || weightsIn(context, [features]).size > 0) return undefined;
  return { ...weight, features, entrywise: true, transposed: false, sign };
}

/** The parameter of which an expression is all, or picks an entry of the first axis; names spelled out. */
function picked(context: DeriveContext, expr: Expr): Pick<MapTerm, "path" | "selection"> | undefined {
  const e = opened(context, expr);
  if (e.kind === "param") return { path: e.path, selection: e };
  const [first, index] = e.kind === "builtin" && e.fn === "take" ? e.args : [];
  if (e.kind !== "builtin" || !first || !index || weightsIn(context, [index]).size > 0) return undefined;
  const inner = picked(context, first);
  return inner && { path: inner.path, selection: { ...e, args: [inner.selection, index] } };
}

/** Where a selection picks from its parameter: the same text for weights that share their rows. */
function indexOf(context: DeriveContext, selection: Expr): string {
  const e = opened(context, selection);
  if (e.kind !== "builtin" || e.fn !== "take") return "";
  const [first, index] = e.args;
  return `${first ? indexOf(context, first) : ""}[${index ? fingerprint(index) : ""}]`;
}

/**
 * One set of normal equations serves all entries of the location where noise weighs rows alike in all of them: one level for a row, or levels of the
 * entries that are the same wherever the same weights are read. Else the reason.
 */
function noiseFits(context: DeriveContext, scale: Expr | undefined, groups: LinearMap["groups"]): string | undefined {
  if (!scale || (scale.type.kind === "tensor" && scale.type.shape.length === 0)) return undefined;
  const read = [...variablesIn(context, [scale])];
  const everywhere = groups.every((terms) => {
    const indices = variablesIn(
      context,
      terms.flatMap((t) => t.selection),
    );
    return read.every((v) => indices.has(v));
  });
  return everywhere ? undefined : `its noise differs from entry to entry, and there with ${read.map((v) => `\`${v}\``).join(", ")}`;
}
