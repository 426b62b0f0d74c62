/**
 * The verdicts of critics in an objective: the numbers that nets give to data and to what other nets have made, and whether the objective rises with
 * them. Signs of derivatives go through the functions by their entries in the table; where one is open, nothing is said.
 */
import { builtins } from "../../builtins.js";
import { rangeOf } from "../../energy/curvature.js";
import { isNonNegative, negated, type Range } from "../../range.js";
import type { BuiltinExpr, Expr, NetCallExpr, ObjectiveDraw } from "../../types.js";
import { childrenOf, distExprs, walkExpr } from "../../walk.js";
import { definitionInputs, type DeriveContext, densityOf, netOf, parentsOf } from "../context.js";
import { weightsIn } from "../weights.js";
import type { Sign } from "./parts.js";

export interface Verdict {
  readonly call: NetCallExpr;
  /** The net's weights. */
  readonly critic: ReadonlySet<string>;
  /** Weights behind what is judged; none behind data. */
  readonly made: ReadonlySet<string>;
  /** 1: the objective rises with it; undefined: that is not known. */
  readonly sign: Sign | undefined;
}

/** Weights behind a name that an `E` binds, by the variable's name or the local's id. */
type Made = ReadonlyMap<string, ReadonlySet<string>>;

export function verdictsOf(context: DeriveContext, objective: Expr): readonly Verdict[] {
  const found: Verdict[] = [];
  const visit = (e: Expr, sign: Sign | undefined, made: Made, args: ReadonlyMap<string, Expr>): void => {
    const follow = (x: Expr, by: Sign | undefined): void => visit(x, sign && by && (sign === by ? 1 : -1), made, args);
    switch (e.kind) {
      case "expectation":
        visit(e.body, sign, withDraws(context, e.draws, made), args);
        return;
      case "reduce":
        follow(e.body, 1);
        return;
      case "builtin":
        if (builtins.get(e.fn)?.noGradient) return;
        e.args.forEach((arg, i) => follow(arg, slopeIn(context, e, i)));
        return;
      case "local": {
        const arg = args.get(e.local.id);
        if (arg) follow(arg, 1);
        return;
      }
      case "netCall": {
        const critic = weightsIn(context, [{ ...e, args: [] }]);
        if (critic.size === 0) {
          const net = netOf(context, e.net);
          const inner = new Map([...args, ...net.body.map((b) => [b.local.id, b.value] as const)]);
          net.params.forEach((p, i) => e.args[i] && inner.set(p.id, substituted(e.args[i], args)));
          visit(net.result, sign, made, inner);
          return;
        }
        if (isVerdict(e)) found.push({ call: e, critic, made: weightsBehind(context, e.args, made), sign });
        for (const arg of e.args) follow(arg, undefined);
        return;
      }
      // a slope says nothing of the height, a log-density is of another kind than a verdict
      case "grad":
      case "logDensity":
      case "optimum":
        return;
      default:
        for (const child of childrenOf(e)) follow(child, undefined);
    }
  };
  visit(objective, 1, new Map(), new Map());
  return found;
}

/** One number for each example, or a map of one for each patch of it. */
function isVerdict({ type }: NetCallExpr): boolean {
  if (type.kind !== "tensor" || type.element !== "real") return false;
  return type.shape.length === 0 || (type.shape.length > 1 && type.shape.at(-1)?.size === 1);
}

/** An argument that is a name of the caller's net stands for what that was called with. */
function substituted(arg: Expr, args: ReadonlyMap<string, Expr>): Expr {
  return (arg.kind === "local" && args.get(arg.local.id)) || arg;
}

/** Whether a function grows or falls in an argument, all others held. */
function slopeIn(context: DeriveContext, e: BuiltinExpr, at: number): Sign | undefined {
  const [a, b] = e.args;
  switch (e.fn) {
    case "add":
      return 1;
    case "neg":
      return -1;
    case "sub":
      return at === 0 ? 1 : -1;
    case "mul":
      return signOf(context, at === 0 ? b : a);
    case "div":
      return at === 0 ? signOf(context, b) : undefined;
    case "pow": {
      if (at !== 0 || b?.kind !== "number" || !a) return undefined;
      if (isNonNegative(rangeOf(context, a))) return b.value > 0 ? 1 : -1;
      return b.value % 2 === 1 ? 1 : undefined;
    }
    case "where":
      return at === 0 ? undefined : 1;
    default: {
      const entry = builtins.get(e.fn);
      if (growing.has(e.fn) || entry?.linear === "all") return 1;
      const slope = a && entry?.slope?.(rangeOf(context, a), e.options);
      return slope && signOfRange(slope);
    }
  }
}

/** Functions that grow in each argument wherever they are defined, and have no slope in the table for it. */
const growing: ReadonlySet<string> = new Set([
  "log",
  "sqrt",
  "log1p",
  "maximum",
  "minimum",
  "max",
  "min",
  "logsumexp",
  "logmeanexp",
  "batch_mean",
]);

function signOf(context: DeriveContext, factor: Expr | undefined): Sign | undefined {
  // schedules are weights of terms
  if (factor?.kind === "schedule") return 1;
  return factor && signOfRange(rangeOf(context, factor));
}

function signOfRange(range: Range): Sign | undefined {
  if (range.low === 0 && range.high === 0) return undefined;
  return isNonNegative(range) ? 1 : isNonNegative(negated(range)) ? -1 : undefined;
}

function withDraws(context: DeriveContext, draws: readonly ObjectiveDraw[], outer: Made): Made {
  const made = new Map(outer);
  for (const { names, source } of draws) {
    for (const name of names) {
      const key = name.kind === "variable" ? name.variable : name.local.id;
      const variable = name.kind === "variable" ? name.variable : name.of;
      if (source.kind === "data") made.delete(key);
      else if (source.kind === "distribution") made.set(key, weightsBehind(context, distExprs(source.dist), made));
      else {
        const given = weightsBehind(
          context,
          source.given.map((s) => s.value),
          made,
        );
        const known = new Set(source.given.map((s) => s.variable));
        made.set(key, new Set([...given, ...(variable === undefined ? [] : weightsOfDraw(context, source.density, variable, known))]));
      }
    }
  }
  return made;
}

/** Weights that a draw of a variable depends on in its density, through what it is drawn from. */
function weightsOfDraw(context: DeriveContext, density: string, variable: string, known: ReadonlySet<string>): ReadonlySet<string> {
  const { definitions } = densityOf(context, density);
  const seen = new Set(known);
  const found = new Set<string>();
  const visit = (name: string): void => {
    const definition = definitions.get(name);
    if (seen.has(name) || !definition) return;
    seen.add(name);
    for (const weight of weightsIn(context, definitionInputs(definition))) found.add(weight);
    parentsOf(context, definition).forEach(visit);
  };
  visit(variable);
  return found;
}

function weightsBehind(context: DeriveContext, exprs: readonly Expr[], made: Made): ReadonlySet<string> {
  const found = new Set(weightsIn(context, exprs));
  for (const expr of exprs)
    walkExpr(expr, (e) => {
      const key = e.kind === "variable" ? e.variable : e.kind === "local" ? e.local.id : undefined;
      for (const weight of (key !== undefined && made.get(key)) || []) found.add(weight);
    });
  return found;
}
