/**
 * Objective IR -> the statements of one function. Samples are drawn where they are first needed, what two terms share stands once,
 * every term is named with its `.gm` line so that metrics and faults can name it.
 */
import { InternalError } from "../base/internal-error.js";
import { type Quantity, type Term } from "../ir/quantity.js";
import type { Expr } from "../ir/types.js";
import { builtins } from "../ir/builtins.js";
import { textOf } from "../base/source.js";
import { call, type Js, num } from "./js.js";
import { lowerBuiltin } from "./lower-builtin.js";
import { variableOf } from "./lower-dist.js";
import { lowerLogPartition, lowerStart, lowerUnnormalised } from "./lower-energy.js";
import { lowerMatching } from "./lower-matching.js";
import { after, bindStep, drawnFactor, sitesOf, type Steps } from "./lower-draws.js";
import { lowerElimination } from "./lower-elimination.js";
import { lowerExpr, lowerGrad } from "./lower-expr.js";
import { readsOtherSamples } from "../ir/derive/sample-indices.js";
import { conditionalText, lowerFactor, lowerKl, lowerLogDet } from "./lower-factor.js";
import { lowerGaussianMarginal } from "./lower-gaussian.js";
import { type Marginal, marginalOf } from "./marginal-names.js";
import { quantityText, shortened } from "./mathtext.js";
import { lowerByRow, onlyKnown, weighKnown } from "./lower-missing.js";
import { type SampledRate, sampledRates } from "./sampled-rates.js";
import { lowerSurrogate } from "./lower-surrogate.js";
import { capital } from "./names.js";
import { reducePlate } from "./reduce-plate.js";
import { bound, type QuantityScope, termOf } from "./quantity-scope.js";
import { variableSpec } from "./specs.js";
import { joinLeads, type Lead, NO_LEAD, tensorValue, type TensorValue } from "./values.js";

export function lowerQuantity(scope: QuantityScope, q: Quantity): TensorValue {
  switch (q.kind) {
    case "value":
      return namedValue(scope, q.expr);
    case "factor":
      return lowerFactor(scope, q);
    case "logDet":
      return lowerLogDet(scope, q);
    case "sum":
      return lowerSum(scope, q.terms);
    case "apply": {
      const args = q.args.map((a) => lowerQuantity(scope, a));
      return {
        kind: "tensor",
        js: lowerBuiltin(q.expr, args),
        shape: q.expr.type.kind === "tensor" ? q.expr.type.shape : [],
        lead: builtins.get(q.expr.fn)?.wholeBatch ? NO_LEAD : joinLeads(args.map((a) => a.lead)),
      };
    }
    case "grad":
      return tensorValue(lowerGrad(scope, q.expr, (inner) => lowerQuantity({ ...scope, ...inner, enumerating: true }, q.body)));
    case "kl":
      return lowerKl(scope, q);
    case "byRow":
      return lowerByRow(scope, q, lowerQuantity);
    case "expect":
      return lowerExpect(scope, q);
    case "enumerate":
      return lowerEnumerate(scope, q);
    case "eliminate":
      return lowerElimination(scope, q, (inner, term) => lowerSum(inner, [term]));
    case "gaussianMarginal":
      return lowerGaussianMarginal(scope, q, lowerFactor);
    case "unnormalised":
      return lowerUnnormalised(scope, q);
    case "logPartition":
      return lowerLogPartition(scope, q);
    case "matching":
      return lowerMatching(scope, q, lowerQuantity);
    // the latents are parameters of the function: what finds them stands beside it (emit-optimum.ts)
    case "optimum":
      return lowerQuantity(scope, q.body);
    case "reduce":
      return lowerReduce(scope, q);
  }
}

/** A reduction over a family; where it meets samples of another one around it, over a plate of its own, so that both of a pair stand side by side. */
function lowerReduce(outer: QuantityScope, q: Extract<Quantity, { kind: "reduce" }>): TensorValue {
  const { writer } = outer;
  const isInner = outer.reduced?.has(q.plate) === true && (outer.drawnWithin?.has(q.plate) === true || readsOtherSamples(q));
  const { size, text } = writer.plate(q.plate);
  const plate = isInner ? writer.addPlate(q.index, size, text).id : q.plate;
  const scope: QuantityScope = isInner
    ? { ...outer, samplePlates: new Map([...(outer.samplePlates ?? []), [q.index, { of: q.plate, plate }]]) }
    : { ...outer, reduced: new Set([...(outer.reduced ?? []), q.plate]) };
  const body = writer.bind(q.op === "logmeanexp" || q.op === "logsumexp" ? "logW" : "terms", lowerQuantity(scope, q.body)) as TensorValue;
  const bound = q.op === "logmeanexp" && !isInner ? scope.bounds?.get(plate) : undefined;
  const fn = { sum: "sum", mean: "mean", max: "reduceMax", min: "reduceMin", logsumexp: "logSumExp", logmeanexp: "logMeanExp" }[q.op];
  const value = reducePlate(scope, body, plate, fn, bound);
  if (isInner) writer.dropPlate(plate);
  return value;
}

// ---- sums of terms ------------------------------------------------------------------------------

function lowerSum(scope: QuantityScope, terms: readonly Term[]): TensorValue {
  if (terms.length === 0) return { kind: "tensor", js: num(0), shape: [], lead: NO_LEAD };
  const rates = sampledRates(scope.context, scope.drawn, terms);
  const values = terms.flatMap((t) => {
    if (rates.some(({ own }) => own === t)) return [];
    const rate = rates.find(({ prior }) => prior === t);
    return [rate ? { term: rate.own, value: lowerRate(scope, rate) } : { term: t, value: lowerTerm(scope, t, terms.length === 1) }];
  });
  let total: TensorValue = { kind: "tensor", js: num(0), shape: [], lead: NO_LEAD };
  values.forEach(({ term, value }, i) => {
    const js =
      i === 0 ? scaled(value.js, term.scale) : call(term.scale < 0 ? "sub" : "add", total.js, scaled(value.js, Math.abs(term.scale)));
    total = { ...total, js, shape: i === 0 ? value.shape : total.shape, lead: joinLeads([total.lead, value.lead]) };
    // A long sum is written in several statements.
    if (i % TERMS === TERMS - 1 && i < values.length - 1) total = scope.writer.bind("total", total) as TensorValue;
  });
  return total;
}

/** Terms of one statement. */
const TERMS = 16;

/** log q - log p of a layer, with a name: a sample of its KL. */
function lowerRate(scope: QuantityScope, { prior, own, priorText, at }: SampledRate): TensorValue {
  const logP = lowerPart(scope, prior.quantity);
  const logQ = lowerFactor(scope, own.quantity);
  const lead = joinLeads([logP.lead, logQ.lead]);
  const difference = call("sub", logQ.js, logP.js);
  const label = `KL(${conditionalText(scope.context, own.quantity)}, ${priorText}), sampled`;
  const js = termOf(scope, label, at.span, { js: difference, lead });
  const rate = scope.writer.bind(`kl${capital(own.quantity.variable)}`, { kind: "tensor", js, shape: [], lead }) as TensorValue;
  const factors = own.factors.map((f) => tensorValue(lowerExpr(scope, f)));
  return {
    ...rate,
    js: factors.reduceRight<Js>((inner, f) => call("mul", f.js, inner), rate.js),
    lead: joinLeads([lead, ...factors.map((f) => f.lead)]),
  };
}

/** A term's quantity times its non-constant factors. An expression beside other terms is a term of its own, with a metric. */
function lowerTerm(scope: QuantityScope, term: Term, alone: boolean): TensorValue {
  const { quantity } = term;
  const value = alone ? lowerQuantity(scope, quantity) : lowerPart(scope, quantity);
  const factors = term.factors.map((f) => tensorValue(lowerExpr(scope, f)));
  return {
    ...value,
    js: factors.reduceRight<Js>((js, f) => call("mul", f.js, js), value.js),
    lead: joinLeads([value.lead, ...factors.map((f) => f.lead)]),
  };
}

/**
 * One of several terms. An expectation of an expression, such as a critic's mean over the data, is measured by what it is after templates and names have
 * been put in: the two sides of a game. Log-densities in it have names of their own.
 */
function lowerPart(scope: QuantityScope, quantity: Quantity): TensorValue {
  if (quantity.kind === "value") return namedValue(scope, quantity.expr, true);
  const marginal = quantity.kind === "gaussianMarginal" ? undefined : marginalOf(scope.context, quantity);
  if (marginal) return lowerMarginal(scope, quantity, marginal);
  if (isOneValue(quantity)) {
    const value = lowerQuantity(scope, quantity);
    // within a family of samples it is a part of each
    if (value.lead.plates.size > 0) return value;
    const { span } = "span" in quantity ? quantity : quantity.kind === "apply" ? quantity.expr : scope.context.model;
    return { ...value, js: termOf(scope, shortened(quantityText(scope.context, quantity)), span, value) };
  }
  if (quantity.kind !== "expect" || !isOfValues(quantity)) return lowerQuantity(scope, quantity);
  const value = lowerQuantity({ ...scope, unnamed: true }, quantity);
  // within a family of samples it is no quantity of its own
  const within = value.lead.plates.size > 0 ? { ...scope, enumerating: true } : scope;
  return { ...value, js: termOf(within, quantityText(scope.context, quantity), quantity.span, value) };
}

/** What is no sum of the log-densities in it: a maximum, the log of a sum or of a mean, a function of some. */
function isOneValue(q: Quantity): boolean {
  switch (q.kind) {
    case "apply":
    case "eliminate":
      return true;
    case "enumerate":
      return q.op !== "expect";
    case "expect":
      return q.plate !== undefined && q.body.kind === "reduce" && q.body.op !== "sum" && q.body.op !== "mean";
    default:
      return false;
  }
}

/** The log of a sum over states, with a name as a log-density. */
function lowerMarginal(scope: QuantityScope, quantity: Quantity, { density, variables, text, at }: Marginal): TensorValue {
  const value = lowerQuantity(scope, quantity);
  const named: TensorValue = { ...value, js: termOf(scope, `log ${text}`, at.span, value) };
  return scope.enumerating ? named : (scope.writer.bind(`log${capital(density)}${variables.join("")}`, named) as TensorValue);
}

/** Draws and expressions alone. */
function isOfValues(quantity: Quantity): boolean {
  return quantity.kind === "value" || (quantity.kind === "expect" && quantity.plate === undefined && isOfValues(quantity.body));
}

function scaled(js: Js, scale: number): Js {
  return scale === 1 ? js : scale === -1 ? call("neg", js) : call("mul", num(scale), js);
}

// ---- factors ------------------------------------------------------------------------------------

// ---- draws --------------------------------------------------------------------------------------

function lowerExpect(outer: QuantityScope, q: Extract<Quantity, { kind: "expect" }>): TensorValue {
  const scope = q.surrogate ? { ...outer, memory: q.surrogate.memory } : outer;
  if (q.plate) scope.writer.addPlate(q.plate.id, scope.plateSize(q.plate), q.plate.count.text);
  const steps: Steps = { variables: new Map(), locals: new Map(), drawn: new Map() };
  q.steps.forEach((step, position) => bindStep(scope, steps, step, position, q.plate?.id));
  const around = new Set([...(scope.around ?? []), ...q.steps.flatMap((step) => sitesOf(scope, step))]);
  const drawn = new Set([...(scope.drawn ?? []), ...(q.plate ? [] : q.steps.flatMap(drawnFactor))]);
  const inner = { ...after(scope, steps, q.steps.length), around, drawn, ...(scope.reduced && { drawnWithin: scope.reduced }) };
  const body = q.surrogate ? lowerSurrogate(inner, scope, q, q.surrogate, steps) : lowerQuantity(inner, q.body);
  if (!q.plate) return body;
  // What is left of the family outside any reduction is averaged: that is the expectation.
  const value = body.lead.plates.has(q.plate.id)
    ? reducePlate(scope, scope.writer.bind("terms", body) as TensorValue, q.plate.id, "mean")
    : body;
  scope.writer.dropPlate(q.plate.id);
  return value;
}

/** What the rows' chains start at, as a record: the draws around a log Z, without what is made of them. */
export function lowerBegin(scope: QuantityScope, q: Quantity): Js {
  if (q.kind === "logPartition") return lowerStart(scope, q);
  if (q.kind !== "expect") throw new InternalError(`no chain starts in a ${q.kind}`);
  const steps: Steps = { variables: new Map(), locals: new Map(), drawn: new Map() };
  q.steps.forEach((step, position) => bindStep(scope, steps, step, position, undefined));
  return lowerBegin(after(scope, steps, q.steps.length), q.body);
}

function lowerEnumerate(scope: QuantityScope, q: Extract<Quantity, { kind: "enumerate" }>): TensorValue {
  const variable = variableOf(scope.context, q.variable);
  const plate = scope.writer.addPlate(`${q.variable}#${scope.writer.statements.length}`, num(q.states.size), q.states.text, {
    states: true,
  });
  const lead: Lead = { plates: new Set([plate.id]), batch: false };
  const states = scope.writer.bind(
    q.variable,
    {
      kind: "tensor",
      js: call(
        q.states.oneHot ? "allOneHot" : "allStates",
        variableSpec({ ...variable.domain, optional: false }),
        ...(plate.position > 1 ? [num(plate.position)] : []),
      ),
      shape: variable.domain.shape,
      lead,
    },
    `every value of ${q.variable}`,
  );
  // Bound under another name, the variable itself keeps what it means outside.
  const inner: QuantityScope = {
    ...scope,
    variable: q.local ? scope.variable : bound(scope.variable, q.variable, states),
    local: q.local ? bound(scope.local, q.local.id, states) : scope.local,
    ...(q.op === "logsumexp" && { outside: scope.outside ?? scope }),
  };
  let value: TensorValue;
  if (q.op === "expect") {
    if (!q.weight) throw new InternalError("an enumerated expectation without its weight");
    const lowered = lowerQuantity({ ...inner, enumerating: true }, q.weight);
    const logQ = q.weight.kind === "factor" ? lowered : (scope.writer.bind("logPosterior", lowered) as TensorValue);
    const probability: TensorValue = { ...logQ, js: call("exp", logQ.js) };
    const given = q.fills
      ? weighKnown(scope, q.variable, tensorValue(states), probability)
      : (scope.writer.bind(`weight${capital(q.variable)}`, probability) as TensorValue);
    const around = [...(scope.states ?? []), { plate: plate.id, weight: given }];
    const body = lowerQuantity({ ...inner, states: around }, q.body);
    const weighted: TensorValue = {
      kind: "tensor",
      js: call("mul", given.js, body.js),
      shape: [],
      lead: joinLeads([given.lead, body.lead]),
    };
    value = reducePlate(scope, weighted, plate.id, "sum");
  } else {
    const lowered = lowerQuantity({ ...inner, enumerating: true }, q.body);
    const body = scope.writer.bind(
      "logJoint",
      q.fills ? onlyKnown(scope, q.variable, tensorValue(states), lowered) : lowered,
    ) as TensorValue;
    value = reducePlate(scope, body, plate.id, { logsumexp: "logSumExp", max: "reduceMax", min: "reduceMin" }[q.op]);
  }
  scope.writer.dropPlate(plate.id);
  return value;
}

// ---- names --------------------------------------------------------------------------------------

/** A part of an objective with no density in it, called as it is written; `term` where it is a metric. Constants and bare names say all themselves. */
function namedValue(scope: QuantityScope, expr: Expr, term = false): TensorValue {
  const value = tensorValue(lowerExpr(scope, expr));
  // what a template of the standard library says is not to be found in the model: a term of it is told with the caller's names
  const ofLibrary = expr.span.file.path.startsWith("std/");
  if (scope.unnamed || !["builtin", "netCall", "layer"].includes(expr.kind) || (ofLibrary && !term)) return value;
  const label = shortened(ofLibrary ? quantityText(scope.context, { kind: "value", expr }) : textOf(expr.span).replace(/\s+/gu, " "));
  return { ...value, js: termOf(term ? scope : { ...scope, enumerating: true }, label, expr.span, value) };
}
