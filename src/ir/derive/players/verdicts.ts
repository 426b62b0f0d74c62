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
import { fingerprint } from "../../same-expr.js";

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
  /** Those of them that stand in what the net is called with, and not behind what is drawn. */
  readonly inner: ReadonlySet<string>;
  /** 1: the objective rises with it; undefined: that is not known. */
  readonly sign: Sign | undefined;
}

/** Weights behind a name, by the variable's name or the local's id: of one that an `E` binds, and of a net's. */
type Made = ReadonlyMap<string, Behind>;

interface Behind {
  readonly drawn: ReadonlySet<string>;
  readonly inner: ReadonlySet<string>;
}

/** `judging`: calls whose values are verdicts. */
export function verdictsOf(
  context: DeriveContext,
  objective: Expr,
  judging: (call: NetCallExpr) => boolean = isVerdict,
): readonly Verdict[] {
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
          found.push({
            expr: e,
            key: criticKey(e),
            composed: true,
            critic: judgesIn(context, e),
            ...asMade(weightsMade(e, made)),
            sign,
          });
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
        const judges = judging(e);
        if (judges) found.push({ expr: e, key: e.net, composed: false, critic, ...asMade(weightsBehind(context, e.args, made)), sign });
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
  const weightsMade = (e: Expr, made: Made): Behind => {
    const behind: Behind[] = [];
    walkExpr(e, (x) => {
      if (x.kind === "netCall") behind.push(weightsBehind(context, x.args, made));
      const known = made.get(nameIn(x) ?? "");
      if (known) behind.push(known);
    });
    return together(behind);
  };
  visit(objective, 1, new Map(), new Map());
  return found;
}

/**
 * Verdicts of all statements, with the nets that a critic is called with on data and on samples alike for its own: its features, as F in L(F(x)). An encoder
 * beside it (x, enc(x)) against (G(z), z) stands with data alone and makes what is judged.
 */
export function withFeatures(statements: readonly (readonly Verdict[])[]): readonly (readonly Verdict[])[] {
  const features = new Map<string, ReadonlySet<string>>();
  const all = statements.flat();
  for (const key of new Set(all.map((v) => v.key))) {
    const here = all.filter((v) => v.key === key);
    const ofSamples = here.map((v) => v.made.size > v.inner.size);
    const [first] = here;
    if (first && ofSamples.includes(true) && ofSamples.includes(false))
      features.set(key, new Set([...first.inner].filter((w) => here.every((v) => v.inner.has(w)))));
  }
  return statements.map((verdicts) =>
    verdicts.map((v) => {
      const own = features.get(v.key) ?? new Set();
      const critic = new Set([...v.critic, ...own]);
      const without = (weights: ReadonlySet<string>): ReadonlySet<string> => new Set([...weights].filter((w) => !own.has(w)));
      return { ...v, critic, made: without(v.made), inner: without(v.inner) };
    }),
  );
}

/** One number for each example, or a map of one for each patch of it. */
export function isVerdict({ type }: NetCallExpr): boolean {
  if (type.kind !== "tensor" || type.element !== "real") return false;
  return type.shape.length === 0 || type.shape.at(-1)?.size === 1;
}

/** One number that a sum, mean or norm makes of entries that nets with weights give, or any function of params alone; of verdicts it is no other. */
function isComposed(context: DeriveContext, e: BuiltinExpr): boolean {
  if (e.type.kind !== "tensor" || e.type.shape.length > 0) return false;
  let judged = false;
  let vector = false;
  for (const arg of e.args)
    walkExpr(arg, (x) => {
      // layers outside of calls are those of a net around, which is judged itself
      if (x.kind === "layer") judged = true;
      if (x.kind !== "netCall" || weightsIn(context, [{ ...x, args: [] }]).size === 0) return;
      if (isVerdict(x)) judged = true;
      else vector = true;
    });
  return !judged && (vector ? REDUCED.has(e.fn) : weightsIn(context, [e]).size > 0);
}

/** Weights of the nets that an expression calls; where it calls none, its params. */
function judgesIn(context: DeriveContext, e: Expr): ReadonlySet<string> {
  const found = new Set<string>();
  walkExpr(e, (x) => {
    if (x.kind !== "netCall") return;
    for (const w of weightsIn(context, [{ ...x, args: [] }])) found.add(w);
  });
  return found.size > 0 ? found : weightsIn(context, [e]);
}

const REDUCED: ReadonlySet<string> = new Set(["sum", "mean", "norm", "max", "min", "logsumexp", "logmeanexp"]);

/** The shape of an expression, whatever the names of what it is taken at: `sum((x - E(x))^2)` of data and of samples. */
export function criticKey(expr: Expr): string {
  const names = new Map<string, number>();
  return fingerprint(expr, (value) => {
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
export function slopeIn(context: DeriveContext, e: BuiltinExpr, at: number): Sign | undefined {
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
      else if (source.kind === "distribution") made.set(key, drawnFrom(weightsBehind(context, distExprs(source.dist), made)));
      else {
        const given = asMade(
          weightsBehind(
            context,
            source.given.map((s) => s.value),
            made,
          ),
        ).made;
        const known = new Set(source.given.map((s) => s.variable));
        const drawn = variable === undefined ? [] : weightsOfDraw(context, source.density, variable, known);
        made.set(key, { drawn: new Set([...given, ...drawn]), inner: new Set() });
      }
    }
  }
  return made;
}

function drawnFrom(behind: Behind): Behind {
  return { drawn: asMade(behind).made, inner: new Set() };
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

function weightsBehind(context: DeriveContext, exprs: readonly Expr[], made: Made): Behind {
  const found: Behind[] = [{ drawn: new Set(), inner: weightsIn(context, exprs) }];
  for (const expr of exprs)
    walkExpr(expr, (e) => {
      const known = made.get(nameIn(e) ?? "");
      if (known) found.push(known);
    });
  return together(found);
}

function nameIn(e: Expr): string | undefined {
  return e.kind === "variable" ? e.variable : e.kind === "local" ? e.local.id : undefined;
}

function together(all: readonly Behind[]): Behind {
  return { drawn: new Set(all.flatMap((b) => [...b.drawn])), inner: new Set(all.flatMap((b) => [...b.inner])) };
}

function asMade({ drawn, inner }: Behind): Pick<Verdict, "made" | "inner"> {
  return { made: new Set([...drawn, ...inner]), inner };
}
