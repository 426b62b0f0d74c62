/**
 * Features that are moved to agree: a distance between what one net makes of data and of samples, such as `FeatureMMD(p, F)`, is 0 where the net gives one
 * value whatever it reads. A statement that descends it over the net takes that way, unless another term that holds the net would grow.
 */
import { report } from "../../../base/report.js";
import { builtins } from "../../builtins.js";
import type { DerivedUpdate } from "../../derived-model.js";
import { rangeOf } from "../../energy/curvature.js";
import { isNonNegative } from "../../range.js";
import type { Expr } from "../../types.js";
import { childrenOf } from "../../walk.js";
import { type DeriveContext, netOf } from "../context.js";
import { walk } from "../walk-bindings.js";
import { weightsIn } from "../weights.js";
import { densitiesIn, movedBy, netCalls, shapeOf, type Sign, termsOf, weightsOf, weightsOfDensity } from "./parts.js";

export function checkCollapse(context: DeriveContext, updates: readonly DerivedUpdate[]): void {
  for (const features of updates) {
    const told = new Set<string>();
    for (const { expr, sign } of termsOf(features.update.value)) {
      if (!descends(features, sign) || !isDistance(context, expr)) continue;
      const nets = new Set(netCalls(context, expr).map((c) => c.net));
      for (const net of nets) {
        const own = weightsOfNet(context, net);
        if (told.has(net) || movedBy(features, own).length === 0 || !canBeConstant(context, net) || !isZero(context, expr, net)) continue;
        const holds = (e: Expr): boolean => [...weightsOf(context, e)].some((w) => own.has(w));
        const isFree = updates
          .filter((u) => movedBy(u, own).length > 0)
          .every((u) => termsOf(u.update.value).every((t) => !holds(t.expr) || (descends(u, t.sign) && isDistance(context, t.expr) && isZero(context, t.expr, net)))); // prettier-ignore
        const generator = isFree ? updates.find((u) => generates(context, u, expr, own)) : undefined;
        if (!generator) continue;
        told.add(net);
        tell(context, { features, generator, net, own });
      }
    }
  }
}

function descends({ update }: DerivedUpdate, sign: Sign): boolean {
  return (update.direction === "maximize") === (sign === -1);
}

function weightsOfNet(context: DeriveContext, net: string): ReadonlySet<string> {
  return weightsIn(context, [netOf(context, net).result]);
}

/** Never negative, but for the noise of an estimate. */
function isDistance(context: DeriveContext, e: Expr): boolean {
  return (e.kind === "builtin" && e.fn === "mmd") || isNonNegative(rangeOf(context, e));
}

/** A statement that descends the same term by what draws its samples. */
function generates(context: DeriveContext, u: DerivedUpdate, term: Expr, own: ReadonlySet<string>): boolean {
  const drawn = [...densitiesIn(u.update.value, "drawn")].flatMap((d) => [...weightsOfDensity(context, d)]);
  const made = drawn.filter((w) => !own.has(w));
  return movedBy(u, made).length > 0 && termsOf(u.update.value).some((t) => descends(u, t.sign) && shapeOf(t.expr) === shapeOf(term));
}

/** Is each way from what it reads to its value one through a layer whose kernel may be 0? */
function canBeConstant(context: DeriveContext, net: string): boolean {
  const { params, result } = netOf(context, net);
  const ids = new Set(params.map((p) => p.id));
  const isHeld = (e: Expr): boolean => e.kind === "layer" && e.instance.parameterCount > 0 && e.instance.options["spectral"] !== true;
  let open = false;
  walk(context, result, (e) => (open ||= e.kind === "local" && ids.has(e.local.id)), new Set(), (e) => (isHeld(e) ? [] : childrenOf(e))); // prettier-ignore
  return !open;
}

/** Is it 0 where `net` gives one value, whatever that is? */
function isZero(context: DeriveContext, expr: Expr, net: string): boolean {
  const zero = (e: Expr): boolean => {
    if (e.kind === "number") return e.value === 0;
    if (e.kind === "local") {
      const binding = context.bindings.get(e.local.id);
      return binding !== undefined && zero(binding.value);
    }
    if (e.kind !== "builtin") return false;
    const [a, b] = e.args;
    if (!a) return false;
    switch (e.fn) {
      case "sub":
      case "mmd":
        return (b !== undefined && holding(a, b)) || (e.fn === "sub" && b !== undefined && zero(a) && zero(b));
      case "add":
        return b !== undefined && zero(a) && zero(b);
      case "mul":
      case "matmul":
        return zero(a) || (b !== undefined && zero(b));
      case "div":
        return zero(a);
      case "pow":
        return b?.kind === "number" && b.value > 0 && zero(a);
      default:
        return (KEEP_0.has(e.fn) || builtins.get(e.fn)?.linear === "all") && e.args.every(zero);
    }
  };
  /** The same values of both, once what the net is called with does not count. */
  const holding = (a: Expr, b: Expr): boolean => calls(a) && shapeOf(held(a)) === shapeOf(held(b));
  const calls = (e: Expr): boolean => netCalls(context, e).some((c) => c.net === net);
  const held = (e: Expr): Expr => {
    if (e.kind === "netCall" && e.net === net) return { ...e, args: [] };
    if (e.kind === "builtin") return { ...e, args: e.args.map(held) };
    const binding = e.kind === "local" ? context.bindings.get(e.local.id) : undefined;
    return binding ? held(binding.value) : e;
  };
  return zero(expr);
}

const KEEP_0: ReadonlySet<string> = new Set([
  "abs",
  "norm",
  "sqrt",
  "square",
  "batch_mean",
  "max",
  "min",
  "maximum",
  "minimum",
  "tanh",
  "relu",
]);

interface Found {
  readonly features: DerivedUpdate;
  readonly generator: DerivedUpdate;
  readonly net: string;
  readonly own: ReadonlySet<string>;
}

function tell(context: DeriveContext, { features, generator, net, own }: Found): void {
  const moved = new Set(movedBy(features, own).map((w) => w.split(".")[0] ?? w));
  const others = generator.moves.filter((m) => !moved.has(m.split(".")[0] ?? m));
  const { update } = features;
  const opposite = update.direction === "maximize" ? "minimize" : "maximize";
  report(
    context.diagnostics,
    "GM3744",
    generator.update.span,
    { objective: update.text.replace(/^-\s*/u, ""), a: net, b: others.join(", "), way: "descend" },
    {
      labels: features === generator ? [] : [{ span: update.span, text: `\`${net}\` descends it here` }],
      help: [
        `it is 0 where \`${net}\` gives one value, whatever it reads: leave \`${net}\` out, \`${update.direction} ${update.text} over ${others.join(", ")}\``,
        `or have \`${net}\` play against it: \`${opposite} ${update.text} over ${net}\``,
      ],
    },
  );
}
