/**
 * What another order of the points of a net's parameters does to a value: followed through functions, layers and nets by the `permutes` of their
 * entries. What has no rule depends on the order as soon as it reads the points.
 */
import { assertNever } from "../../base/internal-error.js";
import { builtins, type Options } from "../builtins.js";
import { layers } from "../layers.js";
import { inFront } from "../mapped-nets.js";
import type { Expr, GradExpr, Net, NetCallExpr } from "../types.js";
import { type Axis, byPlace, entrywise, isMoved, type Placed, type PermutesRule } from "./axes.js";
import { sizesOf } from "../shapes.js";

/** A value, and the last function or layer that handed the points on to it. */
interface Ordered extends Placed {
  readonly kind: "ordered";
  readonly trail: Trail | undefined;
}

/** Where a value came to depend on the order of the points in another way than by an axis of them. */
export interface Lost {
  readonly kind: "lost";
  readonly expr: Expr;
  readonly why: string;
  /** How the points came there. */
  readonly trail: Trail | undefined;
  /** Calls of nets around it, innermost first. */
  readonly calls: readonly Expr[];
}

/** Functions and layers that points passed, the last one first. */
export interface Trail {
  readonly expr: Expr;
  readonly placed: Placed;
  readonly before: Trail | undefined;
}

interface RecordOf {
  readonly kind: "record";
  readonly fields: ReadonlyMap<string, Ordered | Lost>;
}

type Value = Ordered | Lost | RecordOf;

interface Outcome {
  /** The result, or each field of it. */
  readonly results: readonly { readonly field: string | undefined; readonly value: Ordered | Lost }[];
}

/** What becomes of the net's result where the first axes of the parameters with these ids are put into another order together. */
export function followPoints(net: Net, points: ReadonlySet<string>, netOf: (name: string) => Net): Outcome {
  const results = new Map<string, Value>();
  const [first] = net.params.filter((p) => points.has(p.id));
  const count = first?.type.kind === "tensor" ? first.type.shape[0]?.size : undefined;

  const ofNet = (callee: Net, args: readonly Value[]): Value => {
    const locals = new Map<string, Value>();
    const names = new Map<string, Expr>();
    callee.params.forEach((p, i) => {
      const arg = args[i];
      if (arg) locals.set(p.id, arg);
    });
    const known = new Map<Expr, Value>();
    const visit = (expr: Expr): Value => {
      const before = known.get(expr);
      if (before) return before;
      const value = find(expr);
      known.set(expr, value);
      return value;
    };
    const tensor = (expr: Expr): Ordered | Lost => {
      const value = visit(expr);
      if (value.kind !== "record") return value;
      return [...value.fields.values()].find((f) => f.kind === "lost" || isMoved(f)) ?? still(expr);
    };

    const find = (expr: Expr): Value => {
      switch (expr.kind) {
        case "number":
        case "schedule":
        case "param":
        case "variable":
          return still(expr);
        case "local":
          return locals.get(expr.local.id) ?? still(expr);
        case "record":
          return { kind: "record", fields: new Map(expr.fields.map((f) => [f.name, tensor(f.value)])) };
        case "field": {
          const target = visit(expr.target);
          return target.kind === "record" ? (target.fields.get(expr.field) ?? still(expr)) : target;
        }
        case "builtin": {
          const entry = builtins.get(expr.fn);
          return applied(expr, entry?.permutes ?? (entry?.reads === "place" ? entrywise : byPlace), expr.args, expr.options);
        }
        case "layer": {
          const { instance } = expr;
          const layer = layers.get(instance.layer);
          const rule = layer?.permutes ?? (layer?.reads === "place" ? entrywise : byPlace);
          return applied(expr, rule, expr.args, instance.options, instance.spec);
        }
        case "flowCall":
          return applied(expr, byPlace, [expr.arg, ...expr.given]);
        case "netCall": {
          const inner = netOf(expr.net);
          const values = expr.args.map(visit);
          const call = (): Value => (expr.over ? ofMapped(expr, inner, values) : callOf(inner, values));
          const found = values.some(concernsPoints) ? call() : stillOf(expr);
          return found.kind === "record"
            ? { kind: "record", fields: new Map([...found.fields].map(([name, f]) => [name, within(f, expr)])) }
            : within(found, expr);
        }
        case "grad":
          return slopesOf(expr);
        case "logDensity":
        case "expectation":
        case "reduce":
        case "optimum":
          // what binds names of its own has no rule
          return {
            kind: "lost",
            expr,
            why: "binds names of its own, and no rule says how it treats the points",
            trail: undefined,
            calls: [],
          };
        default:
          return assertNever(expr);
      }
    };

    /**
     * The gradient of what does not depend on the order is in the order of the points that it is taken at: f(P v) = f(v) for all v gives
     * grad f (P v) = P grad f(v). What is alike at that place need not be in its gradient.
     */
    const slopesOf = (expr: GradExpr): Value => {
      const at: (Ordered | Lost)[] = [];
      for (const { local, value } of expr.locals) {
        const point = tensor(value);
        const free = point.kind === "lost" ? point : { ...point, axes: point.axes.map((a, i): Axis => (a === "alike" && point.shape[i] !== 1 ? "kept" : a)) }; // prettier-ignore
        at.push(free);
        locals.set(local.id, free);
      }
      const body = tensor(expr.body);
      if (body.kind === "lost") return body;
      const [lost] = at.filter((p) => p.kind === "lost");
      if (lost) return lost;
      if (isMoved(body)) return { kind: "lost", expr, why: "is of values that have the order of the points", trail: body.trail, calls: [] };
      const [first] = at;
      if (expr.type.kind === "tensor" && first?.kind === "ordered")
        return { ...first, trail: { expr, placed: first, before: first.trail } };
      return { kind: "record", fields: new Map(expr.locals.flatMap(({ local }, i) => (at[i] ? [[local.name, at[i]] as const] : []))) };
    };

    /** A net that is mapped over axes in front: it gives points in their order where these are the points and all else is the same for all. */
    const ofMapped = (expr: NetCallExpr, inner: Net, values: readonly Value[]): Value => {
      const lines = values.map((v) => (v.kind === "record" ? [...v.fields.values()] : [v]));
      const lost = lines.flat().find((v) => v.kind === "lost");
      if (lost) return lost;
      const from = lines.flat().find((v) => v.kind === "ordered" && isMoved(v)) as Ordered;
      const at = from.axes.indexOf("moved");
      const alike = lines.every((line, i) => {
        const [param, arg] = [inner.params[i], expr.args[i]];
        const front = (param && arg && inFront(param.type, arg.type)?.length) ?? 0;
        return line.every(
          (v) => v.kind === "ordered" && v.axes.every((axis, j) => (axis === "moved") === (j === at && j < front) || axis === "alike"),
        );
      });
      if (!alike) return { kind: "lost", expr, why: "does not map each of the points alike", trail: from.trail, calls: [] };
      const inOrder = (v: Ordered | Lost): Ordered | Lost =>
        v.kind === "lost" ? v : { ...v, axes: v.axes.with(at, "moved"), trail: from.trail };
      const result = stillOf(expr);
      if (result.kind !== "record") return inOrder(result);
      return { kind: "record", fields: new Map([...result.fields].map(([name, f]) => [name, inOrder(f)])) };
    };

    const applied = (
      expr: Expr,
      rule: PermutesRule,
      inputs: readonly Expr[],
      options: Options = {},
      spec: readonly (number | readonly number[])[] = [],
    ): Value => {
      const shape = sizesOf(expr);
      const placed: Ordered[] = [];
      for (const input of inputs) {
        const value = tensor(input);
        if (value.kind === "lost") return value;
        placed.push(value);
      }
      let axes = rule(placed, { options, shape, spec });
      // the same under one new order of both its axes, an identity matrix is of the points where these stand along both
      if ("why" in axes && inputs.some((e) => isIdentity(e, names)))
        axes = rule(
          placed.map((p, i) => (isIdentity(inputs[i], names) && p.shape.at(-1) === count ? { ...p, axes: ["moved", "moved"] } : p)),
          { options, shape, spec },
        );
      const from = placed.find(isMoved);
      const trail = from?.trail;
      if ("why" in axes) return { kind: "lost", expr, why: axes.why, trail, calls: [] };
      const value = { shape, axes };
      return { kind: "ordered", ...value, trail: from ? { expr, placed: value, before: trail } : undefined };
    };

    for (const b of callee.body) names.set(b.local.id, b.value);
    for (const b of callee.body) locals.set(b.local.id, visit(b.value));
    return visit(callee.result);
  };

  /** A net that is called again with the same is not followed again. */
  const callOf = (inner: Net, args: readonly Value[]): Value => {
    const key = `${inner.name}(${args.map(keyOf).join(";")})`;
    const value = results.get(key) ?? ofNet(inner, args);
    results.set(key, value);
    return value;
  };

  const args = net.params.map((p): Value => {
    const value = stillOf(p);
    if (!points.has(p.id) || value.kind !== "ordered") return value;
    return { ...value, axes: value.axes.map((axis, i): Axis => (i === 0 ? "moved" : axis)) };
  });
  const result = ofNet(net, args);
  return {
    results:
      result.kind === "record" ? [...result.fields].map(([field, value]) => ({ field, value })) : [{ field: undefined, value: result }],
  };
}

function concernsPoints(value: Value): boolean {
  if (value.kind === "record") return [...value.fields.values()].some(concernsPoints);
  return value.kind === "lost" || isMoved(value);
}

const keyOf = (value: Value): string =>
  value.kind === "record"
    ? [...value.fields].map(([name, f]) => `${name}:${keyOf(f)}`).join()
    : value.kind === "lost"
      ? "lost"
      : value.axes.join(" ");

/** A value that came out of a call: seen from outside, the call is what it passed. */
function within(value: Ordered | Lost, call: Expr): Ordered | Lost {
  if (value.kind === "lost") return { ...value, calls: [...value.calls, call] };
  return value.trail ? { ...value, trail: { expr: call, placed: value, before: value.trail } } : value;
}

/** What reads no points. */
function stillOf({ type }: Pick<Expr, "type">): Value {
  return type.kind === "record"
    ? { kind: "record", fields: new Map(type.fields.map((f) => [f.name, fixed(f.type.shape.map((d) => d.size))])) }
    : fixed(type.shape.map((d) => d.size));
}

function still(expr: Expr): Ordered {
  return fixed(sizesOf(expr));
}

function fixed(shape: readonly number[]): Ordered {
  return { kind: "ordered", shape, axes: shape.map((size) => (size === 1 ? "alike" : "kept")), trail: undefined };
}

/** An identity matrix, or what functions of entries make of one and of numbers, `1 - eye(N)`: one number along the diagonal, one beside it. */
function isIdentity(e: Expr | undefined, names: ReadonlyMap<string, Expr>): boolean {
  if (e?.kind === "local") return isIdentity(names.get(e.local.id), names);
  if (e?.kind !== "builtin") return false;
  if (e.fn === "eye") return true;
  const entrywise = builtins.get(e.fn)?.reads === "place";
  return entrywise && e.args.some((a) => isIdentity(a, names)) && e.args.every((a) => a.kind === "number" || isIdentity(a, names));
}
