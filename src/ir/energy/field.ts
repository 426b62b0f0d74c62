/**
 * Conditionals of an energy's variables as expressions: the derivative of the energy, read off its terms by the rules of a reverse sweep. For
 * people to read; what runs is the staged gradient. Where a rule is missing, a term's derivative is left as it is written, `dE/dh` of the term.
 */
import { builtins } from "../builtins.js";
import type { DeriveContext } from "../derive/context.js";
import { layers } from "../layers.js";
import { sameExpr } from "../same-expr.js";
import { sameShape, shapeOf, tensor } from "../shapes.js";
import type { BuiltinExpr, Dim, Expr } from "../types.js";
import { childrenOf } from "../walk.js";
import {
  builtin,
  divided,
  filled,
  followed,
  isZero,
  mentions,
  minus,
  negative,
  number,
  plus,
  product,
  rebuilt,
  substitute,
  summed,
  times,
} from "./algebra.js";
import { squareOf } from "./rewrite.js";
import type { EnergyAnalysis } from "./types.js";

/** A sum of expressions, and the terms of the energy whose derivative has no form here, with their scale. */
export interface Sum {
  readonly parts: readonly Expr[];
  readonly rest: readonly { readonly scale: number; readonly term: Expr }[];
}

/**
 * -dE/dx with x at zero: logits of discrete units (for a category, over its classes), the field of a real variable. Of binary units that interact it
 * is the derivative as it stands, with x in it.
 */
export function fieldOf(context: DeriveContext, analysis: EnergyAnalysis, name: string): Sum {
  const quadratic = analysis.dependence.get(name)?.degree === 2 && analysis.variable.get(name)?.domain.name === "real";
  const parts: Expr[] = [];
  const rest: { scale: number; term: Expr }[] = [];
  for (const { scale, expr, reach } of analysis.terms) {
    if (!reach.on.has(name)) continue;
    const g = number(-scale, expr);
    if (!isBrief(context, expr)) {
      rest.push({ scale: -scale, term: expr });
      continue;
    }
    const made =
      quadratic && reach.on.get(name)?.degree === 2 ? quadraticPull(context, expr, g, name)?.field : pull(context, expr, g, name);
    if (made) parts.push(made);
    else rest.push({ scale: -scale, term: expr });
  }
  return { parts: gathered(parts), rest };
}

/** d2E/dx2 of a Normal variable, entry by entry; undefined where a term has no form here. */
export function precisionOf(context: DeriveContext, analysis: EnergyAnalysis, name: string): Expr | undefined {
  let total: Expr | undefined;
  for (const { scale, expr, reach } of analysis.terms) {
    if (reach.on.get(name)?.degree !== 2) continue;
    const made = isBrief(context, expr) && quadraticPull(context, expr, number(-scale, expr), name);
    if (!made) return undefined;
    const part = negative(made.slope);
    total = total ? plus(total, part) : part;
  }
  return total;
}

/** Few enough nodes, names spelled out, to be differentiated for reading. */
function isBrief(context: DeriveContext, expr: Expr): boolean {
  let left = 400;
  const count = (e: Expr): boolean => {
    const binding = e.kind === "local" ? context.bindings.get(e.local.id) : undefined;
    return --left >= 0 && childrenOf(e).every(count) && (binding === undefined || count(binding.value));
  };
  return count(expr);
}

/** Without zeros. */
function gathered(parts: readonly Expr[]): readonly Expr[] {
  return parts.filter((p) => !isZero(p));
}

/**
 * g d(expr)/dx for an expression, a polynomial in x, g the derivative of what stands above in it, of its shape or repeated to it. Undefined
 * where no rule applies.
 */
export function pull(context: DeriveContext, expr: Expr, g: Expr, name: string): Expr | undefined {
  const depends = (e: Expr): boolean => mentions(context, e, name);
  switch (expr.kind) {
    case "variable":
      return expr.variable === name ? g : undefined;
    case "local": {
      const binding = context.bindings.get(expr.local.id);
      return binding && pull(context, binding.value, g, name);
    }
    case "layer": {
      const [x] = expr.args;
      const { layer } = expr.instance;
      if (!x || !layers.get(layer)?.linear || !sameShape(shapeOf(g), shapeOf(expr))) return undefined;
      return pull(context, x, builtin(`${layer}_transposed`, [g], shapeOf(x), expr), name);
    }
    case "builtin":
      break;
    default:
      return undefined;
  }
  const [a, b] = expr.args;
  const e = expr;
  if (e.fn === "onehot" || (e.fn === "take" && b && depends(b))) return lookup(context, e, g, name);
  if (e.fn === "neg" && a) return pull(context, a, negative(g), name);
  if ((e.fn === "add" || e.fn === "sub") && a && b) {
    const left = depends(a) ? side(context, e, a, g, name) : undefined;
    const right = depends(b) ? side(context, e, b, e.fn === "add" ? g : negative(g), name) : undefined;
    if ((depends(a) && !left) || (depends(b) && !right)) return undefined;
    return left && right ? plus(left, right) : (left ?? right);
  }
  const square = squareOf(e);
  if (square && depends(square)) return pull(context, square, times(g, times(number(2, e), square)), name);
  if ((e.fn === "mul" || e.fn === "matmul") && a && b && depends(a) && depends(b)) {
    const of = (x: Expr): Expr | undefined => {
      if (e.fn === "mul") return side(context, e, x, times(g, x === a ? b : a), name);
      return x === a ? ofLeft(context, a, b, g, name) : ofRight(context, a, b, g, name);
    };
    const [left, right] = [of(a), of(b)];
    return left && right && plus(left, right);
  }
  if (e.fn === "mul" && a && b && depends(a) !== depends(b)) {
    const [x, c] = depends(a) ? [a, b] : [b, a];
    return side(context, e, x, times(g, c), name);
  }
  if (e.fn === "div" && a && b && !depends(b)) return side(context, e, a, divided(g, b), name);
  if (e.fn === "matmul" && a && b && depends(a) !== depends(b))
    return depends(a) ? ofLeft(context, a, b, g, name) : ofRight(context, a, b, g, name);
  if ((e.fn === "conv" || e.fn === "conv_transpose") && a && b && !depends(b)) return ofConvolution(context, e, a, b, g, name);
  if (e.fn === "avg_pool" && a) return ofPool(context, e, a, g, name);
  if (e.fn === "pool" && a) return ofBlocks(context, e, a, g, name);
  if (e.fn === "sum" && a && shapeOf(e).length === 0) return pull(context, a, g, name);
  if (e.fn === "mean" && a && shapeOf(e).length === 0) return pull(context, a, divided(g, number(count(shapeOf(a)), e)), name);
  if ((e.fn === "sum" || e.fn === "mean") && a && shapeOf(g).length === 0) {
    const over = e.fn === "sum" ? 1 : count(shapeOf(a)) / count(shapeOf(e));
    return pull(context, a, divided(g, number(over, e)), name);
  }
  if ((e.fn === "index" || e.fn === "slice") && a && shapeOf(a).length === 1) return ofEntries(context, e, a, g, name);
  if (builtins.get(e.fn)?.moves && builtins.get(e.fn)?.linear === "all" && a) {
    if (shapeOf(g).length === 0 && count(shapeOf(a)) === count(shapeOf(e))) return pull(context, a, g, name);
    if (!sameShape(shapeOf(g), shapeOf(e))) return undefined;
    if (e.fn === "reverse") return pull(context, a, { ...e, args: [g] }, name);
    if (e.fn === "transpose" && shapeOf(a).length === 2) return pull(context, a, builtin("transpose", [g], shapeOf(a), e, e.options), name);
    if (e.fn === "reshape" || e.fn === "flatten")
      return pull(context, a, builtin("reshape", [g], shapeOf(a), e, { shape: shapeOf(a).map((d) => d.size) }), name);
  }
  return undefined;
}

function count(shape: readonly Dim[]): number {
  return shape.reduce((n, d) => n * d.size, 1);
}

/** Into an operand that an entrywise operation may have repeated: then the derivative is summed over the copies. */
function side(context: DeriveContext, e: BuiltinExpr, operand: Expr, g: Expr, name: string): Expr | undefined {
  const [own, whole] = [shapeOf(operand), shapeOf(e)];
  if (sameShape(own, whole)) return pull(context, operand, g, name);
  if (!sameShape(shapeOf(g), whole) || own.some((d, i) => d.size !== whole[whole.length - own.length + i]?.size)) return undefined;
  const extra = Array.from({ length: whole.length - own.length }, (_, i) => i - whole.length);
  return pull(context, operand, summed(g, extra), name);
}

/** `a @ b` in a. */
function ofLeft(context: DeriveContext, a: Expr, b: Expr, g: Expr, name: string): Expr | undefined {
  const [left, right] = [shapeOf(a), shapeOf(b)];
  if (right.length > 2 || left.length > 2) return undefined;
  if (right.length === 1) return left.length === 1 ? pull(context, a, times(g, b), name) : undefined;
  if (left.length === 1) {
    if (shapeOf(g).length === 0) return pull(context, a, times(g, summed(b, [-1])), name);
    return pull(context, a, product(b, g, left), name);
  }
  return sameShape(shapeOf(g), [...left.slice(0, 1), ...right.slice(1)])
    ? pull(context, a, product(g, transposed(b), left), name)
    : undefined;
}

/** `a @ b` in b. */
function ofRight(context: DeriveContext, a: Expr, b: Expr, g: Expr, name: string): Expr | undefined {
  const [left, right] = [shapeOf(a), shapeOf(b)];
  if (right.length > 2 || left.length > 2) return undefined;
  if (left.length === 1) return right.length === 1 ? pull(context, b, times(g, a), name) : undefined;
  if (right.length === 1) {
    if (shapeOf(g).length === 0) return pull(context, b, times(g, summed(a, [-2])), name);
    return pull(context, b, product(g, a, right), name);
  }
  return sameShape(shapeOf(g), [...left.slice(0, 1), ...right.slice(1)])
    ? pull(context, b, product(transposed(a), g, right), name)
    : undefined;
}

/** `conv(a, kernel)` and its transpose are each other's derivative in a, where the transpose reaches back to the shape of a. */
function ofConvolution(context: DeriveContext, e: BuiltinExpr, a: Expr, kernel: Expr, g: Expr, name: string): Expr | undefined {
  const [kh, kw] = shapeOf(kernel).map((d) => d.size);
  const stride = Number(e.options["stride"] ?? 1);
  const back = shapeOf(e.fn === "conv" ? e : a).slice(0, 2);
  const forth = shapeOf(e.fn === "conv" ? a : e).slice(0, 2);
  const reach = [kh ?? 1, kw ?? 1].map((k, i) => {
    const n = back[i]?.size ?? 0;
    return e.options["padding"] === "same" ? n * stride : (n - 1) * stride + k;
  });
  if (reach.some((n, i) => n !== forth[i]?.size)) return undefined;
  const whole = sameShape(shapeOf(g), shapeOf(e)) ? g : shapeOf(g).length === 0 ? times(g, filled(1, shapeOf(e), e)) : undefined;
  const other = e.fn === "conv" ? "conv_transpose" : "conv";
  return whole && signedPull(context, a, whole, (x) => builtin(other, [x, kernel], shapeOf(a), e, e.options), name);
}

/** The mean of each block of an image, spread over the block again. */
function ofPool(context: DeriveContext, e: BuiltinExpr, a: Expr, g: Expr, name: string): Expr | undefined {
  const { size, stride } = e.options;
  const n = Number(size);
  const blocks = stride === size && [0, 1].every((i) => shapeOf(a)[i]?.size === n * (shapeOf(e)[i]?.size ?? 0));
  if (!blocks || !sameShape(shapeOf(g), shapeOf(e))) return undefined;
  const options = { factor: n, method: "nearest" };
  const spread = (x: Expr): Expr => divided(builtin("upsample", [x], shapeOf(a), e, options), number(n * n, e));
  return signedPull(context, a, g, spread, name);
}

/** Each unit gets what its block gets; square blocks of an image have a name for it. */
function ofBlocks(context: DeriveContext, e: BuiltinExpr, a: Expr, g: Expr, name: string): Expr | undefined {
  const [rows, columns, ...more] = e.options["blocks"] as readonly number[];
  if (rows === undefined || rows !== columns || more.length > 0 || shapeOf(a).length !== 3) return undefined;
  if (!sameShape(shapeOf(g), shapeOf(e))) return undefined;
  const spread = (x: Expr): Expr => builtin("upsample", [x], shapeOf(a), e, { factor: rows, method: "nearest" });
  return signedPull(context, a, g, spread, name);
}

/** Entries of a vector: its product with rows of the identity matrix, `eye(D)[2]`. */
function ofEntries(context: DeriveContext, e: BuiltinExpr, a: Expr, g: Expr, name: string): Expr | undefined {
  const [size] = shapeOf(a);
  if (!size) return undefined;
  const identity = builtin("eye", [], [size, size], e, { size: size.size });
  const rows: Expr = { ...e, args: [identity], options: { ...e.options, axis: -2 }, type: tensor([...shapeOf(e), size]) };
  const copies = e.fn === "index" ? rows : summed(rows, [-2]);
  if (shapeOf(g).length === 0) return signedPull(context, a, g, (x) => times(x, copies), name);
  return sameShape(shapeOf(g), shapeOf(e)) ? signedPull(context, a, g, (x) => product(x, rows, shapeOf(a)), name) : undefined;
}

/** Into `a` with g put through a linear function, its sign and a number in front of it taken outside. */
function signedPull(context: DeriveContext, a: Expr, g: Expr, through: (g: Expr) => Expr, name: string): Expr | undefined {
  if (g.kind === "builtin" && g.fn === "neg" && g.args[0]) return signedPull(context, a, g.args[0], (x) => negative(through(x)), name);
  const [factor, rest] = g.kind === "builtin" && g.fn === "mul" ? g.args : [];
  if (factor?.kind === "number" && rest && sameShape(shapeOf(rest), shapeOf(g)))
    return signedPull(context, a, rest, (x) => times(factor, through(x)), name);
  return pull(context, a, through(g), name);
}

function transposed(a: Expr): Expr {
  if (a.kind === "builtin" && a.fn === "transpose" && a.args[0] && shapeOf(a).length === 2) return a.args[0];
  return builtin("transpose", [a], [...shapeOf(a)].reverse(), a, { order: [-1, -2] });
}

/** Over the classes: rows of the table times what they are multiplied by. */
function lookup(context: DeriveContext, e: BuiltinExpr, g: Expr, name: string): Expr | undefined {
  const [table, labels] = e.args;
  if (!table) return undefined;
  if (e.fn === "onehot") return isVariable(context, table, name) ? g : undefined;
  if (!labels || mentions(context, table, name) || !isVariable(context, labels, name)) return undefined;
  const row = shapeOf(table).slice(1);
  if (row.length === 0) return shapeOf(g).length === 0 ? times(g, table) : undefined;
  if (row.length > 1) return undefined;
  if (shapeOf(g).length === 0) return times(g, summed(table, [-1]));
  if (shapeOf(g).length === 1 && shapeOf(e).length <= 2) return product(table, g, shapeOf(table).slice(0, 1));
  return shapeOf(g).length === 2 ? product(g, transposed(table), [...shapeOf(g).slice(0, 1), ...shapeOf(table).slice(0, 1)]) : undefined;
}

function isVariable(context: DeriveContext, e: Expr, name: string): boolean {
  const value = e.kind === "local" ? context.bindings.get(e.local.id)?.value : e;
  return value?.kind === "variable" && value.variable === name;
}

// ---- real variables ------------------------------------------------------------------------------

/** g d(expr)/dx = slope x + field, for an expression that is quadratic in single entries of x. */
interface Slope {
  readonly slope: Expr;
  readonly field: Expr;
}

function quadraticPull(context: DeriveContext, expr: Expr, g: Expr, name: string): Slope | undefined {
  if (expr.kind === "local") {
    const binding = context.bindings.get(expr.local.id);
    return binding && quadraticPull(context, binding.value, g, name);
  }
  if (expr.kind !== "builtin") return undefined;
  const depends = (e: Expr): boolean => mentions(context, e, name);
  const [a, b] = expr.args;
  const inner = (x: Expr, h: Expr): Slope | undefined =>
    sameShape(shapeOf(x), shapeOf(expr)) ? quadraticPull(context, x, h, name) : undefined;
  const base = squareOf(expr);
  if (base) return ofProduct(context, base, base, g, name);
  if (!a) return undefined;
  if (expr.fn === "neg") return inner(a, negative(g));
  if (expr.fn === "sum" && shapeOf(expr).length === 0) return quadraticPull(context, a, g, name);
  if (expr.fn === "mean" && shapeOf(expr).length === 0) return quadraticPull(context, a, divided(g, number(count(shapeOf(a)), expr)), name);
  if (!b) return undefined;
  if (expr.fn === "div" && !depends(b)) return inner(a, divided(g, b));
  if (expr.fn === "mul") {
    if (depends(a) && depends(b)) return ofProduct(context, a, b, g, name);
    return depends(a) ? inner(a, times(g, b)) : inner(b, times(g, a));
  }
  if (expr.fn === "matmul" && shapeOf(a).length === 1 && shapeOf(b).length === 1) {
    if (depends(a) && depends(b)) return ofProduct(context, a, b, g, name);
    return depends(a) ? quadraticPull(context, a, times(g, b), name) : quadraticPull(context, b, times(g, a), name);
  }
  return undefined;
}

/** (a1 x + b1) (a2 x + b2) has the derivative 2 a1 a2 x + a1 b2 + a2 b1. */
function ofProduct(context: DeriveContext, left: Expr, right: Expr, g: Expr, name: string): Slope | undefined {
  const [p, q] = [lineOf(context, left, name), lineOf(context, right, name)];
  if (!p || !q) return undefined;
  const same = sameExpr(left, right);
  const cross = same ? times(number(2, left), times(p.slope, p.field)) : plus(times(p.slope, q.field), times(q.slope, p.field));
  return { slope: times(times(g, number(2, left)), times(p.slope, q.slope)), field: times(g, cross) };
}

/** slope x + field, entry by entry, of an expression that reads each entry of x in its place. */
function lineOf(context: DeriveContext, expr: Expr, name: string): Slope | undefined {
  const depends = (e: Expr): boolean => mentions(context, e, name);
  if (expr.kind === "variable" && expr.variable === name) return { slope: number(1, expr), field: filled(0, shapeOf(expr), expr) };
  if (expr.kind === "local") {
    const binding = context.bindings.get(expr.local.id);
    return binding && lineOf(context, binding.value, name);
  }
  if (expr.kind !== "builtin") return undefined;
  const [a, b] = expr.args;
  const whole = (x: Expr): Slope | undefined => (sameShape(shapeOf(x), shapeOf(expr)) ? lineOf(context, x, name) : undefined);
  const each = (x: Slope | undefined, f: (y: Expr) => Expr): Slope | undefined => x && { slope: f(x.slope), field: f(x.field) };
  if (expr.fn === "neg" && a) return each(whole(a), negative);
  if (!a || !b || depends(a) === depends(b)) return undefined;
  const [x, c] = depends(a) ? [whole(a), b] : [whole(b), a];
  if (!x) return undefined;
  if (expr.fn === "add") return { ...x, field: plus(x.field, c) };
  if (expr.fn === "sub") return depends(a) ? { ...x, field: minus(x.field, c) } : { slope: negative(x.slope), field: minus(c, x.field) };
  if (expr.fn === "mul") return each(x, (y) => times(c, y));
  return expr.fn === "div" && depends(a) ? each(x, (y) => divided(y, c)) : undefined;
}

// ---- values at zero ------------------------------------------------------------------------------

/** An expression with a variable at zero; of a category, with a one-hot vector of zeros. */
export function atZero(context: DeriveContext, analysis: EnergyAnalysis, expr: Expr, name: string): Expr {
  const variable = analysis.variable.get(name);
  if (!variable || !mentions(context, expr, name)) return expr;
  if (variable.domain.name !== "category") return substitute(context, expr, name, filled(0, variable.domain.shape, expr));
  const lookups = followed(context, (e: Expr, inside): Expr => {
    if (!mentions(context, e, name)) return e;
    if (e.kind === "local") return inside() ?? e;
    if (e.kind === "builtin") {
      const at = builtins.get(e.fn)?.labels;
      const labels = at === undefined ? undefined : e.args[at];
      if (labels && mentions(context, labels, name)) return filled(0, shapeOf(e), e);
      return rebuilt(e, e.args.map(lookups));
    }
    if (e.kind === "layer" && layers.get(e.instance.layer)?.takes === "int") return filled(0, shapeOf(e), e);
    if (e.kind === "flowCall") return { ...e, arg: lookups(e.arg), given: e.given.map(lookups) };
    return e.kind === "layer" || e.kind === "netCall" ? { ...e, args: e.args.map(lookups) } : e;
  });
  return lookups(expr);
}
