/**
 * Whether a polynomial energy falls without end along a ray: the sign of its highest power there, where no weight is in it. A power of odd degree
 * rises one way and falls the other, so that `sum((v - b)^3)` has no normaliser whatever b is.
 */
import { builtins, isLinearIn } from "../builtins.js";
import type { DeriveContext } from "../derive/context.js";
import { layers } from "../layers.js";
import type { BuiltinExpr, Dim, Expr } from "../types.js";
import { followed, mentions } from "./algebra.js";
import { rangeOf } from "./curvature.js";
import { place, sizeOf } from "./quadratic.js";
import { squareOf } from "./rewrite.js";
import { shapeOf } from "../shapes.js";

/** What an entry is far out along the ray: coefficient * t^degree. Without a coefficient it is of at most that degree, and no more is known. */
interface Lead {
  readonly degree: number;
  readonly coefficient: number | undefined;
}

/** Entries that are made before the search is given up. */
const mostEntries = 200_000;

/** The degree of the power that makes the energy fall in some direction of `variables`, the others held; undefined where none is found. */
export function fallingDegree(context: DeriveContext, energy: Expr, variables: readonly string[]): number | undefined {
  for (const sign of [1, -1]) {
    const [lead] = leadsOf(context, energy, variables, sign) ?? [];
    if (lead?.coefficient !== undefined && lead.coefficient < 0 && lead.degree > 0) return lead.degree;
  }
  return undefined;
}

/** Along a direction of which no two entries are alike; undefined where a value is no polynomial in the variables. */
function leadsOf(context: DeriveContext, energy: Expr, variables: readonly string[], sign: number): readonly Lead[] | undefined {
  let made = 0;
  const unknown = new Set<Expr>();
  const visit: (e: Expr) => readonly Lead[] | undefined = followed(context, (e, inside) => {
    const leads = unknown.has(e) ? undefined : find(e, inside);
    if (!leads) unknown.add(e);
    return leads;
  });
  const find = (e: Expr, inside: () => readonly Lead[] | undefined): readonly Lead[] | undefined => {
    if (e.type.kind !== "tensor") return undefined;
    const size = sizeOf(shapeOf(e));
    made += size;
    if (made > mostEntries) return undefined;
    if (e.kind === "number") return [{ degree: 0, coefficient: e.value }];
    if (!variables.some((v) => mentions(context, e, v))) return Array.from({ length: size }, () => UNREAD);
    if (e.kind === "variable") {
      const from = 7 * variables.indexOf(e.variable);
      return Array.from({ length: size }, (_, i) => ({ degree: 1, coefficient: sign * (1 + Math.sin(from + i + 1) / 2) }));
    }
    if (e.kind === "local") return inside();
    const known = e.kind === "builtin" ? ofBuiltin(e) : undefined;
    if (known) return known;
    const atMost = degreeOf(e);
    return atMost === undefined ? undefined : Array.from({ length: size }, () => ({ degree: atMost, coefficient: undefined }));
  };
  /** That no entry exceeds, by what a function does to the greatest of its arguments'. */
  const degreeOf = (e: Expr): number | undefined => {
    const range = rangeOf(context, e);
    if (range.low > -Infinity && range.high < Infinity) return 0;
    if (e.kind !== "builtin" && e.kind !== "layer") return undefined;
    const reading = e.args.flatMap((a, i) => (variables.some((v) => mentions(context, a, v)) ? [i] : []));
    const degrees = reading.map((i) => {
      const arg = e.args[i];
      const leads = arg && visit(arg);
      return leads ? Math.max(0, ...leads.map((l) => l.degree)) : Infinity;
    });
    const most = Math.max(0, ...degrees);
    if (!Number.isFinite(most)) return undefined;
    const entry = e.kind === "layer" ? layers.get(e.instance.layer) : builtins.get(e.fn);
    if (entry?.growth !== undefined) return entry.growth === 0 ? 0 : entry.growth * most;
    if (e.kind === "layer") return layers.get(e.instance.layer)?.linear ? most : undefined;
    const linear = builtins.get(e.fn)?.linear;
    if (isLinearIn(linear, reading)) return most;
    return reading.every((i) => isLinearIn(linear, [i])) ? degrees.reduce((total, d) => total + d, 0) : undefined;
  };
  const ofBuiltin = (e: BuiltinExpr): readonly Lead[] | undefined => {
    const [a, b] = e.args;
    const left = a && visit(a);
    if (!a || !left) return undefined;
    const n = squareOf(e) ? 2 : e.fn === "pow" && b?.kind === "number" ? b.value : NaN;
    if (Number.isInteger(n) && n > 0) return left.map((l) => power(l, n));
    switch (e.fn) {
      case "neg":
        return left.map((l) => times(l, { degree: 0, coefficient: -1 }));
      case "reshape":
      case "flatten":
        return left;
      case "index":
        return left.filter((_, i) => place(i, shapeOf(a), e.options["axis"] as number) === e.options["position"]);
      case "slice": {
        const [start, stop] = [Number(e.options["start"]), Number(e.options["stop"])];
        const at = (i: number): number => place(i, shapeOf(a), e.options["axis"] as number);
        return left.filter((_, i) => at(i) >= start && at(i) < stop);
      }
      case "sum":
      case "mean":
        return shapeOf(e).length > 0 ? undefined : [left.reduce(plus)];
    }
    const right = b && visit(b);
    if (!b || !right) return undefined;
    if (e.fn === "matmul") {
      if (shapeOf(a).length !== 1 || shapeOf(b).length !== 1) return undefined;
      return [left.map((l, i) => times(l, right[i] ?? UNREAD)).reduce(plus)];
    }
    const both = ENTRYWISE[e.fn];
    if (!both || (e.fn === "div" && right.some((r) => r.degree > 0))) return undefined;
    const [xs, ys] = [repeated(left, shapeOf(a), shapeOf(e)), repeated(right, shapeOf(b), shapeOf(e))];
    return xs.map((x, i) => both(x, ys[i] ?? UNREAD));
  };
  return visit(energy);
}

const UNREAD: Lead = { degree: 0, coefficient: undefined };

const ENTRYWISE: Readonly<Record<string, (a: Lead, b: Lead) => Lead>> = {
  add: plus,
  sub: (a, b) => plus(a, times(b, { degree: 0, coefficient: -1 })),
  mul: times,
  div: (a, b) => times(a, { degree: 0, coefficient: b.coefficient === undefined || b.coefficient === 0 ? undefined : 1 / b.coefficient }),
};

function plus(a: Lead, b: Lead): Lead {
  if (a.degree !== b.degree) return a.degree > b.degree ? a : b;
  if (a.coefficient === undefined || b.coefficient === undefined) return { degree: a.degree, coefficient: undefined };
  const sum = a.coefficient + b.coefficient;
  // what cancels leaves a lower power, which is not known
  const cancels = Math.abs(sum) <= 1e-9 * (Math.abs(a.coefficient) + Math.abs(b.coefficient));
  return { degree: a.degree, coefficient: cancels ? undefined : sum };
}

function times(a: Lead, b: Lead): Lead {
  const known = a.coefficient !== undefined && b.coefficient !== undefined && a.coefficient * b.coefficient !== 0;
  return { degree: a.degree + b.degree, coefficient: known ? (a.coefficient ?? 0) * (b.coefficient ?? 0) : undefined };
}

function power(a: Lead, n: number): Lead {
  return { degree: a.degree * n, coefficient: a.coefficient === undefined ? undefined : a.coefficient ** n };
}

/** Entries of a value that is repeated to a wider shape. */
function repeated(leads: readonly Lead[], from: readonly Dim[], to: readonly Dim[]): readonly Lead[] {
  return Array.from({ length: sizeOf(to) }, (_, i) => {
    const at = from.reduce((index, d, axis) => index * d.size + (d.size === 1 ? 0 : place(i, to, axis - from.length)), 0);
    return leads[at] ?? UNREAD;
  });
}
