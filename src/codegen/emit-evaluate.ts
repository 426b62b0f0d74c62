/** The metrics of `evaluate` in the definition. */
import { InternalError } from "../base/internal-error.js";
import { labelOf } from "../base/source.js";
import type { DerivedEvaluation, DerivedModel } from "../ir/derived-model.js";
import { densityOf } from "../ir/derive/context.js";
import { givenTheirSum } from "../ir/derive/own-reads.js";
import { type Preparation } from "../ir/derive/preparation.js";
import { withoutScale } from "../ir/derive/units.js";
import { estimators } from "../ir/estimators.js";
import type { DerivedObjective, Matching } from "../ir/quantity.js";
import { walkQuantity } from "../ir/quantity-walk.js";
import { evaluators } from "../ir/settings-table.js";
import { array, arrow, call, optionalNumber, type Js, name, num, object, str } from "./js.js";
import { emitEnergyEvaluator, partitionMetricName } from "./emit-energy.js";
import { place } from "./place.js";
import { emitCodeUse } from "./emit-code-use.js";
import { capital } from "./names.js";
import { callObjective, type Objectives } from "./emit-objectives.js";

export function emitMetric(derived: DerivedModel, e: DerivedEvaluation, objectives: Objectives): Js {
  const { evaluation } = e;
  const base = { label: str(labelOfMetric(e)), place: str(place(evaluation.span)) };
  if (e.objective) {
    const { derived: quantity, value, sign, combine, combineScale, bound, impossible, unit, densities, preparation } = e.objective;
    const stated = evaluation.value.kind === "objective" ? evaluation.value.objective : undefined;
    const doc = evaluation.value.kind === "objective" ? evaluation.value.doc : undefined;
    const o = objectives.get(quantity, value, stated, [
      `${evaluation.text.replace(/^-\s*/u, "")} per example  ${place(evaluation.span)}`,
      ...(doc === undefined ? [] : doc.split("\n")),
    ]);
    const own = evaluation.value.kind === "evaluator" ? evaluation.value : undefined;
    const { partitions } = quantity;
    const optimum = objectives.optimumOf(o, quantity);
    const likelihood = callObjective(derived, o, name("k"), sign, o.samples ? "k" : undefined, optimum, false, partitions);
    return object({
      kind: str("rows"),
      ...base,
      unit: str(own ? "per ordered word" : unit),
      value: own ? perWord(likelihood, dataOf(derived, own.densities[0], own.evaluator)) : likelihood,
      words: own ? str(dataOf(derived, own.densities[0], own.evaluator)[0] ?? "") : undefined,
      transform: own ? str("exp") : undefined,
      rows: optionalNumber(own?.options["rows"]),
      complete:
        quantity.complete.length === 0
          ? undefined
          : array(quantity.complete.map((each) => (typeof each === "string" ? str(each) : array(each.map(str))))),
      samples: o.samples ? num(o.samples.size) : undefined,
      combine: combine === undefined || !o.samples ? undefined : str(combine),
      combineScale: combineScale === 1 || !o.samples ? undefined : num(combineScale),
      bound: bound === undefined ? undefined : str(bound),
      orders: optionalNumber(quantity.orders === 1 ? undefined : quantity.orders),
      logDensityOf: densities.size === 0 ? undefined : object(Object.fromEntries([...densities].map(([v, times]) => [v, num(times)]))),
      preparation: preparation.size === 0 ? undefined : object(Object.fromEntries([...preparation].map(([v, p]) => [v, preparationJs(p)]))),
      impossible: impossible === undefined ? undefined : str(impossible),
      partitions: partitions.length === 0 ? undefined : array(partitions.map((p) => str(partitionMetricName(derived, p)))),
    });
  }
  return emitEvaluator(derived, e, base, objectives);
}

/** What is measured, as written; where the likelihood has another quantity in its place, that one's name: "score matching loss of p(x)". */
function labelOfMetric({ evaluation, objective }: DerivedEvaluation): string {
  const found: Matching[] = [];
  if (objective) walkQuantity(objective.derived.quantity, (q) => q.kind === "matching" && found.push(q));
  const [first] = found;
  if (!objective || !first) return evaluation.text;
  const { scale, quantity } = withoutScale(objective.derived.quantity);
  if (quantity === first && scale * objective.sign === -1) return lossText(first);
  return `${evaluation.text}, where ${[...new Set(found.map((q) => `-log ${densityText(q)} is the ${lossText(q)}`))].join(" and ")}`;
}

const lossText = (q: Matching): string => `${estimators.get(q.method)?.objective?.title ?? q.method} of ${densityText(q)}`;

function densityText({ density, variables, at }: Matching): string {
  const given = [...at.keys()].filter((v) => !variables.includes(v));
  return `${density}(${variables.join(", ")}${given.length > 0 ? ` | ${given.join(", ")}` : ""})`;
}

/** `{ dequantisation: { noise: "uniform", levels: 256 }, through: ["logit"] }` */
function preparationJs({ dequantisation, through }: Preparation): Js {
  return object({
    dequantisation:
      dequantisation &&
      object({ noise: str(dequantisation.noise), levels: num(dequantisation.levels), alpha: optionalNumber(dequantisation.alpha) }),
    through: through.length === 0 ? undefined : array(through.map(str)),
  });
}

/** The log-probability of a document's counts, as minus that of one of its words in the order in which they stand. */
function perWord(likelihood: Js, counts: readonly string[]): Js {
  if (likelihood.kind !== "arrow") throw new InternalError("a likelihood is an expression");
  const words = counts.map((v): Js => ({ kind: "member", target: name("data"), name: v }));
  return { ...likelihood, body: call("minusLogWord", likelihood.body, ...words) };
}

/** `({ w, data }) => codes(w, data.x)` */
function callCodes(derived: DerivedModel, { evaluation }: DerivedEvaluation, codes: DerivedObjective, objectives: Objectives): Js {
  const given = evaluation.value.kind === "evaluator" ? evaluation.value.codes : undefined;
  if (!given) throw new InternalError("codes without an expression");
  const doc = [`${labelOf(given.expr.span)}  ${place(given.expr.span)}`];
  return callObjective(derived, objectives.get(codes, given.expr, evaluation.name, doc), undefined, 1, undefined);
}

/** `active_units(q)`, `reconstruction(p, q)`. */
function emitEvaluator(derived: DerivedModel, e: DerivedEvaluation, base: Readonly<Record<string, Js>>, objectives: Objectives): Js {
  const value = e.evaluation.value;
  if (value.kind !== "evaluator") return object({});
  if (e.energy !== undefined) return emitEnergyEvaluator(derived, value.evaluator, e.energy, value.options, base);
  const [first, second] = value.densities;
  const sampler = (density: string | undefined): Js => name(`sample${capital(density ?? "q")}`);
  switch (value.evaluator) {
    case "mmd_test":
    case "ring_modes":
    case "grid_modes":
    case "cloud_test":
    case "classifier_test":
      return object({ kind: str("samples"), ...base, ...emitSamples(derived, value) });
    case "code_use":
      return object({
        kind: str("codeUse"),
        ...base,
        ...emitCodeUse(derived, value, e.codes && callCodes(derived, e, e.codes, objectives)),
      });
    case "active_units":
      return object({
        kind: str("activeUnits"),
        ...base,
        threshold: num(value.options["threshold"] ?? 0.01),
        mean: posteriorMeans(derived, first ?? "q"),
      });
    default: {
      const sums = first === undefined ? [] : givenTheirSum(derived.context, densityOf(derived.context, first));
      const names = [dataOf(derived, first), ...(sums.length > 0 ? [sums] : [])].map((list) => array(list.map(str)));
      return object({
        kind: str("rows"),
        ...base,
        unit: str("squared error"),
        value: arrow("(context)", call("rowReconstructionError", name("context"), sampler(first), sampler(second), ...names)),
      });
    }
  }
}

type Evaluator = Extract<DerivedEvaluation["evaluation"]["value"], { readonly kind: "evaluator" }>;

/** `mmd_test(p)`, `ring_modes(p)`: a sample for each row, given the row's conditions and nothing else of it. */
function emitSamples(
  derived: DerivedModel,
  { evaluator, densities, options, variables, choices }: Evaluator,
): Readonly<Record<string, Js | undefined>> {
  const [density] = densities;
  const { given } = densityOf(derived.context, density ?? "").density;
  const [variable = ""] = dataOf(derived, density, evaluator);
  const data = name("data");
  const conditions = object(Object.fromEntries(given.map((v) => [v, { kind: "member", target: data, name: v } as const])));
  const draw = call(`sample${capital(density ?? "")}`, name("w"), name("key"), name("rows"), conditions);
  const option = (key: string, fallback: number): Js => num(options[key] ?? fallback);
  const values: Js = { kind: "member", target: draw, name: "values" };
  const methods: Readonly<Record<string, { readonly rows: number; readonly method: () => Readonly<Record<string, Js>> }>> = {
    mmd_test: { rows: 500, method: () => ({ kind: str("mmd"), permutations: option("permutations", 200) }) },
    ring_modes: {
      rows: 2500,
      method: () => ({
        kind: str("modes"),
        centres: call("ringCentres", option("modes", 8), option("radius", 2 * Math.SQRT2)),
        scale: option("scale", 0.35),
      }),
    },
    grid_modes: {
      rows: 2500,
      method: () => ({
        kind: str("modes"),
        centres: call("gridCentres", option("side", 5), option("spacing", 2)),
        scale: option("scale", 0.05),
      }),
    },
    cloud_test: { rows: 100, method: () => ({ kind: str("clouds"), distance: str(choices["distance"] ?? "chamfer") }) },
    classifier_test: {
      rows: 2000,
      method: () => ({ kind: str("classifier"), labels: str(variables["y"] ?? ""), steps: option("steps", 1000), k: option("k", 3) }),
    },
  };
  const found = methods[evaluator];
  if (!found) throw new InternalError(`no method of ${evaluator}`);
  return {
    variable: str(variable),
    given: given.length > 0 ? array(given.map(str)) : undefined,
    sample: arrow(`({ w, ${given.length > 0 ? "data, " : ""}key, rows })`, call("required", values, str(variable))),
    rows: option("rows", found.rows),
    method: object(found.method()),
  };
}

function dataOf(derived: DerivedModel, density: string | undefined, evaluator = "reconstruction"): readonly string[] {
  if (density === undefined) return [];
  const measured = evaluators.get(evaluator)?.measures;
  return densityOf(derived.context, density).density.head.filter((v) => {
    const variable = derived.model.variables.get(v);
    return variable !== undefined && measured?.(variable, undefined);
  });
}

/** Means of a density of latents given data. */
function posteriorMeans(derived: DerivedModel, density: string): Js {
  const { given } = densityOf(derived.context, density).density;
  const isData = given.every((v) => derived.model.variables.get(v)?.role === "data");
  const first = given[0];
  const rows = first === undefined ? name("rows") : call("rowsOf", { kind: "member", target: name("data"), name: first });
  const parts = ["w", ...(isData ? ["data"] : []), "key", ...(first === undefined ? ["rows"] : [])];
  return arrow(`({ ${parts.join(", ")} })`, {
    kind: "member",
    target: call(`sample${capital(density)}`, name("w"), name("key"), rows, name("data")),
    name: "means",
  });
}
