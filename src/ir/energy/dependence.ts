/**
 * How a value depends on the units of each variable: of what degree, and whether two units of a variable, or two variables, meet in a term.
 * A proof by structure over the tables' flags: what is claimed holds for all weights; where no rule applies, the dependence is taken to be
 * of the worst kind and the operation that stopped the proof is kept.
 *
 * A unit is an entry of the variable (a label, for a category, whose value is its one-hot vector).
 */
import { assertNever } from "../../base/internal-error.js";
import { builtins, isLinearIn, type Linearity, type Reads } from "../builtins.js";
import { type DeriveContext, netOf } from "../derive/context.js";
import { inOrder } from "../derive/walk-bindings.js";
import { layers } from "../layers.js";
import type { BuiltinExpr, Dim, Expr, FlowCallExpr, GradExpr, LayerExpr, NetCallExpr, Variable } from "../types.js";
import { childrenOf } from "../walk.js";
import {
  apartByEntry,
  arranged,
  axesOf,
  contraction,
  isOneUnit,
  moveAxes,
  movePlace,
  ownPlace,
  type Place,
  samePlace,
  withoutAxes,
} from "./places.js";
import { shapeOf } from "../shapes.js";

/** Of a polynomial; 3 stands for higher and for none. */
export type Degree = 1 | 2 | 3;

/** An operation, and what is to be said of it. */
export interface Cause {
  readonly expr: Expr;
  readonly reason: string;
}

export interface Dependence {
  /** Each entry of the value reads one unit (which: `place`); or is a sum of such; or mixes units otherwise. */
  readonly coupling: "single" | "additive" | "coupled";
  readonly place: Place | undefined;
  /** The entries are those of the variable as they stand, rearranged, left out or repeated. */
  readonly plain: boolean;
  /** In all units together. */
  readonly degree: Degree;
  /** In any one unit, the others held. */
  readonly unitDegree: Degree;
  /** What brought units together. */
  readonly couples: Cause | undefined;
  /** What raised the degree above 1. */
  readonly bends: Cause | undefined;
}

/** Two variables that do not enter as a sum, and where they meet. */
export type Pairs = ReadonlyMap<string, Cause>;

export interface Reach {
  readonly kind: "tensor";
  readonly on: ReadonlyMap<string, Dependence>;
  readonly pairs: Pairs;
}

interface RecordReach {
  readonly kind: "record";
  readonly fields: ReadonlyMap<string, Reach>;
}

type AnyReach = Reach | RecordReach;

/** Key of all real variables together, as if they were one. */
export const allReal = "";

export interface Structure {
  /** Of an expression of a density's body. */
  readonly of: (expr: Expr) => Reach;
  /** Labels of a category that a function reads as numbers. */
  readonly misused: ReadonlyMap<string, Cause>;
}

const nothing: Reach = { kind: "tensor", on: new Map(), pairs: new Map() };

/** Dependence on the variables named; all others are constants. Two of one shape in `together` count as one besides, under their `pairKey`. */
export function structureOf(context: DeriveContext, names: readonly string[], together?: readonly [string, string]): Structure {
  const tracked = new Map(
    names.flatMap((name): [string, Variable][] => {
      const variable = context.model.variables.get(name);
      return variable ? [[name, variable]] : [];
    }),
  );
  const misused = new Map<string, Cause>();
  const known = new Map<Expr, AnyReach>();
  const bound = new Map<string, AnyReach>();
  /** Of what a net gives, by what it is handed. */
  const results = new Map<string, AnyReach>();

  const visit = (expr: Expr, env: ReadonlyMap<string, AnyReach> | undefined): AnyReach => {
    if (env) return find(expr, env);
    const before = known.get(expr);
    if (before) return before;
    const reach = find(expr, undefined);
    known.set(expr, reach);
    return reach;
  };

  const tensorOf = (expr: Expr, env: ReadonlyMap<string, AnyReach> | undefined): Reach => flat(visit(expr, env));

  const find = (expr: Expr, env: ReadonlyMap<string, AnyReach> | undefined): AnyReach => {
    switch (expr.kind) {
      case "number":
      case "schedule":
      case "param":
        return nothing;
      case "variable": {
        const variable = tracked.get(expr.variable);
        return variable ? leaf(variable, together?.includes(variable.name) ? pairKey(...together) : undefined) : nothing;
      }
      case "local": {
        const inner = env?.get(expr.local.id) ?? bound.get(expr.local.id);
        if (inner) return inner;
        const binding = context.bindings.get(expr.local.id);
        if (!binding) return nothing;
        for (const b of inOrder(context, binding, (other) => bound.has(other.local.id))) bound.set(b.local.id, visit(b.value, undefined));
        return bound.get(expr.local.id) ?? nothing;
      }
      case "record":
        return { kind: "record", fields: new Map(expr.fields.map((f) => [f.name, tensorOf(f.value, env)])) };
      case "field": {
        const target = visit(expr.target, env);
        return target.kind === "record" ? (target.fields.get(expr.field) ?? nothing) : target;
      }
      case "builtin":
        return ofBuiltin(
          expr,
          expr.args.map((a) => tensorOf(a, env)),
          misused,
        );
      case "layer":
        return ofLayer(
          expr,
          expr.args.map((a) => tensorOf(a, env)),
        );
      case "flowCall":
        return ofFlow(
          expr,
          childrenOf(expr).map((a) => tensorOf(a, env)),
        );
      case "netCall": {
        if (expr.over)
          return ofMapped(
            expr,
            expr.args.map((a) => tensorOf(a, env)),
          );
        const net = netOf(context, expr.net);
        const inner = new Map<string, AnyReach>(
          net.params.map((p, i) => {
            const arg = expr.args[i];
            return [p.id, arg ? visit(arg, env) : nothing];
          }),
        );
        const key = `${net.name}(${net.params.map((p) => reachKey(inner.get(p.id) ?? nothing)).join()})`;
        const before = results.get(key);
        if (before) return before;
        for (const b of net.body) inner.set(b.local.id, visit(b.value, inner));
        const reach = visit(net.result, inner);
        results.set(key, reach);
        return reach;
      }
      case "logDensity":
      case "expectation":
      case "reduce":
      case "optimum":
        return nothing; // stands in no density body
      case "grad": {
        const values = expr.locals.map(({ local, value }): [string, Reach] => [local.id, tensorOf(value, env)]);
        const body = tensorOf(expr.body, new Map([...(env ?? []), ...values]));
        return ofGradient(expr, [...values.map(([, reach]) => reach), body]);
      }
      default:
        return assertNever(expr);
    }
  };
  return { of: (expr) => tensorOf(expr, undefined), misused };
}

/** Equal for what a net treats alike. */
function reachKey(reach: AnyReach): string {
  if (reach.kind === "record") return JSON.stringify([...reach.fields].map(([name, field]) => [name, reachKey(field)]));
  const on = [...reach.on].map(([name, d]) => {
    const place = d.place?.kind === "arranged" ? [d.place.key, d.place.axes] : d.place?.coordinates;
    return [name, d.coupling, place, d.plain, d.degree, d.unitDegree];
  });
  return JSON.stringify([on, [...reach.pairs.keys()]]);
}

function leaf(variable: Variable, pair: string | undefined): Reach {
  const { shape } = variable.domain;
  const own: Dependence = {
    coupling: "single",
    place: ownPlace(shape),
    plain: true,
    degree: 1,
    unitDegree: 1,
    couples: undefined,
    bends: undefined,
  };
  const on = new Map([[variable.name, own]]);
  if (pair !== undefined) on.set(pair, own);
  if (variable.domain.name === "real") on.set(allReal, { ...own, place: arranged(variable.name, shape.length) });
  return { kind: "tensor", on, pairs: new Map() };
}

/** A record read as a whole: everything in it meets. */
function flat(reach: AnyReach): Reach {
  if (reach.kind === "tensor") return reach;
  const on = new Map<string, Dependence>();
  for (const field of reach.fields.values())
    for (const [name, d] of field.on) on.set(name, { ...d, coupling: "coupled", place: undefined });
  return { kind: "tensor", on, pairs: new Map() };
}

// ---- operations -----------------------------------------------------------------------------------

/** What a rule needs to know of an operation. */
interface Operation {
  readonly expr: BuiltinExpr | LayerExpr | FlowCallExpr | GradExpr | NetCallExpr;
  readonly name: string;
  readonly linear: Linearity | undefined;
  readonly reads: Reads | undefined;
  readonly axes: readonly number[];
  readonly power: Degree | undefined;
  /** Only rearranges entries. */
  readonly moves: boolean;
  readonly args: readonly Reach[];
}

function ofBuiltin(expr: BuiltinExpr, args: readonly Reach[], misused: Map<string, Cause>): Reach {
  const entry = builtins.get(expr.fn);
  const name = entry?.symbol !== undefined && entry.symbol !== "[]" ? entry.symbol : expr.fn;
  const { labels } = entry ?? {};
  const linear: Linearity | undefined = labels === undefined ? entry?.linear : [...groupsOf(entry?.linear), [labels]];
  const isLabel = (arg: Expr): boolean => arg.type.kind === "tensor" && arg.type.element === "int";
  expr.args.forEach((arg, i) => {
    if (i === labels || !isLabel(arg) || entry?.reads === "one") return;
    for (const variable of args[i]?.on.keys() ?? [])
      if (!misused.has(variable)) misused.set(variable, { expr, reason: `\`${name}\` reads it as a number` });
  });
  const reads = typeof entry?.reads === "function" ? entry.reads(expr.options) : entry?.reads;
  const operation: Operation = {
    expr,
    name,
    linear,
    reads: labels === undefined ? entry?.reads : "place",
    moves: entry?.moves === true,
    axes: Array.isArray(reads) ? (reads as readonly number[]) : [],
    power: powerOf(expr, entry?.power),
    args: labels === undefined ? args : args.map((arg, i) => looked(expr, arg, i === labels)),
  };
  return result(operation);
}

function groupsOf(linear: Linearity | undefined): readonly (readonly number[])[] {
  return linear === undefined || linear === "all" ? [] : linear;
}

/** Degree of `square(x)`, `x^3`; undefined where it is no polynomial. */
function powerOf(expr: BuiltinExpr, power: number | "exponent" | undefined): Degree | undefined {
  const exponent = expr.args[1];
  const n = power === "exponent" ? (exponent?.kind === "number" ? exponent.value : undefined) : power;
  return n !== undefined && Number.isInteger(n) && n >= 1 ? atMost(n) : undefined;
}

/**
 * Arguments of a lookup as arguments of a function that reads entries in their place. The table loses its first axis, which the labels run
 * over; the labels gain the axes of a row.
 */
function looked(expr: BuiltinExpr, arg: Reach, isLabels: boolean): Reach {
  const table = expr.args.find((a) => a.type.kind === "tensor" && a.type.element !== "int");
  const row = table ? shapeOf(table).length - 1 : 1;
  if (isLabels) return mapDependence(arg, (d) => ({ ...d, plain: false, place: d.place && moveAxes(d.place, (axis) => axis - row) }));
  const first = -shapeOf(table).length;
  return mapDependence(arg, (d) => ({ ...reduced(d, [first]), plain: false }));
}

function ofLayer(expr: LayerExpr, args: readonly Reach[]): Reach {
  const entry = layers.get(expr.instance.layer);
  const labels = entry?.takes === "int";
  const shifted = labels
    ? args.map((arg) => mapDependence(arg, (d) => ({ ...d, plain: false, place: d.place && moveAxes(d.place, (a) => a - 1) })))
    : args;
  const reads: Reads | undefined = labels ? "place" : entry?.reads;
  return result({
    expr,
    name: expr.instance.layer,
    linear: entry?.linear === true || labels ? "all" : undefined,
    reads,
    axes: typeof reads === "function" ? reads({}) : [],
    power: undefined,
    moves: false,
    args: shifted,
  });
}

/** Any entry of the result may depend on any entry of what is mapped. */
function ofFlow(expr: FlowCallExpr, args: readonly Reach[]): Reach {
  return result({ expr, name: expr.flow, linear: undefined, reads: undefined, axes: [], power: undefined, moves: false, args });
}

/** A net that is mapped over rows of what it is handed is not followed: any entry may depend on any of it. */
function ofMapped(expr: NetCallExpr, args: readonly Reach[]): AnyReach {
  const reach = result({ expr, name: expr.net, linear: undefined, reads: undefined, axes: [], power: undefined, moves: false, args });
  if (expr.type.kind === "tensor") return reach;
  return { kind: "record", fields: new Map(expr.type.fields.map((f) => [f.name, reach])) };
}

/** A derivative may read whatever its function reads, and in any way: that of `x^2 y` in `x` reads `y` too, that of a sum is no sum. */
function ofGradient(expr: GradExpr, args: readonly Reach[]): AnyReach {
  const reach = result({ expr, name: "grad", linear: undefined, reads: undefined, axes: [], power: undefined, moves: false, args });
  if (expr.type.kind === "tensor") return reach;
  return { kind: "record", fields: new Map(expr.locals.map(({ local }) => [local.name, reach])) };
}

function mapDependence(reach: Reach, f: (d: Dependence) => Dependence): Reach {
  return { ...reach, on: new Map([...reach.on].map(([name, d]) => [name, f(d)])) };
}

function result(op: Operation): Reach {
  const names = new Set(op.args.flatMap((arg) => [...arg.on.keys()]));
  const on = new Map<string, Dependence>();
  for (const name of names) {
    const d = dependence(
      op,
      op.args.map((arg) => arg.on.get(name)),
    );
    if (d) on.set(name, d);
  }
  return { kind: "tensor", on, pairs: pairsOf(op) };
}

/** Dependence of the result on one variable, from the arguments'; undefined where it turns out constant. */
function dependence(op: Operation, parts: readonly (Dependence | undefined)[]): Dependence | undefined {
  const positions = parts.flatMap((d, i) => (d ? [i] : []));
  const ds = parts.flatMap((d) => d ?? []);
  const linear = isLinearIn(op.linear, positions);
  if (op.reads === "contract") return contracted(op, parts);
  const degree = degrees(op, positions, ds);
  const bends = degree.degree > 1 ? (ds.find((d) => d.bends)?.bends ?? { expr: op.expr, reason: bendText(op, ds) }) : undefined;
  const base = { ...degree, plain: false, bends };
  const coupled = ds.find((d) => d.coupling === "coupled");
  if (coupled) return { ...base, coupling: "coupled", place: undefined, couples: coupled.couples };
  const singles = ds.flatMap((d) => (d.coupling === "single" && d.place ? [d.place] : []));
  const allSingle = singles.length === ds.length;
  const [first] = singles;
  if (allSingle && first) {
    if (singles.every((p) => isOneUnit(p) && samePlace(p, first))) return { ...base, coupling: "single", place: first, couples: undefined };
    if (op.reads === "one") {
      const place = movePlace(
        op.expr as BuiltinExpr,
        parts.map((d) => d?.place),
      );
      const plain = op.moves && ds[0]?.plain === true;
      const listed: Place = plain && place.kind === "arranged" ? { ...place, value: op.expr } : place;
      return { ...base, coupling: "single", plain, place: listed, couples: undefined };
    }
    if (op.reads === "place" && singles.every((p) => samePlace(p, first)))
      return { ...base, coupling: "single", place: first, couples: undefined };
    if (op.axes.length > 0 && ds.length === 1 && !axesOf(first).some((a) => op.axes.includes(a)))
      return { ...base, coupling: "single", place: dropped(op, first), couples: undefined };
  }
  if (linear) return { ...base, coupling: "additive", place: undefined, couples: undefined };
  return { ...base, coupling: "coupled", place: undefined, couples: { expr: op.expr, reason: coupleText(op, ds) } };
}

/** Axes that a reduction removes are gone from the place. */
function dropped(op: Operation, place: Place): Place {
  return shapeOf(op.expr).length < shapeOf(childrenOf(op.expr)[0]).length ? withoutAxes(place, op.axes) : place;
}

function degrees(
  op: Operation,
  positions: readonly number[],
  ds: readonly Dependence[],
): { readonly degree: Degree; readonly unitDegree: Degree } {
  const [a, b] = ds;
  if (isZeroTimes(op.expr)) return { degree: 1, unitDegree: 1 };
  if (isLinearIn(op.linear, positions))
    return { degree: atMost(Math.max(...ds.map((d) => d.degree))), unitDegree: atMost(Math.max(...ds.map((d) => d.unitDegree))) };
  if (a && b && ds.length === 2 && positions.every((i) => isLinearIn(op.linear, [i]))) return multiplied(a, b);
  if (a && ds.length === 1 && op.power !== undefined)
    return { degree: atMost(a.degree * op.power), unitDegree: atMost(a.unitDegree * op.power) };
  return { degree: 3, unitDegree: 3 };
}

/** `0 * x^2`, where a hyperparameter leaves a term out: whatever x is, a constant is affine. */
function isZeroTimes(e: Operation["expr"]): boolean {
  return e.kind === "builtin" && e.fn === "mul" && e.args.some((a) => a.kind === "number" && a.value === 0);
}

function multiplied(a: Dependence, b: Dependence): { readonly degree: Degree; readonly unitDegree: Degree } {
  const apart = a.place !== undefined && b.place !== undefined && apartByEntry(a.place, b.place);
  return {
    degree: atMost(a.degree + b.degree),
    unitDegree: apart ? atMost(Math.max(a.unitDegree, b.unitDegree)) : atMost(a.unitDegree + b.unitDegree),
  };
}

/** A matrix product: its factors entry by entry, summed over the axis between them. */
function contracted(op: Operation, parts: readonly (Dependence | undefined)[]): Dependence | undefined {
  const [left, right] = childrenOf(op.expr);
  const axes = contraction(shapeOf(left), shapeOf(right));
  const [a, b] = parts.map((d, i) => d && { ...d, plain: false, place: d.place && moveAxes(d.place, i === 0 ? axes.left : axes.right) });
  if (!a || !b) {
    const only = a ?? b;
    return only && reduced(only, [axes.axis]);
  }
  const degree = multiplied(a, b);
  const bends = a.bends ?? b.bends ?? { expr: op.expr, reason: bendText(op, [a, b]) };
  const base = { ...degree, plain: false, bends };
  const coupled = [a, b].find((d) => d.coupling === "coupled");
  if (coupled) return { ...base, coupling: "coupled", place: undefined, couples: coupled.couples };
  if (a.place && b.place && samePlace(a.place, b.place))
    return reduced({ ...base, coupling: "single", place: a.place, couples: undefined }, [axes.axis]);
  return { ...base, coupling: "coupled", place: undefined, couples: { expr: op.expr, reason: coupleText(op, [a, b]) } };
}

/** After a sum over axes that are gone then. */
function reduced(d: Dependence, axes: readonly number[]): Dependence {
  if (d.coupling !== "single" || !d.place) return d;
  return axesOf(d.place).some((a) => axes.includes(a))
    ? { ...d, coupling: "additive", place: undefined }
    : { ...d, place: withoutAxes(d.place, axes) };
}

/** Pairs of variables that meet: those of the arguments, and those whose arguments the operation does not just add. */
function pairsOf(op: Operation): Pairs {
  const pairs = new Map<string, Cause>();
  for (const arg of op.args) for (const [key, cause] of arg.pairs) if (!pairs.has(key)) pairs.set(key, cause);
  const meet = (xs: Iterable<string>, ys: readonly string[]): void => {
    for (const x of xs)
      for (const y of ys)
        if (x !== y && x !== allReal && y !== allReal && !pairs.has(pairKey(x, y)))
          pairs.set(pairKey(x, y), { expr: op.expr, reason: `\`${op.name}\`` });
  };
  op.args.forEach((a, i) => {
    op.args.forEach((b, j) => {
      if (i < j && !isLinearIn(op.linear, [i, j])) meet(a.on.keys(), [...b.on.keys()]);
    });
    if (!isLinearIn(op.linear, [i])) meet(a.on.keys(), [...a.on.keys()]);
  });
  return pairs;
}

/** The same for both orders. */
export function pairKey(a: string, b: string): string {
  return a < b ? `${a}\n${b}` : `${b}\n${a}`;
}

function bendText(op: Operation, ds: readonly Dependence[]): string {
  if (ds.length > 1 && op.linear) return `\`${op.name}\` of two values that both depend on it`;
  return op.power === undefined ? `\`${op.name}\` is not linear` : `\`${op.name}\` raises it to a power`;
}

function coupleText(op: Operation, ds: readonly Dependence[]): string {
  return ds.length > 1 ? `\`${op.name}\` brings different units together` : `\`${op.name}\` of a mix of its units`;
}

function atMost(n: number): Degree {
  return n <= 1 ? 1 : n >= 3 ? 3 : 2;
}

/** Whether a value lists units of the variable, every unit once, and nothing else of them: `x`, `reshape(x, …)`. */
export function listsAll(d: Dependence, expr: Expr, shape: readonly Dim[]): boolean {
  return d.plain && shapeOf(expr).reduce((n, s) => n * s.size, 1) === shape.reduce((n, s) => n * s.size, 1);
}
