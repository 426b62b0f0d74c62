/**
 * Terms of an energy that are linear in a variable between kinks: `abs(x - b)`, a net of ReLUs, the slope of one. Their second derivative is 0 wherever there is one,
 * and an objective that is made of second derivatives does not see how they bend.
 */
import { builtins, isLinearIn } from "../builtins.js";
import { type DeriveContext, netOf } from "../derive/context.js";
import { layers } from "../layers.js";
import type { Expr } from "../types.js";
import type { EnergyAnalysis, EnergyTerm } from "./types.js";

type Shape = "constant" | "linear" | "kinked" | "other";
type Env = ReadonlyMap<string, Shape>;

const rank: readonly Shape[] = ["constant", "linear", "kinked", "other"];
const bent = (shapes: readonly Shape[]): Shape => rank[Math.max(0, ...shapes.map((s) => rank.indexOf(s)))] ?? "other";

/** The first term that is linear in a variable but for kinks, and mentions none of the variables that are summed out. */
export function kinkedTerm(
  context: DeriveContext,
  analysis: EnergyAnalysis,
  variable: string,
  sum: readonly string[],
): EnergyTerm | undefined {
  const shapeOf = shapesIn(context, variable);
  return analysis.terms.find((t) => t.reach.on.has(variable) && !sum.some((v) => t.reach.on.has(v)) && shapeOf(t.expr) === "kinked");
}

function shapesIn(context: DeriveContext, variable: string): (expr: Expr) => Shape {
  const bound = new Map<string, Shape>();
  const none: Env = new Map();
  const visit = (e: Expr, env: Env): Shape => {
    switch (e.kind) {
      case "variable":
        return e.variable === variable ? "linear" : "constant";
      case "number":
      case "param":
        return "constant";
      case "local": {
        const known = env.get(e.local.id) ?? bound.get(e.local.id);
        if (known !== undefined) return known;
        const binding = context.bindings.get(e.local.id);
        const made = binding ? visit(binding.value, none) : "other";
        bound.set(e.local.id, made);
        return made;
      }
      case "layer": {
        const of = bent(e.args.map((a) => visit(a, env)));
        return of === "constant" || layers.get(e.instance.layer)?.linear ? of : "other";
      }
      case "netCall": {
        const net = netOf(context, e.net);
        const inner = new Map(net.params.map((p, i): [string, Shape] => [p.id, e.args[i] ? visit(e.args[i], env) : "constant"]));
        for (const b of net.body) inner.set(b.local.id, visit(b.value, inner));
        return visit(net.result, inner);
      }
      case "builtin": {
        const args = e.args.map((a) => visit(a, env));
        const of = bent(args);
        if (of === "constant" || of === "other") return of;
        const entry = builtins.get(e.fn);
        if (entry?.piecewiseLinear) return "kinked";
        const moving = args.flatMap((s, i) => (s === "constant" ? [] : [i]));
        return isLinearIn(entry?.linear, moving) ? of : "other";
      }
      case "grad": {
        const values = e.locals.map(({ local, value }): [string, Shape] => [local.id, visit(value, env)]);
        const body = visit(e.body, new Map([...env, ...values]));
        // the slope of what is linear is a number, and between kinks one that jumps at them
        return body === "linear" ? "constant" : body;
      }
      default:
        return "other";
    }
  };
  return (expr) => visit(expr, none);
}
