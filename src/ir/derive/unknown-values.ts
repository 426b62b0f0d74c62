/**
 * Chains and samples give the gradient of a log-density and not its value: log Z is missing in it, or the entropy of what is hidden. Where a gradient is
 * made of the value (that of a square, of a product with a weight, of a score), the missing part is followed through the objective: what adds to it as a
 * whole leaves the gradient right, and so does what it cancels in, as in weights that sum to 1.
 */
import { report } from "../../base/report.js";
import { type Span, textOf } from "../../base/source.js";
import { builtins, isLinearIn } from "../builtins.js";
import { isExact } from "../energy/index.js";
import { listed } from "../energy/listed.js";
import { distributions } from "../distributions.js";
import { latentEntries } from "../latent-estimators.js";
import { exprsOf, exprsOfPosterior, namesBoundBy } from "../quantity-walk.js";
import type { DrawStep, Quantity, Term } from "../quantity.js";
import { fingerprint } from "../same-expr.js";
import { shapeOf, tensor, typeOfDomain } from "../shapes.js";
import type { BuiltinExpr, Expr } from "../types.js";
import { distExprs, walkExpr } from "../walk.js";
import type { Choices } from "./choices.js";
import { type DeriveContext, variablesIn } from "./context.js";
import { energyOf } from "./energy.js";
import { hasNoGradient } from "./gradient-parts.js";
import { readsName } from "./score-placement.js";
import { type Behind, trainedThrough } from "./trained-through.js";

/** A part of an objective whose gradient is known and whose value is not. */
type Unknown = Extract<Quantity, { readonly kind: "unnormalised" | "logPartition" | "matching" }>;

/** How often it is added to a quantity: `scale` times the factors. */
interface Share {
  readonly of: Unknown;
  readonly scale: number;
  readonly factors: readonly Expr[];
  /** Entries of a vector have different shares. */
  readonly uneven: boolean;
}

/** By what makes two the same; none of a scale of 0. */
type Shares = ReadonlyMap<string, Share>;

interface Scope {
  readonly behind: Behind;
}

interface Need {
  readonly share: Share;
  readonly at: Span;
  /** What is made of the value: "the gradient of …". */
  readonly what: string;
  readonly help: readonly string[];
}

const NONE: Shares = new Map();
/** Shares that are left of a difference by rounding. */
const ROUNDING = 1e-9;

/** GM3536 where an objective needs a value that its estimators do not give; false then. `over`: what the statement moves. */
export function requireKnownValues(context: DeriveContext, quantity: Quantity, choices: Choices, over: readonly string[]): boolean {
  const follower = new Follower(context, over);
  follower.leave(follower.visit(quantity, { behind: new Map() }), { behind: new Map() });
  if (!follower.need) return true;
  reportNeed(context, follower.need, choices);
  return false;
}

class Follower {
  /** The first that was met. */
  need: Need | undefined;

  constructor(
    private readonly context: DeriveContext,
    private readonly over: readonly string[],
  ) {}

  visit(q: Quantity, scope: Scope): Shares {
    switch (q.kind) {
      case "logPartition":
        return q.method.kind === "chain" ? this.itself(q) : NONE;
      case "unnormalised":
        return q.method.kind === "gibbs" ? this.itself(q) : NONE;
      case "matching":
        return this.itself(q);
      case "sum":
        return this.terms(q.terms, scope);
      case "apply":
        return this.apply(q.expr, q.args, scope);
      case "byRow": {
        const parts = [q.there, q.missing].map((part) => (part ? this.visit(part, scope) : NONE));
        return alike(parts) ?? added(parts.map((part, i) => keyed(part, `${q.variable}${i}`)));
      }
      case "expect":
        return this.expect(q, scope);
      case "enumerate":
        return this.enumerate(q, scope);
      case "eliminate": {
        const names = new Set(q.steps.map((s) => s.variable));
        const weights = added(q.steps.map((s) => this.terms(s.terms, scope)));
        const values = added(q.steps.map((s) => this.terms(s.values ?? [], scope)));
        this.differs([...weights.values(), ...values.values()], (s) => this.reads(s, names), q.span);
        // of an average, the weights are the log of a distribution but for a number
        return q.op === "expect" ? values : weights;
      }
      case "reduce": {
        const body = this.visit(q.body, scope);
        const own = (s: Share): boolean => [...s.factors, ...this.exprsOf(s)].some((e) => readsIndex(e, q.index));
        if (q.op === "sum" || q.op === "mean") return scaled(keyed(body, q.index, own), q.op === "sum" ? q.count.size : 1);
        this.differs([...body.values()], own, q.span);
        return body;
      }
      case "optimum":
        return this.visit(q.body, scope);
      // a gradient is taken of exact parts alone
      case "grad":
      case "factor":
      case "logDet":
      case "value":
      case "kl":
      case "gaussianMarginal":
        return NONE;
    }
  }

  /** A weight or a draw that is moved and multiplies what has no value is moved by that value. */
  leave(shares: Shares, scope: Scope, names?: ReadonlySet<string>): void {
    const acts = trainedThrough(this.context, this.over, scope.behind);
    for (const share of shares.values()) {
      const moved = share.factors.find((f) => acts([f]) && (!names || readsName(this.context, f, names)));
      if (moved) {
        const factor = textOf(moved.span);
        const help = `held, it needs no value: \`stop(${factor})\` in the place of \`${factor}\``;
        this.needs(share, moved.span, [help], `the gradient of \`${factor}\`, times \`${textOf(share.of.span)}\`,`);
      }
    }
  }

  private itself(of: Unknown): Shares {
    const reads = this.exprsOf({ of }).map((e) => fingerprint(e));
    const given = of.kind === "unnormalised" ? of.given.join() : "";
    return new Map([[[of.kind, of.density, given, ...reads].join("|"), { of, scale: 1, factors: [], uneven: false }]]);
  }

  private terms(terms: readonly Term[], scope: Scope): Shares {
    return added(terms.map((t) => scaled(multiplied(this.visit(t.quantity, scope), t.factors), t.scale)));
  }

  private apply(expr: BuiltinExpr, args: readonly Quantity[], scope: Scope): Shares {
    const parts = args.map((a) => this.visit(a, scope));
    const held = parts.flatMap((p, i) => (p.size > 0 ? [i] : []));
    if (held.length === 0) return NONE;
    const entry = builtins.get(expr.fn);
    if (expr.fn === "stop") return new Map([...(parts[0] ?? NONE)].map(([key, s]) => [key, { ...s, factors: s.factors.map(stopped) }]));
    const even = parts.every((p) => [...p.values()].every((s) => !s.uneven)) ? alike(parts) : undefined;
    if (entry?.shiftInvariant && even) return NONE;
    if (isLinearIn(entry?.linear, held)) return this.linear(expr, args, parts, held);
    if (entry?.averages && even) return even;
    const [share] = parts.flatMap((p) => [...p.values()]);
    if (share) this.needs(share, expr.span);
    return NONE;
  }

  private linear(expr: BuiltinExpr, args: readonly Quantity[], parts: readonly Shares[], held: readonly number[]): Shares {
    const place = `${expr.fn} ${fingerprint(expr.options)}`;
    const kept = parts.map((p) => keyed(p, place, (s) => s.uneven));
    switch (expr.fn) {
      case "add":
      case "sub":
      case "neg":
        return added(parts.map((p, i) => (expr.fn === "neg" || (expr.fn === "sub" && i === 1) ? scaled(p, -1) : p)));
      case "sum":
        return scaled(kept[0] ?? NONE, entriesOf(expr.args[0]) / entriesOf(expr));
      case "stack":
      case "concat":
        return alike(parts) ?? uneven(added(parts.map((p, i) => keyed(p, `entry ${i}`))));
      case "where": {
        const both = alike(parts.slice(1));
        if (both) return both;
      }
    }
    // an argument beside those that hold it multiplies it, or chooses
    const others = args.flatMap((a, i) => (held.includes(i) ? [] : exprsOf(a)));
    if (others.length === 0) return added(kept);
    const distinct = added(parts.map((p, i) => keyed(p, `${expr.fn} ${i}`)));
    return uneven(multiplied(distinct, hasNoGradient(expr) ? others.map(stopped) : others));
  }

  private expect(q: Extract<Quantity, { kind: "expect" }>, scope: Scope): Shares {
    const behind = new Map(scope.behind);
    const scored = new Set<string>();
    for (const step of q.steps) {
      const moved = this.moves(step, behind);
      const valued = (moved && weighsByValue(step)) || this.inputsOf(step).some((e) => readsName(this.context, e, scored));
      for (const name of namesBoundBy([step])) {
        behind.set(name, moved);
        if (valued) scored.add(name);
      }
    }
    const inner = { behind };
    const body = this.visit(q.body, inner);
    this.leave(body, inner, namesBoundBy(q.steps));
    const by = q.steps.flatMap((s) => (s.kind === "factor" && s.estimator !== "none" ? [s] : []));
    const [first] = by;
    const what = `the estimate of ${listed([...namesOf(by)])} by \`${first?.estimator}\``;
    const smooth = by.every((s) => distributions.get(s.factor.dist.dist)?.reparameterised);
    const help = smooth
      ? [`samples that are differentiable need no value: \`by ${[...namesOf(by)].map((n) => `${n}: reparam`).join(" and ")}\``]
      : [];
    this.differs([...body.values()], (s) => this.reads(s, scored), first?.span ?? q.span, what, help);
    return body;
  }

  private enumerate(q: Extract<Quantity, { kind: "enumerate" }>, scope: Scope): Shares {
    const name = q.local?.id ?? q.variable;
    const names = new Set([name]);
    const inner = { behind: new Map([...scope.behind, [name, false]]) };
    const body = this.visit(q.body, inner);
    const { weight } = q;
    const weights = weight && weight.kind !== "factor" ? this.visit(weight, inner) : NONE;
    const [share] = weights.values();
    if (share) this.needs(share, q.span);
    const acts = trainedThrough(this.context, this.over, scope.behind);
    const weighed = q.op !== "expect" || (weight !== undefined && (weight.kind !== "factor" || acts(exprsOf(weight))));
    if (weighed) this.differs([...body.values()], (s) => this.reads(s, names), q.span);
    return body;
  }

  /** Whether a weight that is moved has a gradient through what a step draws. */
  private moves(step: DrawStep, behind: Behind): boolean {
    const acts = trainedThrough(this.context, this.over, behind);
    if (step.kind === "gaussian") return acts(exprsOfPosterior(step.posterior));
    if (step.kind === "distribution") return acts(distExprs(step.dist));
    // samples of an energy and rows of the data pass no gradient on
    if (step.kind !== "factor" && step.kind !== "bind") return false;
    const [exprs, at] = step.kind === "factor" ? [distExprs(step.factor.dist), step.factor.at] : [[step.value], step.at];
    const own = [...variablesIn(this.context, exprs)].map((v): [string, boolean] => {
      const value = at.get(v);
      return [v, value ? acts([value]) : behind.get(v) === true];
    });
    return trainedThrough(this.context, this.over, new Map(own))(exprs);
  }

  /** What a step is drawn given, as the objective has it. */
  private inputsOf(step: DrawStep): readonly Expr[] {
    if (step.kind === "gaussian") return exprsOfPosterior(step.posterior);
    if (step.kind === "distribution") return distExprs(step.dist);
    if (step.kind === "data") return [];
    const at = step.kind === "factor" ? step.factor.at : step.at;
    const exprs = step.kind === "factor" ? distExprs(step.factor.dist) : step.kind === "bind" ? [step.value] : [];
    const read = step.kind === "energy" ? step.given : [...variablesIn(this.context, exprs)];
    return read.map((v) => at.get(v) ?? plain(this.context, v, step.span));
  }

  /** What is missing differs between values of which the objective takes a log of a sum, a greatest one, or an average by weights that are moved. */
  private differs(shares: readonly Share[], apart: (share: Share) => boolean, at: Span, what?: string, help?: readonly string[]): void {
    const share = shares.find(apart);
    if (share) this.needs(share, at, help, what);
  }

  private needs(share: Share, at: Span, help: readonly string[] = [], what = `the gradient of \`${textOf(at)}\``): void {
    this.need ??= { share, at, help, what };
  }

  private reads(share: Share, names: ReadonlySet<string>): boolean {
    return names.size > 0 && [...share.factors, ...this.exprsOf(share)].some((e) => readsName(this.context, e, names));
  }

  /** What the missing part is a function of. */
  private exprsOf({ of }: Pick<Share, "of">): readonly Expr[] {
    const { reads, variables } = energyOf(this.context, of.density);
    const own = of.kind === "logPartition" ? reads : of.kind === "unnormalised" ? [...of.given, ...reads] : [...variables, ...reads];
    const totals = of.kind === "unnormalised" ? [...(of.totals?.values() ?? [])] : [];
    return [...own.map((v) => of.at.get(v) ?? plain(this.context, v, of.span)), ...totals];
  }
}

/** Draws whose estimators use the value of what they average, and not its slope in the sample alone. */
function weighsByValue(step: DrawStep): boolean {
  if (step.kind !== "factor" && step.kind !== "distribution") return false;
  const kind = latentEntries.get(step.estimator)?.rule.surrogate.kind;
  return kind !== undefined && !["sample", "held", "fixedDensity", "replaced"].includes(kind);
}

const namesOf = (steps: readonly Extract<DrawStep, { kind: "factor" }>[]): ReadonlySet<string> =>
  new Set(steps.map((s) => s.local?.name ?? s.factor.variable));

/** A variable of a density that stands under its own name. */
function plain(context: DeriveContext, variable: string, span: Span): Expr {
  const domain = context.model.variables.get(variable)?.domain;
  return { kind: "variable", variable, sample: undefined, type: domain ? typeOfDomain(domain) : tensor([]), span };
}

function stopped(expr: Expr): Expr {
  return { kind: "builtin", fn: "stop", args: [expr], options: {}, type: expr.type, span: expr.span };
}

function readsIndex(expr: Expr, index: string): boolean {
  let found = false;
  walkExpr(expr, (e) => {
    found ||= (e.kind === "variable" || e.kind === "local") && e.sample?.kind === "index" && e.sample.index === index;
  });
  return found;
}

function entriesOf(expr: Expr | undefined): number {
  return expr ? shapeOf(expr).reduce((n, d) => n * d.size, 1) : 1;
}

function added(parts: readonly Shares[]): Shares {
  const sum = new Map<string, Share>();
  for (const part of parts)
    for (const [key, share] of part) {
      const scale = share.scale + (sum.get(key)?.scale ?? 0);
      if (Math.abs(scale) < ROUNDING) sum.delete(key);
      else sum.set(key, { ...share, scale });
    }
  return sum;
}

/** The shares that all have; undefined where they differ. */
function alike(parts: readonly Shares[]): Shares | undefined {
  const [first = NONE, ...others] = parts;
  const same = others.every(
    (p) => p.size === first.size && [...first].every(([key, s]) => Math.abs(s.scale - (p.get(key)?.scale ?? Infinity)) < ROUNDING),
  );
  return same ? first : undefined;
}

function scaled(shares: Shares, by: number): Shares {
  return by === 1 ? shares : new Map([...shares].flatMap(([key, s]) => (by === 0 ? [] : [[key, { ...s, scale: s.scale * by }]])));
}

function multiplied(shares: Shares, factors: readonly Expr[]): Shares {
  if (factors.length === 0) return shares;
  const of = factors.map((f) => fingerprint(f)).sort();
  return new Map([...shares].map(([key, s]) => [[key, ...of].join(" * "), { ...s, factors: [...s.factors, ...factors] }]));
}

/** Shares that are those of no other part: of one branch, of one sample. */
function keyed(shares: Shares, mark: string, which: (share: Share) => boolean = () => true): Shares {
  return new Map([...shares].map(([key, s]) => [which(s) ? `${key} in ${mark}` : key, s]));
}

const uneven = (shares: Shares): Shares => new Map([...shares].map(([key, s]) => [key, { ...s, uneven: true }]));

function reportNeed(context: DeriveContext, { share: { of }, at, what, help }: Need, { model, data, matching }: Choices): void {
  const by = of.kind === "logPartition" ? model : of.kind === "unnormalised" ? data : matching;
  const analysis = energyOf(context, of.density);
  const summed = of.kind === "unnormalised" ? analysis.variables.filter((v) => !of.given.includes(v)) : analysis.variables;
  const value =
    of.kind === "logPartition"
      ? `log Z of \`${of.density}\``
      : of.kind === "unnormalised"
        ? `the log of the sum over ${listed(summed)}`
        : `\`log ${of.density}\``;
  report(
    context.diagnostics,
    "GM3536",
    at,
    { what, value, estimator: by?.text ?? "its estimator" },
    {
      labels: by ? [{ span: by.span, text: "gives a gradient, and no value" }] : [],
      help: [
        ...(by && isExact(analysis, summed)
          ? [`leave \`${by.entry.name}\` out: ${listed(summed)} ${summed.length === 1 ? "sums" : "sum"} out exactly`]
          : []),
        ...help,
        "a log-density needs no value in a plain term: alone, or times what is not trained, such as numbers and data",
      ],
    },
  );
}
