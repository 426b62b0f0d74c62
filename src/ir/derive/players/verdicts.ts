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
  readonly expr: Expr;
  /** Alike for the same function of data and of samples: the net's name, or the shape of what is made of nets' values. */
  readonly key: string;
  /** Made of nets' values, such as the error of an autoencoder: a critic's where data and samples are held apart by it. */
  readonly composed: boolean;
  /** The weights of the nets. */
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
        if (isComposed(context, e)) {
          found.push({ expr: e, key: criticKey(e), composed: true, critic: judgesIn(context, e), made: weightsMade(e, made), sign });
        }
        e.args.forEach((arg, i) => follow(arg, slopeIn(context, e, i)));
        return;
      case "local": {
        const arg = args.get(e.local.id);
        if (arg) follow(arg, 1);
        return;
      }
      case "netCall": {
        const critic = weightsIn(context, [{ ...e, args: [] }]);
        const net = netOf(context, e.net);
        const inner = new Map([...args, ...net.body.map((b) => [b.local.id, b.value] as const)]);
        const within = new Map(made);
        net.params.forEach((p, i) => {
          const arg = e.args[i];
          if (!arg) return;
          inner.set(p.id, substituted(arg, args));
          within.set(p.id, weightsBehind(context, [arg], made));
        });
        for (const b of net.body) within.set(b.local.id, weightsMade(b.value, within));
        if (critic.size === 0) {
          visit(net.result, sign, within, inner);
          return;
        }
        const judges = isVerdict(e);
        if (judges) found.push({ expr: e, key: e.net, composed: false, critic, made: weightsBehind(context, e.args, made), sign });
        for (const arg of e.args) follow(arg, undefined);
        // a net around a critic: what it makes of the verdict; what it is called with has been seen
        if (judges) visit(net.result, sign, within, new Map(net.body.map((b) => [b.local.id, b.value] as const)));
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
  /** Weights behind what nets are called with, and what stands beside their values: what is judged, not who judges. */
  const weightsMade = (e: Expr, made: Made): ReadonlySet<string> => {
    const behind = new Set<string>();
    walkExpr(e, (x) => {
      if (x.kind === "netCall") for (const w of weightsBehind(context, x.args, made)) behind.add(w);
      const name = x.kind === "variable" ? x.variable : x.kind === "local" ? x.local.id : undefined;
      for (const w of (name !== undefined && made.get(name)) || []) behind.add(w);
    });
    return behind;
  };
  visit(objective, 1, new Map(), new Map());
  return found;
}

/** One number for each example, or a map of one for each patch of it. */
export function isVerdict({ type }: NetCallExpr): boolean {
  if (type.kind !== "tensor" || type.element !== "real") return false;
  return type.shape.length === 0 || type.shape.at(-1)?.size === 1;
}

/** One number that a sum, mean or norm makes of entries that nets with weights give; of verdicts it is no other. */
function isComposed(context: DeriveContext, e: BuiltinExpr): boolean {
  if (!REDUCED.has(e.fn) || e.type.kind !== "tensor" || e.type.shape.length > 0) return false;
  let judged = false;
  let vector = false;
  for (const arg of e.args)
    walkExpr(arg, (x) => {
      if (x.kind !== "netCall" || weightsIn(context, [{ ...x, args: [] }]).size === 0) return;
      if (isVerdict(x)) judged = true;
      else vector = true;
    });
  return vector && !judged;
}

/** Weights of the nets that an expression calls with what no other net has made within it. */
function judgesIn(context: DeriveContext, e: Expr): ReadonlySet<string> {
  const found = new Set<string>();
  walkExpr(e, (x) => {
    if (x.kind !== "netCall") return;
    for (const w of weightsIn(context, [{ ...x, args: [] }])) found.add(w);
  });
  return found;
}

const REDUCED: ReadonlySet<string> = new Set(["sum", "mean", "norm"]);

/** The shape of an expression, whatever the names of what it is taken at: `sum((x - E(x))^2)` of data and of samples. */
export function criticKey(expr: Expr): string {
  const names = new Map<string, number>();
  return JSON.stringify(expr, (key, value: unknown) => {
    if (key === "span" || key === "text") return undefined;
    const e = value as Expr | null;
    if (typeof e !== "object" || e === null || (e.kind !== "variable" && e.kind !== "local")) return value;
    const name = e.kind === "variable" ? e.variable : e.local.id;
    const number = names.get(name) ?? names.size;
    names.set(name, number);
    return `name ${number}`;
  });
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
