/**
 * Degrees of expressions: which entries of a variable each entry of a value may read, through functions, layers and nets. Rules stand in the tables
 * of functions and layers; what has none reads everything that its arguments read.
 *
 * A value may be asked for the way by which one of its entries reads the variable: a chain of single entries, from the variable on.
 */
import { assertNever } from "../../base/internal-error.js";
import { builtins } from "../builtins.js";
import { type DeriveContext, netOf } from "../derive/context.js";
import { inOrder } from "../derive/walk-bindings.js";
import { layers } from "../layers.js";
import type { BuiltinExpr, Expr, LayerExpr, LayerInstance, NetCallExpr } from "../types.js";
import { childrenOf } from "../walk.js";
import { across, entries, type Grid, greatest, gridOf, meet, NONE, readsNothing, reshaped, uniform } from "./grid.js";
import { maskRule, type Ordered, partRule, type PartUnits } from "./masks.js";
import type { Degrees, MaskRule } from "./order.js";
import { sizesOf } from "../shapes.js";

interface RecordGrid {
  readonly kind: "record";
  readonly fields: ReadonlyMap<string, Grid>;
}

type AnyGrid = Grid | RecordGrid;

/** What stands for names where an expression is: a net's parameters and bindings, at one call of it. */
interface Frame {
  readonly locals: Map<string, Origin>;
  readonly known: Map<Expr, AnyGrid>;
  readonly calls: Map<Expr, Frame>;
}

/** Where the value of a local comes from. */
interface Origin {
  readonly expr: Expr;
  readonly frame: Frame;
}

/** What is tracked, and whence it is read. */
export interface Tracked extends Ordered {
  /** A name of the model; absent for the parameter of a net. */
  readonly variable?: string;
  /** Id of the parameter of a net. */
  readonly local?: string;
  readonly shape: readonly number[];
  /** Of each entry, in the order of the event, when it is drawn. */
  readonly ranks: readonly number[];
}

/** One stop on the way from the variable to an entry. */
export interface Stop {
  readonly expr: Expr;
  readonly grid: Grid;
  /** Number of the entry in the value. */
  readonly entry: number;
}

export interface Tracker {
  readonly of: (expr: Expr) => Grid;
  /** From the variable to an entry of the value that reads a rank of `least` or later; empty where it reads none. */
  readonly way: (expr: Expr, entry: number, least: number) => readonly Stop[];
  /** Rules of the masked layers that were passed, by the path of their weights; two for one that is used in two ways. */
  readonly rules: ReadonlyMap<string, { readonly instance: LayerInstance; readonly rules: readonly MaskRule[] }>;
  /** Layers that are made for an order and whose input reads the variable, in the order in which they were met: the degrees that go in and come out. */
  readonly ordered: ReadonlyMap<LayerInstance, { readonly input: Grid; readonly grid: Grid }>;
}

const newFrame = (): Frame => ({ locals: new Map(), known: new Map(), calls: new Map() });

/**
 * `decided`: rules of masked layers by the path of their weights; those that it lacks follow from what they are used for. `byParts`: masked nets of
 * some entries are strict as those of all entries are.
 */
export function track(
  context: DeriveContext,
  tracked: Tracked,
  decided: ReadonlyMap<string, MaskRule> = new Map(),
  byParts = false,
): Tracker {
  const root = newFrame();
  const rules = new Map<string, { readonly instance: LayerInstance; readonly rules: MaskRule[] }>();
  const ordered = new Map<LayerInstance, { readonly input: Grid; readonly grid: Grid }>();
  const hidden = new Map<string, Degrees>();
  const parts: PartUnits[] = [];
  const results = new Map<string, AnyGrid>();
  const interned = new Map<string, number>();
  const leaf = gridOf(tracked.shape, Int32Array.from(tracked.ranks));

  const visit = (expr: Expr, frame: Frame): AnyGrid => {
    const before = frame.known.get(expr);
    if (before) return before;
    const grid = find(expr, frame);
    frame.known.set(expr, grid);
    return grid;
  };

  const tensor = (expr: Expr, frame: Frame): Grid => {
    const grid = visit(expr, frame);
    if (!("kind" in grid)) return grid;
    return uniform(
      sizesOf(expr),
      [...grid.fields.values()].reduce((top, field) => Math.max(top, greatest(field)), NONE),
    );
  };

  const isLeaf = (expr: Expr): boolean =>
    (expr.kind === "variable" && expr.variable === tracked.variable) || (expr.kind === "local" && expr.local.id === tracked.local);

  /** What a name stands for; undefined where it is nothing that reads the variable. */
  const originOf = (expr: Extract<Expr, { kind: "local" }>, frame: Frame): Origin | undefined => {
    const own = frame.locals.get(expr.local.id);
    if (own) return own;
    const binding = context.bindings.get(expr.local.id);
    return binding && { expr: binding.value, frame: root };
  };

  const find = (expr: Expr, frame: Frame): AnyGrid => {
    if (isLeaf(expr)) return leaf;
    switch (expr.kind) {
      case "number":
      case "schedule":
      case "param":
      case "variable":
        return uniform(sizesOf(expr));
      case "local": {
        const origin = originOf(expr, frame);
        if (!origin) return uniform(sizesOf(expr));
        const binding = frame.locals.has(expr.local.id) ? undefined : context.bindings.get(expr.local.id);
        // A long chain of bindings is walked from its far end.
        if (binding) for (const b of inOrder(context, binding, (other) => root.known.has(other.value)).slice(0, -1)) visit(b.value, root);
        return visit(origin.expr, origin.frame);
      }
      case "record":
        return { kind: "record", fields: new Map(expr.fields.map((f) => [f.name, tensor(f.value, frame)])) };
      case "field": {
        const target = visit(expr.target, frame);
        return "kind" in target ? (target.fields.get(expr.field) ?? uniform(sizesOf(expr))) : target;
      }
      case "builtin":
        return ofBuiltin(
          expr,
          expr.args.map((a) => tensor(a, frame)),
        );
      case "layer":
        return ofLayer(expr, tensor(expr.args[0] as Expr, frame));
      case "flowCall":
        // the steps of a flow have no rule of their own: each entry may read all
        return all(
          sizesOf(expr),
          [expr.arg, ...expr.given].map((a) => tensor(a, frame)),
        );
      case "netCall": {
        if (expr.over) return ofMapped(expr, frame);
        const net = netOf(context, expr.net);
        const key = `${net.name}(${expr.args.map((a) => intern(visit(a, frame))).join()})`;
        const before = results.get(key);
        if (before) return before;
        const inner = frameOf(expr, frame);
        for (const b of net.body) visit(b.value, inner);
        const grid = visit(net.result, inner);
        results.set(key, grid);
        return grid;
      }
      case "logDensity":
      case "expectation":
      case "reduce":
      case "optimum":
        return uniform(sizesOf(expr)); // stands in no density body
      case "grad": {
        for (const { local, value } of expr.locals) frame.locals.set(local.id, { expr: value, frame });
        const degree = Math.max(...childrenOf(expr).map((e) => greatest(tensor(e, frame))));
        if (expr.type.kind === "tensor") return uniform(sizesOf(expr), degree);
        return {
          kind: "record",
          fields: new Map(expr.locals.map(({ local, value }) => [local.name, uniform(sizesOf(value), degree)])),
        };
      }
      default:
        return assertNever(expr);
    }
  };

  /** A net that is mapped over rows of what it is handed is not followed: each entry may read all of it. */
  const ofMapped = (expr: NetCallExpr, frame: Frame): AnyGrid => {
    const args = expr.args.map((a) => tensor(a, frame));
    if (expr.type.kind === "tensor") return all(sizesOf(expr), args);
    const fields = expr.type.fields.map(({ name, type }): [string, Grid] => [
      name,
      all(
        type.shape.map((d) => d.size),
        args,
      ),
    ]);
    return { kind: "record", fields: new Map(fields) };
  };

  /** The frame of a net at one call. */
  const frameOf = (expr: Extract<Expr, { kind: "netCall" }>, frame: Frame): Frame => {
    const known = frame.calls.get(expr);
    if (known) return known;
    const net = netOf(context, expr.net);
    const inner = newFrame();
    net.params.forEach((p, i) => {
      const arg = expr.args[i];
      if (arg) inner.locals.set(p.id, { expr: arg, frame });
    });
    for (const b of net.body) inner.locals.set(b.local.id, { expr: b.value, frame: inner });
    frame.calls.set(expr, inner);
    return inner;
  };

  /** A number for each grid, the same for equal ones. */
  const intern = (grid: AnyGrid): number => {
    const text =
      "kind" in grid
        ? [...grid.fields].map(([name, f]) => `${name}:${intern(f)}`).join()
        : `${grid.shape.join()};${grid.stored.join()};${grid.data.join()}`;
    const known = interned.get(text);
    if (known !== undefined) return known;
    interned.set(text, interned.size);
    return interned.size - 1;
  };

  const ofLayer = (expr: LayerExpr, x: Grid): Grid => {
    const { instance } = expr;
    const layer = layers.get(instance.layer);
    const shape = sizesOf(expr);
    const rule = layer?.masked ? decide(instance, x, shape) : undefined;
    const grid = layerDegrees(expr, x, rule);
    if (layer?.ordered && !readsNothing(x)) ordered.set(instance, { input: x, grid });
    return grid;
  };

  const decide = (instance: LayerInstance, x: Grid, shape: readonly number[]): MaskRule => {
    const part = byParts ? partRule(x, shape, instance, tracked, parts) : undefined;
    const rule = decided.get(instance.path) ?? part?.rule ?? maskRule(x, shape, instance, tracked, [...hidden.values()]);
    if (part) parts.push({ degrees: rule.to, ranks: part.ranks });
    hidden.set(JSON.stringify(rule.to), rule.to);
    const known = rules.get(instance.path);
    if (!known) rules.set(instance.path, { instance, rules: [rule] });
    else if (!known.rules.some((r) => JSON.stringify(r) === JSON.stringify(rule))) known.rules.push(rule);
    return known?.rules[0] ?? rule;
  };

  const way = (expr: Expr, frame: Frame, entry: number, least: number): readonly Stop[] => {
    // From the value back to the variable.
    const stops: Stop[] = [];
    let at: Origin = { expr, frame };
    let which = entry;
    for (;;) {
      const e = at.expr;
      const grid = tensor(e, at.frame);
      if ((entries(grid)[which] ?? NONE) < least) return [];
      if (isLeaf(e)) {
        stops.push({ expr: e, grid, entry: which });
        return stops.reverse();
      }
      switch (e.kind) {
        case "local": {
          const origin = originOf(e, at.frame);
          if (!origin) return [];
          at = origin;
          break;
        }
        case "field": {
          const inner = fieldOrigin({ expr: e.target, frame: at.frame }, e.field);
          if (!inner) return [];
          at = inner;
          break;
        }
        case "netCall": {
          if (e.over) return [];
          const inner = frameOf(e, at.frame);
          at = { expr: netOf(context, e.net).result, frame: inner };
          break;
        }
        case "builtin":
        case "layer":
        case "flowCall": {
          stops.push({ expr: e, grid, entry: which });
          const { frame: here } = at;
          const inputs = e.kind === "flowCall" ? [e.arg, ...e.given] : e.args;
          const degrees = (parts: readonly Grid[]): Grid =>
            e.kind === "builtin"
              ? ofBuiltin(e, parts)
              : e.kind === "flowCall"
                ? all(sizesOf(e), parts)
                : layerDegrees(e, parts[0] ?? uniform([]), rules.get(e.instance.path)?.rules[0]);
          const blamed = blame(
            inputs.map((a) => tensor(a, here)),
            (parts) => (entries(degrees(parts))[which] ?? NONE) >= least,
          );
          const arg = blamed && inputs[blamed.arg];
          if (!blamed || !arg) return [];
          at = { expr: arg, frame: here };
          which = blamed.entry;
          break;
        }
        default:
          return [];
      }
    }
  };

  /** The expression of a record's field, through names and nets. */
  const fieldOrigin = (from: Origin, field: string): Origin | undefined => {
    let { expr, frame } = from;
    for (;;) {
      if (expr.kind === "record") {
        const found = expr.fields.find((f) => f.name === field);
        return found && { expr: found.value, frame };
      }
      if (expr.kind === "local") {
        const origin = originOf(expr, frame);
        if (!origin) return undefined;
        ({ expr, frame } = origin);
      } else if (expr.kind === "netCall" && !expr.over) {
        const inner = frameOf(expr, frame);
        expr = netOf(context, expr.net).result;
        frame = inner;
      } else return undefined;
    }
  };

  return {
    of: (expr) => tensor(expr, root),
    way: (expr, entry, least) => way(expr, root, entry, least),
    rules,
    ordered,
  };
}

/** One entry of one argument that alone makes the finding true: there is one, since degrees of a union are the greatest of its parts. */
function blame(
  args: readonly Grid[],
  isFound: (args: readonly Grid[]) => boolean,
): { readonly arg: number; readonly entry: number } | undefined {
  const without = args.map((g) => uniform(g.shape));
  for (const [i, grid] of args.entries()) {
    if (readsNothing(grid)) continue;
    const all = entries(grid);
    const found = (low: number, high: number): boolean =>
      isFound(
        without.with(
          i,
          gridOf(
            grid.shape,
            all.map((degree, n) => (n >= low && n < high ? degree : NONE)),
          ),
        ),
      );
    let [low, high] = [0, all.length];
    if (!found(low, high)) continue;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (found(low, middle)) high = middle;
      else low = middle;
    }
    return { arg: i, entry: low };
  }
  return undefined;
}

function ofBuiltin(expr: BuiltinExpr, args: readonly Grid[]): Grid {
  const shape = sizesOf(expr);
  if (args.every(readsNothing)) return uniform(shape);
  const entry = builtins.get(expr.fn);
  if (entry?.degrees) return entry.degrees(args, { options: expr.options, shape });
  switch (entry?.reads) {
    case "place":
      return meet(shape, args);
    case "contract":
      return contracted(shape, args);
    case "one":
    case undefined:
      return all(shape, args);
    default: {
      const [x] = args;
      const axes = entry?.reads(expr.options) ?? [];
      return x && args.length === 1 ? reduced(x, axes, shape) : all(shape, args);
    }
  }
}

function all(shape: readonly number[], args: readonly Grid[]): Grid {
  return uniform(
    shape,
    args.reduce((top, g) => Math.max(top, greatest(g)), NONE),
  );
}

/** All along some axes: they are gone from the result, or stay, perhaps with another size. */
function reduced(x: Grid, axes: readonly number[], shape: readonly number[]): Grid {
  if (shape.length < x.shape.length) return across(x, axes, false);
  const kept = across(x, axes, true);
  return { ...kept, shape };
}

/** sum_k a[.., i, k] b[.., k, j] */
function contracted(shape: readonly number[], [a, b]: readonly Grid[]): Grid {
  if (!a || !b) return uniform(shape);
  const left = across(a, [-1], false);
  const right = across(b, [b.shape.length === 1 ? -1 : -2], false);
  const column = b.shape.length > 1;
  const rows = a.shape.length > 1 && column ? { ...left, shape: [...left.shape, 1], stored: [...left.stored, 1] } : left;
  const columns = a.shape.length > 1 && column ? reshaped(right, [...right.shape.slice(0, -1), 1, right.shape.at(-1) ?? 1]) : right;
  return meet(shape, [rows, columns]);
}

function layerDegrees(expr: LayerExpr, x: Grid, rule: MaskRule | undefined): Grid {
  const { instance } = expr;
  const shape = sizesOf(expr);
  if (readsNothing(x)) return uniform(shape);
  const layer = layers.get(instance.layer);
  if (layer?.degrees) return layer.degrees(x, { instance, shape, rule });
  if (layer?.reads === "place") return meet(shape, [x]);
  if (typeof layer?.reads === "function") return reduced(x, layer.reads({}), shape);
  return all(shape, [x]);
}
