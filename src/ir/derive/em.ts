/**
 * `maximize log p(x) by em`: expectation maximisation (Dempster, Laird & Rubin 1977), derived from the density.
 *
 * E-step: the weight of a conditional at each state of the finite latents is the derivative of log p(x) in its log, so no posterior is written down;
 * under `max[c](…)` it is 1 at the best state (hard EM, k-means). M-step: a conditional's parameters that pick entries of a weight, `mu[c]`, are set
 * to their weighted maximum-likelihood estimate where the distribution's table entry says that it has a closed form. Each is estimated given the
 * others, as they then are (Meng & Rubin 1993), so the likelihood never falls. What has no such form is an error that says why.
 *
 * `by em(decay = 0.99)` takes a batch at each step, and estimates from exponential averages of the sums and counts (Cappé & Moulines 2009; for codes and
 * the vectors nearest to them, van den Oord et al. 2017, appendix A.1).
 */
import { InternalError } from "../../base/internal-error.js";
import { report } from "../../base/report.js";
import type { Span } from "../../base/source.js";
import { builtins } from "../builtins.js";
import { distributions } from "../distributions.js";
import { listed } from "../energy/listed.js";
import type { Factor, FittedParameter, Maximisation, MaximisationStep, Quantity } from "../quantity.js";
import type { Expr } from "../types.js";
import type { Chosen } from "./choices.js";
import { type DeriveContext, underPaths, weightsIn } from "./context.js";

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
  const factors: Factor[] = [];
  const odd = collect(quantity, factors);
  if (odd) {
    report(
      context.diagnostics,
      "GM3851",
      odd.span ?? asked.span,
      { found: odd.what },
      {
        help: [
          "`em` raises `log p(x)` whose latents are finite and summed out, or `max[c](log p(x, c))`; train other objectives with an optimiser",
        ],
      },
    );
    return undefined;
  }
  const steps: MaximisationStep[] = [];
  const owners = new Map<string, { readonly factor: Factor; readonly parameter: string }>();
  for (const factor of factors) {
    const fits: FittedParameter[] = [];
    for (const [parameter, value] of Object.entries(factor.dist.params)) {
      const moved = movedIn(context, [value], over);
      if (moved.length === 0) continue;
      const fitted = fitOf(context, factor, parameter, value, moved, asked);
      if (!fitted) return undefined;
      const other = owners.get(fitted.path);
      if (other) {
        report(
          context.diagnostics,
          "GM3853",
          asked.span,
          {
            weight: fitted.path,
            first: `${other.parameter}\` of \`${conditionalOf(other.factor)}`,
            second: `${parameter}\` of \`${conditionalOf(factor)}`,
          },
          {
            labels: [
              { span: other.factor.dist.params[other.parameter]?.span ?? other.factor.span, text: "first here" },
              { span: value.span, text: "and here" },
            ],
            help: ["give each its own weight, or train with an optimiser"],
          },
        );
        return undefined;
      }
      owners.set(fitted.path, { factor, parameter });
      fits.push(fitted);
    }
    if (fits.length > 0) steps.push({ factor, fits: inOrder(factor, fits) });
  }
  const [decay, smooth] = [Number(asked.options["decay"]), Number(asked.options["smooth"])];
  if (decay === 0) return { steps };
  const averages = steps.flatMap((s) => s.fits.map(({ path }) => ({ name: `em:${path}`, shape: [2, ...shapeOf(context, path)] })));
  return { steps, online: { decay, smooth, averages } };
}

function shapeOf(context: DeriveContext, path: string): readonly number[] {
  const param = context.model.params.find((p) => p.path === path);
  if (!param) throw new InternalError(`no parameter ${path}`);
  return param.domain.shape.map((d) => d.size);
}

/** Factors of a likelihood; what else there is in it, if anything. */
function collect(q: Quantity, into: Factor[]): { readonly what: string; readonly span: Span | undefined } | undefined {
  switch (q.kind) {
    case "factor":
      into.push(q);
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
    case "gaussianMarginal":
      return { what: `a latent that is integrated out, \`${q.latent.variable}\``, span: q.span };
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
    case "value":
    case "apply":
    case "reduce":
      return { what: "a term that is no log-density", span: undefined };
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
): FittedParameter | undefined {
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
  if (inner === undefined || path === undefined)
    return refuse(
      "it is more than entries of one parameter",
      "write a parameter, entries of one such as `mu[c]`, or `exp` of these; or train with an optimiser",
    );
  if (link === "exp" && ["logits", "probs"].includes(parameter))
    return refuse("an `exp` around its logits or probabilities is more than entries of one parameter", "give the parameter itself");
  return { parameter, path, selection: inner, link };
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
