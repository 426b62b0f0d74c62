/**
 * `max[z](log p(x, z)) by ista(steps = 50)`: a maximum over continuous latents, found by an inner loop.
 *
 * Takes the body derived, as terms; gives the loop's problem: which terms are priors with a proximal operator (a Laplace: soft threshold; an
 * Exponential: shift and projection; a Uniform: projection), what is left as the smooth part, and whether that is quadratic with the same matrix for
 * every row, so that one curvature sets the step. The gradient in the weights is that at the latents found (the envelope theorem).
 */
import { report } from "../../base/report.js";
import type { Span } from "../../base/source.js";
import { distributions, type ProximalLaw } from "../distributions.js";
import { listed } from "../energy/listed.js";
import { estimators } from "../estimators.js";
import type { Factor, Optimum, Quantity, Term } from "../quantity.js";
import { exprsOf, quantityChildren, termsOf, walkQuantity } from "../quantity-walk.js";
import type { DomainName, Expr, Variable } from "../types.js";
import { distExprs } from "../walk.js";
import { dependenceOn } from "./affine.js";
import type { Chosen } from "./choices.js";
import { type DeriveContext, variablesIn } from "./context.js";
import { drawsSamples } from "./energy-use.js";
import { variableText } from "./marginal.js";
import { apartByRow } from "./missing.js";

interface Request {
  readonly op: "max" | "min";
  readonly variables: readonly string[];
  readonly body: Quantity;
  readonly asked: Chosen;
  readonly span: Span;
}

/** Why a gradient cannot be followed in a domain; null where it can. */
const STUCK: Readonly<Record<DomainName, string | null>> = {
  real: null,
  positive: null,
  unit: null,
  binary: "it is 0 or 1",
  category: "it is one of some classes",
  count: "it is a whole number",
  byte: "it is a whole number",
  simplex: "its entries sum to one, which no step of this version keeps",
};

/** The inner problem; undefined after an error has been reported. `random`: whether expressions draw numbers of their own. */
export function deriveContinuousOptimum(
  context: DeriveContext,
  request: Request,
  random: (exprs: readonly Expr[]) => boolean,
): Optimum | undefined {
  const { op, variables, body, asked, span } = request;
  for (const name of variables) if (!canClimb(context, name, asked)) return undefined;
  const noisy = whatIsRandom(body) ?? (random(exprsOf(body)) ? "a layer in it draws numbers of its own" : undefined);
  if (noisy !== undefined) {
    report(context.diagnostics, "GM3844", span, { what: noisy }, { help: ["put its mean or an exact sum in its place"] });
    return undefined;
  }
  const sense = op === "max" ? 1 : -1;
  const smooth: Term[] = [];
  const proximal: Optimum["proximal"][number][] = [];
  for (const term of termsOf(body).flatMap((t) => apartByRow(context, t))) {
    const turned: Term = { ...term, scale: sense * term.scale };
    if (
      ![...variablesIn(context, [...exprsOf(term.quantity), ...term.factors]), ...namesOf(term.quantity)].some((v) => variables.includes(v))
    )
      continue;
    const law = proximalLaw(context, turned, variables);
    if (law && turned.scale < 0) {
      report(
        context.diagnostics,
        "GM3846",
        span,
        { op, term: factorText(law.factor) },
        { labels: [{ span: law.factor.span, text: "the prior" }], help: [`\`${op === "max" ? "min" : "max"}\` goes towards it`] },
      );
      return undefined;
    }
    if (law) proximal.push({ factor: law.factor, law: law.law, scale: turned.scale, factors: turned.factors });
    else if (asked.entry.takesKinks || isWithoutKinks(context, turned, variables, asked)) smooth.push(turned);
    else return undefined;
  }
  const quadratic = smooth.every((t) => isQuadratic(context, t, variables));
  const { name: method } = asked.entry;
  return {
    kind: "optimum",
    op,
    variables,
    method,
    options: asked.options,
    body,
    smooth: { kind: "sum", terms: smooth, span },
    proximal,
    quadratic,
    span,
  };
}

/** What the loop does, for `explain`. */
export function optimumReason(optimum: Optimum): string {
  const { method, options, proximal, quadratic, op } = optimum;
  const takesKinks = estimators.get(method)?.takesKinks === true;
  const priors = proximal.map(({ factor, law }) => `${PROXIMAL_TEXT[law]} for ${factorText(factor)}`);
  const step = takesKinks
    ? `lr = ${options["lr"]}`
    : quadratic
      ? "the smooth part is quadratic: steps of 1 / its greatest curvature, by power iteration"
      : "steps by backtracking, each row its own";
  const first = priors.length === 0 ? "no prior with a kink: plain gradient steps" : priors.join(", ");
  return `${op} by ${options["steps"]} steps; ${takesKinks ? step : `${first}; ${step}`}; the gradient is that at the point found`;
}

const PROXIMAL_TEXT: Readonly<Record<ProximalLaw, string>> = {
  laplace: "soft threshold",
  exponential: "shift and projection",
  uniform: "projection",
};

/** An optimum may stand in sums and functions, not under what binds or repeats. Reports where it does. */
export function optimumStands(context: DeriveContext, quantity: Quantity): boolean {
  const within = (q: Quantity, where: string | undefined): { readonly where: string; readonly span: Span } | undefined => {
    if (q.kind === "optimum" && where !== undefined) return { where, span: q.span };
    const inner =
      q.kind === "expect"
        ? "an `E`"
        : q.kind === "enumerate"
          ? `a sum or maximum over \`${q.variable}\``
          : q.kind === "eliminate"
            ? `a sum or maximum over ${listed(q.steps.map((s) => s.variable))}`
            : q.kind === "reduce"
              ? `\`${q.op}\` over samples`
              : q.kind === "optimum"
                ? "another one"
                : where;
    for (const child of quantityChildren(q)) {
      const found = within(child, inner);
      if (found) return found;
    }
    return undefined;
  };
  const wrong = within(quantity, undefined);
  if (wrong) {
    report(
      context.diagnostics,
      "GM3845",
      wrong.span,
      { where: wrong.where },
      { help: ["let `max[z](…)` stand outermost, or as a term of a sum"] },
    );
    return false;
  }
  const all = optimaIn(quantity);
  const second = all[1];
  if (second)
    report(context.diagnostics, "GM3509", second.span, { construct: "a second maximum over continuous latents in one statement" });
  return second === undefined;
}

export function optimaIn(quantity: Quantity): readonly Optimum[] {
  const found: Optimum[] = [];
  walkQuantity(quantity, (q) => q.kind === "optimum" && found.push(q));
  return found;
}

function canClimb(context: DeriveContext, name: string, asked: Chosen): boolean {
  const variable = context.model.variables.get(name);
  const why = variable && STUCK[variable.domain.name];
  if (!variable || why === null) return true;
  report(
    context.diagnostics,
    "GM3842",
    asked.span,
    { estimator: asked.entry.name, variable: variableText(variable, name), why: why ?? "it has no domain" },
    { labels: [{ span: variable.span, text: "declared here" }], help: [wayOut(variable)] },
  );
  return false;
}

function wayOut(variable: Variable): string {
  return variable.domain.name === "simplex"
    ? "give it logits: a `real` latent, and `softmax` of it where it is used"
    : `leave \`by\` out where it has at most 1,024 states, which are then all tried; else bound the quantity with \`ELBO(p, q)\``;
}

function whatIsRandom(body: Quantity): string | undefined {
  let found: string | undefined;
  walkQuantity(body, (q) => {
    if (q.kind === "expect" && (drawsSamples(q) || q.steps.some((s) => s.kind === "data"))) found ??= "an `E` in it draws samples";
    else if (drawsSamples(q)) found ??= "it holds an estimate by samples";
  });
  return found;
}

/** Variables that quantities are about besides those in their expressions. */
function namesOf(quantity: Quantity): readonly string[] {
  const found: string[] = [];
  walkQuantity(quantity, (q) => {
    if (q.kind === "factor" || q.kind === "logDet") found.push(q.variable);
    if (q.kind === "kl") found.push(q.q.variable, q.p.variable);
    if (q.kind === "unnormalised") found.push(...q.given);
    if (q.kind === "gaussianMarginal") found.push(...[...q.latents, ...q.children].map((f) => f.variable));
  });
  return found;
}

/** A latent's own prior, whose parameters and factors read none of the latents. */
function proximalLaw(
  context: DeriveContext,
  term: Term,
  variables: readonly string[],
): { readonly factor: Factor; readonly law: ProximalLaw } | undefined {
  const { quantity: q, factors } = term;
  if (q.kind !== "factor" || !variables.includes(q.variable) || !isItself(q, q.variable) || q.through) return undefined;
  const law = distributions.get(q.dist.dist)?.proximal;
  const read = variablesIn(context, [...distExprs(q.dist), ...factors]);
  return law && !variables.some((v) => read.has(v)) ? { factor: q, law } : undefined;
}

function isItself({ at }: Factor, variable: string): boolean {
  const value: Expr | undefined = at.get(variable);
  return value === undefined || (value.kind === "variable" && value.variable === variable && value.sample === undefined);
}

/** Every factor of the smooth part has a gradient everywhere. Reports one that has a kink in the latents, or an edge. */
function isWithoutKinks(context: DeriveContext, term: Term, variables: readonly string[], asked: Chosen): boolean {
  let bent: { readonly factor: Factor; readonly why: string; readonly help: string } | undefined;
  walkQuantity(term.quantity, (q) => {
    if (q.kind !== "factor") return;
    const domain = context.model.variables.get(q.variable)?.domain.name;
    const info = distributions.get(q.dist.dist);
    if (info?.proximal !== undefined)
      bent ??= {
        factor: q,
        why: variables.includes(q.variable) ? "its parameters read a latent that is climbed in" : `it is no prior of ${listed(variables)}`,
        help: "a Normal or Logistic in its place is smooth; or climb with `adam`, which takes kinks as they come",
      };
    else if (domain && variables.includes(q.variable) && info?.open?.[domain])
      bent ??= {
        factor: q,
        why: `its density is zero or infinite where \`${q.variable}\` ends`,
        help: "an Exponential or HalfNormal ends at 0 with a finite density; or climb in the logarithm, a `real` latent",
      };
  });
  if (!bent) return true;
  report(
    context.diagnostics,
    "GM3843",
    asked.span,
    { estimator: asked.entry.name, term: factorText(bent.factor), dist: bent.factor.dist.dist, why: bent.why },
    { labels: [{ span: bent.factor.span, text: "drawn here" }], help: [bent.help] },
  );
  return false;
}

function factorText({ density, variable }: Factor): string {
  return `log ${density}(${variable})`;
}

/** A Normal whose location is affine in the only latent, and reads nothing else that differs from row to row. */
function isQuadratic(context: DeriveContext, { quantity: q, factors }: Term, variables: readonly string[]): boolean {
  const [variable] = variables;
  if (variable === undefined || variables.length > 1 || factors.length > 0 || q.kind !== "factor" || q.dist.dist !== "Normal" || q.through)
    return false;
  if (![...q.at.keys()].every((v) => isItself(q, v))) return false;
  const { loc, scale } = q.dist.params;
  const inScale = scale ? variablesIn(context, [scale]) : new Set<string>();
  const inLoc = loc ? [...variablesIn(context, [loc])] : [];
  return (
    inScale.size === 0 && inLoc.every((v) => v === variable) && (!loc || dependenceOn(context, loc, new Set([variable])).kind !== "other")
  );
}
