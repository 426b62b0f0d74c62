/**
 * `maximize log p(x) by em`: expectation maximisation (Dempster, Laird & Rubin 1977), derived from the density.
 *
 * E-step: the weight of a conditional at each state of the finite latents is the derivative of log p(x) in its log, so no posterior is written down;
 * under `max[c](…)` it is 1 at the best state (hard EM, k-means). M-step: a conditional's parameters that pick entries of a weight, `mu[c]`, are set
 * to their weighted maximum-likelihood estimate where the distribution's table entry says that it has a closed form. Each is estimated given the
 * others, as they then are (Meng & Rubin 1993), so the likelihood never falls. What has no such form is an error that says why.
 *
 * Normal latents that are integrated out: what their conditionals are estimated from is averaged over their posterior, by its mean and covariance
 * (Rubin & Thayer 1982; Tipping & Bishop 1999). A location that is a linear map solves normal equations (linear-maps.ts).
 *
 * `by em(decay = 0.99)` takes a batch at each step, and estimates from exponential averages of the sums and counts (Cappé & Moulines 2009; for codes and
 * the vectors nearest to them, van den Oord et al. 2017, appendix A.1).
 */
import { assertNever, InternalError } from "../../base/internal-error.js";
import { report } from "../../base/report.js";
import type { Span } from "../../base/source.js";
import { builtins } from "../builtins.js";
import { distributions } from "../distributions.js";
import { listed } from "../energy/listed.js";
import type { Factor, Quantity } from "../quantity.js";
import { mapQuantity } from "../quantity-walk.js";
import type { FittedParameter, LinearMap, Maximisation, MaximisationStep } from "../maximisation.js";
import type { Expr } from "../types.js";
import type { Chosen } from "./choices.js";
import { type DeriveContext } from "./context.js";
import { underPaths } from "./weight-paths.js";
import { weightsIn } from "./weights.js";
import { linearMapOf } from "./linear-maps.js";
import { opened } from "./open-maps.js";

/** The M-steps of a likelihood; undefined after an error has been reported. `over`: weights that the statement moves, none in an evaluation. */
export function deriveEm(
  context: DeriveContext,
  quantity: Quantity,
  over: readonly string[] | undefined,
  asked: Chosen,
): Maximisation | undefined {
  if (over === undefined) {
    const args = { estimator: "em", why: "an evaluation moves no weights" };
    report(context.diagnostics, "GM3526", asked.span, args, { help: ["leave it out"] });
    return undefined;
  }
  const factors: Counted[] = [];
  const likelihood = withMissing(quantity);
  const odd = collect(likelihood, factors);
  if (odd) {
    report(
      context.diagnostics,
      "GM3851",
      odd.span ?? asked.span,
      { found: odd.what },
      {
        help: [
          "`em` raises `log p(x)` whose latents are summed or integrated out, or `max[c](log p(x, c))`; train other objectives with an optimiser",
        ],
      },
    );
    return undefined;
  }
  const steps: MaximisationStep[] = [];
  const owners = new Map<string, Owner>();
  const [decay, smooth, restart] = ["decay", "smooth", "restart"].map((name) => Number(asked.options[name])) as [number, number, number];
  for (const { factor, latents } of factors) {
    const fits: FittedParameter[] = [];
    let map: LinearMap | undefined;
    for (const [parameter, value] of Object.entries(factor.dist.params)) {
      const moved = movedIn(context, [value], over);
      if (moved.length === 0) continue;
      const fitted = fitOf(context, factor, parameter, value, moved, asked, over);
      if (!fitted) return undefined;
      if ("groups" in fitted) map = fitted;
      else fits.push(fitted);
      for (const path of "groups" in fitted ? fitted.groups.flat().map((t) => t.path) : [fitted.path]) {
        const other = owners.get(path);
        if (other) {
          reportTwice(context, asked, path, other, { factor, parameter });
          return undefined;
        }
        owners.set(path, { factor, parameter });
      }
    }
    if (decay !== 0 && (map || (latents.length > 0 && fits.length > 0))) {
      reportBatches(context, asked, factor, latents);
      return undefined;
    }
    if (fits.length > 0 || map) steps.push({ factor, latents, fits: inOrder(factor, fits), ...(map && { map }) });
  }
  if (decay === 0) return { likelihood, steps };
  const averages = steps.flatMap((s) => s.fits.map(({ path }) => ({ name: `em:${path}`, shape: [2, ...shapeOf(context, path)] })));
  if (restart > 0 && !steps.some((s) => s.fits.some((f) => f.ofRows))) {
    const problem = "`restart` is for the location of a Normal that an index picks, `mu[c]`, and none is estimated here";
    report(context.diagnostics, "GM3521", asked.span, { problem }, { help: ["leave it out"] });
    return undefined;
  }
  return { likelihood, steps, online: { decay, smooth, restart, averages } };
}

/** A conditional of the likelihood, and the normal latents that are integrated out around it. */
interface Counted {
  readonly factor: Factor;
  readonly latents: readonly string[];
}

interface Owner {
  readonly factor: Factor;
  readonly parameter: string;
}

function reportTwice(context: DeriveContext, asked: Chosen, weight: string, first: Owner, second: Owner): void {
  const text = ({ factor, parameter }: Owner): string => `${parameter}\` of \`${conditionalOf(factor)}`;
  const place = ({ factor, parameter }: Owner): Span => factor.dist.params[parameter]?.span ?? factor.span;
  report(
    context.diagnostics,
    "GM3853",
    asked.span,
    { weight, first: text(first), second: text(second) },
    {
      labels: [
        { span: place(first), text: "first here" },
        { span: place(second), text: "and here" },
      ],
      help: ["give each its own weight, or train with an optimiser"],
    },
  );
}

function reportBatches(context: DeriveContext, asked: Chosen, factor: Factor, latents: readonly string[]): void {
  report(
    context.diagnostics,
    "GM3859",
    asked.span,
    {
      conditional: conditionalOf(factor),
      why: latents.length > 0 ? `${listed(latents)} is integrated out of it` : "its location is a linear map",
    },
    {
      labels: [{ span: factor.span, text: "drawn here" }],
      help: ["leave `decay` out: a step then takes all rows", "or train with an optimiser, which takes batches"],
    },
  );
}

function shapeOf(context: DeriveContext, path: string): readonly number[] {
  const param = context.model.params.find((p) => p.path === path);
  if (!param) throw new InternalError(`no parameter ${path}`);
  return param.domain.shape.map((d) => d.size);
}

/**
 * Labels that are there in some rows: the likelihood of a row with its label is the sum over all labels with the others left out, so that one sum serves
 * rows of either kind, and each conditional stands in it once.
 */
function withMissing(quantity: Quantity): Quantity {
  return (
    mapQuantity(quantity, (q) => {
      if (q.kind !== "byRow" || !q.there || q.missing?.kind !== "enumerate") return q;
      const sums = q.missing.op === "logsumexp" && q.missing.variable === q.variable && !q.missing.local;
      return sums ? { ...q.missing, fills: true } : q;
    }) ?? quantity
  );
}

/** Factors of a likelihood; what else there is in it, if anything. */
function collect(q: Quantity, into: Counted[]): { readonly what: string; readonly span: Span | undefined } | undefined {
  switch (q.kind) {
    case "factor":
      into.push({ factor: q, latents: [] });
      return undefined;
    case "sum":
      for (const t of q.terms) {
        if (t.scale !== 1 || t.factors.length > 0) return { what: "a term with a factor before it", span: undefined };
        const odd = collect(t.quantity, into);
        if (odd) return odd;
      }
      return undefined;
    case "enumerate":
      return q.op === "logsumexp" || q.op === "max"
        ? collect(q.body, into)
        : { what: q.op === "min" ? "a minimum" : "an expectation", span: q.span };
    case "eliminate":
      if (q.op === "min" || q.op === "expect") return { what: q.op === "min" ? "a minimum" : "an expectation", span: q.span };
      for (const step of q.steps) {
        const odd = collect({ kind: "sum", terms: step.terms, span: q.span }, into);
        if (odd) return odd;
      }
      return undefined;
    case "gaussianMarginal": {
      const latents = q.latents.map((f) => f.variable);
      into.push(...[...q.latents, ...q.children].map((factor) => ({ factor, latents })));
      return undefined;
    }
    case "expect":
      return { what: "an expectation by samples", span: q.span };
    case "optimum":
      return { what: "a maximum that an inner loop finds", span: q.span };
    case "kl":
      return { what: "a divergence", span: q.span };
    case "logDet":
      return { what: "a flow", span: q.span };
    case "unnormalised":
    case "logPartition":
    case "matching":
      return { what: "an energy", span: q.span };
    case "byRow":
      return { what: `data that may be missing in a row, \`${q.variable}\``, span: q.span };
    case "value":
    case "apply":
    case "reduce":
    case "grad":
      return { what: "a term that is no log-density", span: undefined };
    default:
      return assertNever(q);
  }
}

function movedIn(context: DeriveContext, exprs: readonly Expr[], over: readonly string[]): readonly string[] {
  return [...weightsIn(context, exprs)].filter((w) => underPaths(w, over));
}

function fitOf(
  context: DeriveContext,
  factor: Factor,
  parameter: string,
  value: Expr,
  moved: readonly string[],
  asked: Chosen,
  over: readonly string[],
): FittedParameter | LinearMap | undefined {
  const { dist } = factor;
  const fits = distributions.get(dist.dist)?.fits ?? [];
  const refuse = (why: string, help: string): undefined => {
    report(
      context.diagnostics,
      "GM3852",
      asked.span,
      { parameter, conditional: conditionalOf(factor), dist: dist.dist, why },
      {
        labels: [{ span: value.span, text: `reads ${listed(moved)}` }],
        help: [help],
      },
    );
    return undefined;
  };
  const others = [...distributions.values()].filter((d) => d.fits?.length).map((d) => d.name);
  if (!fits.includes(parameter))
    return refuse(
      fits.length === 0 ? `no parameter of a ${dist.dist} has a closed form` : `of a ${dist.dist}, ${listed(fits)} have one`,
      `distributions with one: ${others.join(", ")}; or train with an optimiser`,
    );
  const link = value.kind === "builtin" && value.fn === "exp" ? "exp" : "identity";
  const inner = link === "exp" && value.kind === "builtin" ? value.args[0] : value;
  const path = inner && selected(context, inner);
  if (inner === undefined || path === undefined) {
    const map =
      distributions.get(dist.dist)?.gaussian && parameter === "loc" ? linearMapOf(context, value, over, dist.params["scale"]) : undefined;
    if (map === undefined)
      return refuse(
        "it is more than entries of one parameter",
        "write a parameter, entries of one such as `mu[c]`, or `exp` of these; or train with an optimiser",
      );
    if (typeof map === "string")
      return refuse(
        map,
        "a linear map such as `z @ W + mu` or `z |> dense(D)` has one, with one noise level or one for each entry, and so has `a * z + b`; or train with an optimiser",
      );
    const bounded = map.groups.flat().find((t) => (context.model.params.find((p) => p.path === t.path)?.domain.name ?? "real") !== "real");
    return bounded ? refuse(`\`${bounded.path}\` is bounded, and least squares is not`, "make it `real`, or train with an optimiser") : map;
  }
  if (link === "exp" && ["logits", "probs"].includes(parameter))
    return refuse("an `exp` around its logits or probabilities is more than entries of one parameter", "give the parameter itself");
  const ofRows = parameter === "loc" && dist.dist === "Normal" && link === "identity" && picksRows(context, inner, path, factor.variable);
  return { parameter, path, selection: inner, link, ofRows };
}

/** Whether an index picks from the first axis of a weight what the variable, or its last axes, hold. */
function picksRows(context: DeriveContext, selection: Expr, path: string, variable: string): boolean {
  const e = opened(context, selection);
  if (e.kind !== "builtin" || e.fn !== "take" || e.args[0]?.kind !== "param") return false;
  const row = shapeOf(context, path).slice(1);
  const event = context.model.variables.get(variable)?.domain.shape.map((d) => d.size) ?? [];
  return row.length <= event.length && row.every((n, i) => n === event[event.length - row.length + i]);
}

/** The weight of which an expression picks entries. */
function selected(context: DeriveContext, expr: Expr): string | undefined {
  if (expr.kind === "param") return expr.path;
  if (expr.kind === "local") {
    const binding = context.bindings.get(expr.local.id);
    return binding && selected(context, binding.value);
  }
  if (expr.kind !== "builtin" || !(expr.fn === "take" || builtins.get(expr.fn)?.moves === true)) return undefined;
  const [first, ...rest] = expr.args;
  return first && rest.every((e) => weightsIn(context, [e]).size === 0) ? selected(context, first) : undefined;
}

/** As the distribution's table has them: a scale is estimated around the location that was just found. */
function inOrder(factor: Factor, fits: readonly FittedParameter[]): readonly FittedParameter[] {
  const order = distributions.get(factor.dist.dist)?.fits ?? [];
  return [...fits].sort((a, b) => order.indexOf(a.parameter) - order.indexOf(b.parameter));
}

/** `log p(x | c)` without its parents: `log p(x)`. */
function conditionalOf({ density, variable }: Factor): string {
  return `log ${density}(${variable})`;
}
