/**
 * Exact rewrites of an energy. A unit that is 0 or 1 enters any function of it alone as f(0) + (f(1) - f(0)) x, so `h^2` counts as `h` and
 * every energy without interactions within a binary variable becomes affine in it. `norm(x)^2` becomes a sum of squares, whose gradient
 * exists everywhere.
 */
import { builtins, isLinearIn } from "../builtins.js";
import type { DeriveContext } from "../derive/context.js";
import { layers } from "../layers.js";
import { sameShape, shapeOf, tensor } from "../shapes.js";
import type { BuiltinExpr, Dim, Expr, LocalExpr, Variable } from "../types.js";
import { builtin, filled, followed, isShort, mentions, minus, number, plus, rebuilt, substitute, summed, times } from "./algebra.js";
import type { Dependence, Structure } from "./dependence.js";
import { type Place } from "./places.js";

/** The energy, affine in each unit of `variable` wherever its units do not meet; the same object where nothing is to be done. */
export function affineIn(context: DeriveContext, structure: Structure, expr: Expr, variable: Variable): Expr {
  const of = (e: Expr): Dependence | undefined => structure.of(e).on.get(variable.name);
  const visit = followed(context, (e, inside): Expr => {
    const d = of(e);
    if (!d || (d.degree === 1 && d.coupling !== "coupled")) return e;
    if (e.kind === "local") return changed(context, e, inside());
    if (e.kind === "layer" && layers.get(e.instance.layer)?.linear) return withArgs(e, e.args.map(visit));
    if (e.kind === "builtin") {
      const positions = e.args.flatMap((arg, i) => (of(arg) ? [i] : []));
      const [a, b] = e.args;
      if (isLinearIn(builtins.get(e.fn)?.linear, positions)) return withArgs(e, e.args.map(visit));
      if (e.fn === "matmul" && a && b && shapeOf(a).length === 1 && shapeOf(b).length === 1) {
        const entries = builtin("mul", [a, b], shapeOf(a), e);
        const affine = visit(entries);
        return affine === entries ? e : summed(affine, [-1]);
      }
    }
    return d.coupling === "single" && d.place ? (split(context, of, e, variable, d.place) ?? e) : e;
  });
  const made = visit(expr);
  return made === expr || isShort(made, mostNodes) ? made : expr;
}

/** Of a rewritten energy, spelled out. */
const mostNodes = 20_000;

/** A name whose value is rewritten gives way to the value. */
function changed(context: DeriveContext, e: LocalExpr, value: Expr | undefined): Expr {
  return value === undefined || value === context.bindings.get(e.local.id)?.value ? e : value;
}

function withArgs<E extends Extract<Expr, { args: readonly Expr[] }>>(e: E, args: readonly Expr[]): Expr {
  return args.every((a, i) => a === e.args[i]) ? e : e.kind === "builtin" ? rebuilt(e, args) : { ...e, args };
}

/** f(0) + (f(1) - f(0)) x */
function split(
  context: DeriveContext,
  of: (e: Expr) => Dependence | undefined,
  e: Expr,
  variable: Variable,
  place: Place,
): Expr | undefined {
  const x = unitsAt(context, variable, place, e);
  if (!x) return undefined;
  const { shape } = variable.domain;
  const values = ([0, 1] as const).map((v) => valueAt(context, of, e, v) ?? substitute(context, e, variable.name, filled(v, shape, e)));
  const [f0, f1] = values;
  if (!f0 || !f1) return undefined;
  const made = plus(f0, times(minus(f1, f0), x));
  // repeated to the shape that it had
  return sameShape(shapeOf(made), shapeOf(e)) ? made : builtin("add", [made, filled(0, shapeOf(e), e)], shapeOf(e), e);
}

/** A number where the value is made of the units and of numbers alone. */
function valueAt(context: DeriveContext, of: (e: Expr) => Dependence | undefined, e: Expr, unit: 0 | 1): Expr | undefined {
  const scalar = followed(context, (x, inside): number => {
    if (of(x)?.plain === true) return unit;
    if (x.kind === "number") return x.value;
    if (x.kind === "local") return inside() ?? NaN;
    if (x.kind !== "builtin") return NaN;
    const f = Object.hasOwn(SCALAR, x.fn) ? SCALAR[x.fn] : undefined;
    return f ? f(...x.args.map(scalar)) : NaN;
  });
  const value = scalar(e);
  return Number.isFinite(value) ? number(value, e) : undefined;
}

const SCALAR: Readonly<Record<string, (...values: number[]) => number>> = {
  add: (a = 0, b = 0) => a + b,
  sub: (a = 0, b = 0) => a - b,
  mul: (a = 0, b = 0) => a * b,
  div: (a = 0, b = 0) => a / b,
  pow: (a = 0, b = 0) => a ** b,
  neg: (a = 0) => -a,
  abs: Math.abs,
  square: (a = 0) => a * a,
  relu: (a = 0) => Math.max(a, 0),
  sqrt: Math.sqrt,
};

/** The units of a variable, laid out as a value reads them. */
function unitsAt(context: DeriveContext, variable: Variable, place: Place, like: Expr): Expr | undefined {
  if (place.kind === "arranged")
    return place.value && mentions(context, place.value, variable.name) ? spread(place.value, place.axes, like) : undefined;
  const { shape } = variable.domain;
  let x: Expr = { kind: "variable", variable: variable.name, sample: undefined, type: tensor(shape), span: like.span };
  const axes: number[] = [];
  place.coordinates.forEach((c) => {
    const axis = axes.length - shapeOf(x).length;
    if (c.kind === "fixed") {
      x = builtin("index", [x], without(shapeOf(x), axis), like, { axis, position: c.at });
      return;
    }
    const whole = shapeOf(x).at(axis)?.size === c.size;
    if (!whole) {
      const dims = shapeOf(x).map((d, j) => (j - shapeOf(x).length === axis ? { size: c.size, text: String(c.size) } : d));
      x = builtin("slice", [x], dims, like, { axis, start: c.start, stop: c.start + c.size });
    }
    axes.push(c.axis);
  });
  const sorted = [...axes].sort((a, b) => a - b);
  if (sorted.some((a, i) => a !== axes[i])) {
    const order = sorted.map((a) => axes.indexOf(a) - axes.length);
    x = builtin(
      "transpose",
      [x],
      order.flatMap((o) => shapeOf(x).at(o) ?? []),
      like,
      { order },
    );
  }
  return spread(x, sorted, like);
}

/** The axes of a value put where `axes` says, with axes of size 1 between them; undefined where they are out of order. */
function spread(x: Expr, axes: readonly number[], like: Expr): Expr | undefined {
  const [first] = axes;
  if (first === undefined || axes.every((a, i) => a === i - axes.length)) return x;
  if (axes.some((a, i) => i > 0 && a <= (axes[i - 1] ?? 0))) return undefined;
  const shape = Array.from({ length: -first }, (_, i): Dim => shapeOf(x)[axes.indexOf(first + i)] ?? { size: 1, text: "1" });
  return builtin("reshape", [x], shape, like, { shape: shape.map((d) => d.size) });
}

function without(shape: readonly Dim[], axis: number): readonly Dim[] {
  return shape.filter((_, i) => i - shape.length !== axis);
}

/** `norm(x)^2` as a sum of squares. */
export function withoutNorms(context: DeriveContext, expr: Expr, variables: readonly string[]): Expr {
  const depends = (e: Expr): boolean => variables.some((v) => mentions(context, e, v));
  const visit = followed(context, (e, inside): Expr => {
    if (!depends(e)) return e;
    if (e.kind === "local") return changed(context, e, inside());
    if (e.kind === "flowCall") return { ...e, arg: visit(e.arg), given: e.given.map(visit) };
    if (e.kind === "layer" || e.kind === "netCall") return withArgs(e, e.args.map(visit));
    if (e.kind !== "builtin") return e;
    const squared = squareOf(e);
    const base = squared?.kind === "local" ? context.bindings.get(squared.local.id)?.value : squared;
    if (base?.kind === "builtin" && base.fn === "norm" && base.args[0]) {
      const x = visit(base.args[0]);
      return summed(builtin("square", [x], shapeOf(x), e), base.options["axes"] as readonly number[]);
    }
    return withArgs(e, e.args.map(visit));
  });
  return visit(expr);
}

/** x of `x^2`, `square(x)`. */
export function squareOf(e: BuiltinExpr): Expr | undefined {
  const [a, b] = e.args;
  if (e.fn === "square") return a;
  return e.fn === "pow" && b?.kind === "number" && b.value === 2 ? a : undefined;
}
