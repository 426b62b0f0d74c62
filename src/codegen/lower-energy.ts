/**
 * Energies -> the energy as a function, its model (units, sweep) as a constant, and the quantities that derivation makes of them as
 * calls of the runtime's energy library.
 */
import { InternalError } from "../base/internal-error.js";
import type { DeriveContext } from "../ir/derive/context.js";
import { densityOf } from "../ir/derive/context.js";
import { energyOf } from "../ir/derive/energy.js";
import { countsDrawn } from "../ir/derive/energy-draws.js";
import { numberOption, type Options } from "../ir/estimators.js";
import { type EnergyAnalysis, readFirst, type UnitLaw } from "../ir/energy/index.js";
import type { DrawStep, ExactSum, Quantity } from "../ir/quantity.js";
import type { Density, Domain, Expr } from "../ir/types.js";
import { array, arrow, bool, call, type Js, type JsConst, type JsFunction, type JsParam, name, num, numbers, object, str } from "./js.js";
import { chainsName, energyFunction, energyModelName, partitionName } from "./names.js";
import { literal, lowerExpr, type Scope, weightsAt } from "./lower-expr.js";
import { variableOf } from "./lower-dist.js";
import { densityScope, type QuantityScope, termOf, siteOf } from "./quantity-scope.js";
import { explainEnergy } from "./explain-energy.js";
import { boundText } from "./mathtext.js";
import { oneHot, seenShape, withOneHot } from "./one-hot-labels.js";
import { place } from "./place.js";
import {
  BATCH,
  FunctionWriter,
  joinLeads,
  type Names,
  type Lead,
  leadOf,
  NO_LEAD,
  tensorValue,
  type TensorValue,
  type Value,
} from "./values.js";

// ---- the energy and its model -------------------------------------------------------------------------

/** `energyP(w, v, h)` and `energyModelP`; none for a density without energies. */
export function lowerEnergy(
  context: DeriveContext,
  density: Density,
  file: Names,
): { readonly fn: JsFunction; readonly model: JsConst } | undefined {
  const { energy } = densityOf(context, density.name);
  if (!energy) return undefined;
  const analysis = energyOf(context, density.name);
  const read = [...energy.variables, ...analysis.reads];
  const writer = new FunctionWriter(file, ["w"], undefined);
  const values = new Map<string, Value>();
  const params = read.map((variable): JsParam => {
    const id = writer.fresh(variable);
    values.set(variable, { kind: "tensor", js: name(id), shape: seenShape(context, energy, variable), lead: BATCH });
    return { name: id, type: "Tensor" };
  });
  const scope: Scope = {
    context: withOneHot(context, energy),
    writer,
    variable: (v) => values.get(v),
    local: () => undefined,
    weights: weightsAt(""),
    key: undefined,
  };
  const terms = analysis.energies.map((e) => tensorValue(lowerExpr(scope, oneHot(context, energy, e))));
  const total = terms.map((t) => t.js).reduce((sum, t) => call("add", sum, t));
  const modelName = energyModelName(density.name);
  const fn: JsFunction = {
    name: energyFunction(density.name),
    doc: [
      `Energy of ${density.name}(${read.join(", ")})  ${place(energy.energies[0]?.span ?? density.span)}`,
      `${read.map((v) => `${v} [${["...", ...seenShape(context, energy, v).map((d) => String(d.size))].join(", ")}]`).join(", ")} -> [...]`,
    ],
    params: [{ name: "w", type: "Weights" }, ...params],
    returns: "Tensor",
    body: writer
      .finish(total, "[...]")
      .map((s) =>
        s.comment === undefined ? s : { ...s, comment: s.comment.replace(/^\[B(, )?/u, (_, c: string | undefined) => `[...${c ?? ""}`) },
      ),
  };
  const destructured = `{ ${read.map((v, i) => fieldOf(v, params[i]?.name ?? v)).join(", ")} }`;
  const model: JsConst = {
    name: modelName,
    doc: [
      `${density.name}(${read.join(", ")}) as its energy defines it, exp(-E) / Z  ${place(energy.energies[0]?.span ?? density.span)}`,
      ...explainEnergy(context, analysis).conditionals.map((c) => c.text),
    ],
    fn: "energyModel",
    typeArguments: `Weights, ${read.map((v) => JSON.stringify(v)).join(" | ")}`,
    type: "EnergyModel<Weights>",
    value: object({
      name: str(density.name),
      place: str(place(energy.energies[0]?.span ?? density.span)),
      units: object(
        energy.variables.map((v) => ({ name: v, value: unitsJs(context, v, lawOf(analysis.laws, v), analysis.dependence.get(v)?.degree) })),
      ),
      reads:
        analysis.reads.length === 0
          ? undefined
          : object(analysis.reads.map((v) => ({ name: v, value: numbers(variableOf(context, v).domain.shape.map((d) => d.size)) }))),
      watch: analysis.definite === "checked" ? array(realOf(analysis).map(str)) : undefined,
      sweep: array(sweepOf(analysis).map((block) => array(block.map(str)))),
      energy: arrow(`(w, ${destructured})`, call(fn.name, name("w"), ...params.map((p) => name(p.name)))),
    }),
  };
  return { fn, model };
}

function realOf(analysis: EnergyAnalysis): readonly string[] {
  return analysis.variables.filter((v) => analysis.variable.get(v)?.domain.name === "real");
}

/** Blocks of a Gibbs sweep; real variables without a conditional in closed form are in none. */
function sweepOf(analysis: EnergyAnalysis): readonly (readonly string[])[] {
  const drawn = (v: string): boolean => analysis.variable.get(v)?.domain.name !== "real" || analysis.laws.get(v)?.kind !== "nonlinear";
  return analysis.sweep.map((block) => block.filter(drawn)).filter((block) => block.length > 0);
}

const fieldOf = (variable: string, id: string): string => (variable === id ? id : `${JSON.stringify(variable)}: ${id}`);

function lawOf(laws: ReadonlyMap<string, UnitLaw>, variable: string): UnitLaw {
  const law = laws.get(variable);
  if (!law) throw new InternalError(`no law for ${variable}`);
  return law;
}

function unitsJs(context: DeriveContext, variable: string, law: UnitLaw, degree: number | undefined): Js {
  const { domain } = variableOf(context, variable);
  const shape = numbers(domain.shape.map((d) => d.size));
  switch (law.kind) {
    case "bernoulli":
    case "normal":
    case "jointNormal":
    case "multinomial":
      return object({ kind: str(law.kind), shape });
    case "oneOfBlock":
      return object({ kind: str("oneOfBlock"), shape, block: numbers(law.block) });
    case "categorical":
      return object({ kind: str("categorical"), shape, classes: num(domain.classes?.size ?? 0) });
    case "coupled":
    case "nonlinear":
      return coupledUnits(domain, shape, law, degree);
  }
}

/** Units without a conditional in closed form: drawn one after another, or moved by their gradient. */
function coupledUnits(domain: Domain, shape: Js, law: UnitLaw, degree: number | undefined): Js {
  if (domain.name === "category") return object({ kind: str("category"), shape, classes: num(domain.classes?.size ?? 0) });
  if (domain.name === "binary")
    return object({
      kind: str("binary"),
      shape,
      // blocks are visited state by state
      quadratic: law.kind === "coupled" && degree === 2 && !domain.atMostOne ? bool(true) : undefined,
      block: domain.atMostOne && numbers(domain.atMostOne),
    });
  return object({ kind: str("real"), shape });
}

// ---- quantities -----------------------------------------------------------------------------------------

type Unnormalised = Extract<Quantity, { kind: "unnormalised" }>;
type LogPartition = Extract<Quantity, { kind: "logPartition" }>;

/** Values of an energy's variables and of what it reads, as a record for the runtime. */
export function valuesOf(
  scope: QuantityScope,
  density: string,
  at: ReadonlyMap<string, Expr>,
  variables: readonly string[],
): { readonly js: Js; readonly lead: Lead } {
  const inner = densityScope(scope, at);
  const found = variables.map((variable): readonly [string, TensorValue] => {
    const value = inner.variable(variable);
    if (!value) throw new InternalError(`\`${variable}\` of ${density} is not in scope`);
    const tensor = tensorValue(value);
    const label = variableOf(scope.context, variable).domain.name === "category";
    // the runtime asks each value for its shape
    const js = tensor.js.kind === "number" ? call("constant", tensor.js, ...(label ? [array([]), str("i32")] : [])) : tensor.js;
    return [variable, { ...tensor, js }];
  });
  return {
    js: object(found.map(([variable, value]) => ({ name: variable, value: value.js }))),
    lead: joinLeads(found.map(([, value]) => leadOf(value))),
  };
}

const withReads = (scope: QuantityScope, density: string, variables: readonly string[]): readonly string[] => [
  ...variables,
  ...energyOf(scope.context, density).reads,
];

/** log Σ exp(-E) over what is hidden. */
export function lowerUnnormalised(scope: QuantityScope, q: Unnormalised): TensorValue {
  const model = name(energyModelName(q.density));
  const given = valuesOf(scope, q.density, q.at, withReads(scope, q.density, q.given));
  const totals = totalsOfSummed(scope, q);
  const lead = joinLeads([given.lead, totals.lead]);
  const finish = (js: Js, wanted: string, label: string): TensorValue =>
    scope.writer.bind(wanted, {
      kind: "tensor",
      js: termOf(scope, label, q.span, { js, lead }),
      shape: [],
      lead,
    }) as TensorValue;
  const slot = (variable: string): string => {
    const value = q.at.get(variable);
    return value === undefined ? variable : boundText(scope.context, variable, value);
  };
  const head = q.given.map(slot).join(", ");
  switch (q.method.kind) {
    case "exact": {
      const { sum, enumerate } = q.method;
      const options = summation(q.method, totals.js);
      const js = call("neg", call("freeEnergy", model, name("w"), given.js, ...(options ? [options] : [])));
      const label = sum.length + enumerate.length > 0 ? `-F(${head})` : `-E(${head})`;
      return finish(js, sum.length + enumerate.length > 0 ? "minusF" : "minusE", label);
    }
    case "meanField": {
      const { hidden, steps, damping } = q.method;
      const options = object({
        names: array(hidden.map(str)),
        steps: num(steps),
        damping: damping === 0 ? undefined : num(damping),
        totals: totals.js,
      });
      const means = scope.writer.bind("mu", {
        kind: "record",
        js: call("meanField", model, name("w"), given.js, options),
        fields: new Map(),
      });
      return finish(
        call("meanFieldBound", model, name("w"), given.js, means.js, ...(totals.js ? [object({ totals: totals.js })] : [])),
        "bound",
        `mean-field bound(${head})`,
      );
    }
    case "gibbs": {
      const { steps } = q.method;
      const sample = scope.writer.bind("posterior", {
        kind: "record",
        js: call(
          "gibbs",
          model,
          name("w"),
          call("key.at", str("posterior")),
          given.js,
          object({
            sweeps: num(steps),
            clamp: array(q.given.map(str)),
            fresh: freshJs(scope, q.density, q.given),
            // what is given may be one state for all rows, of which each has a total
            lead: totals.js && { kind: "array", items: leadItems(scope, lead) },
            totals: totals.js,
          }),
        ),
        fields: new Map(),
      });
      return finish(call("neg", call("freeEnergy", model, name("w"), sample.js)), "minusE", `-E(${head})`);
    }
  }
}

/** Totals of counts that are summed out; `js` is undefined where none are. */
function totalsOfSummed(scope: QuantityScope, q: Unnormalised): { readonly js: Js | undefined; readonly lead: Lead } {
  if (!q.totals) return { js: undefined, lead: NO_LEAD };
  const counts = [...q.totals.keys()];
  const values = valuesOf(scope, q.density, q.totals, counts);
  const js = object(counts.map((v, i) => ({ name: v, value: totalOf(scope.context, v, fieldJs(values.js, i)) })));
  return { js, lead: values.lead };
}

/** Variables that a chain begins at values made up; undefined where what is given is enough. */
function freshJs(scope: QuantityScope, density: string, given: readonly string[]): Js | undefined {
  const fresh = readFirst(energyOf(scope.context, density), given);
  return fresh.length === 0 ? undefined : array(fresh.map(str));
}

export function summation({ sum, joint = [], paired = {}, enumerate }: ExactSum, totals?: Js): Js | undefined {
  if (sum.length + enumerate.length === 0) return undefined;
  return object({
    sum: sum.length === 0 ? undefined : array(sum.map(str)),
    joint: joint.length === 0 ? undefined : array(joint.map(str)),
    paired:
      Object.keys(paired).length === 0
        ? undefined
        : object(Object.entries(paired).map(([spike, slabs]) => ({ name: spike, value: array(slabs.map(str)) }))),
    enumerate: enumerate.length === 0 ? undefined : array(enumerate.map(str)),
    totals,
  });
}

/** N of counts: the sum over their event. */
export function totalOf(context: DeriveContext, variable: string, value: Js): Js {
  return call("sum", value, numbers(variableOf(context, variable).domain.shape.map((_, i, shape) => i - shape.length)));
}

function fieldJs(record: Js, index: number): Js {
  const field = record.kind === "object" ? record.fields[index] : undefined;
  if (!field) throw new InternalError("no such field");
  return field.value;
}

/** Replicas of each chain that is tempered. */
export function replicasOf({ options }: { readonly options: Options }): number | undefined {
  return "temperatures" in options ? numberOption(options, "temperatures") : undefined;
}

/** Values that the chain of each row starts at, and the conditions that it keeps, as what the update carries. */
export function lowerStart(scope: QuantityScope, q: LogPartition): Js {
  if (q.method.kind !== "chain") throw new InternalError(`no chain of ${q.density}`);
  const inner = densityScope(scope, q.at);
  return object(
    withReads(scope, q.density, q.method.start).map((variable) => {
      const value = inner.variable(variable);
      if (!value) throw new InternalError(`\`${variable}\` of ${q.density} is not in scope`);
      return { name: `${q.density}.${variable}`, value: tensorValue(value).js };
    }),
  );
}

/** What a chain stands in for log Z with, as metrics name it: no estimate of log Z itself. */
function ofChain(sum: readonly string[]): string {
  return sum.length > 0 ? "-F(chain)" : "-E(chain)";
}

/** log Z, or a tensor whose gradient is that of log Z. */
export function lowerLogPartition(scope: QuantityScope, q: LogPartition): TensorValue {
  const model = name(energyModelName(q.density));
  const { method } = q;
  switch (method.kind) {
    case "exact": {
      const { reads, laws } = energyOf(scope.context, q.density);
      const counts = method.sum.filter((v) => laws.get(v)?.kind === "multinomial");
      // Z of counts is that of their total
      const known = valuesOf(scope, q.density, q.at, counts);
      const totals = object(counts.map((v, i) => ({ name: v, value: totalOf(scope.context, v, fieldJs(known.js, i)) })));
      const read = valuesOf(scope, q.density, q.at, reads);
      const given = { js: read.js, lead: joinLeads([read.lead, known.lead]) };
      const options = summation(method, counts.length === 0 ? undefined : totals) ?? object({});
      const js = call("logPartition", model, name("w"), given.js, options);
      return scope.writer.bind("logZ", {
        kind: "tensor",
        js: termOf(scope, "log Z", q.span, { js, lead: given.lead }),
        shape: [],
        lead: given.lead,
      }) as TensorValue;
    }
    case "estimated":
      return { kind: "tensor", js: name(partitionName(q.density)), shape: [], lead: NO_LEAD };
    case "chain": {
      if (method.place !== "inline") {
        const { reads } = energyOf(scope.context, q.density);
        const given = reads.length === 0 ? undefined : valuesOf(scope, q.density, q.at, reads).js;
        const sums = method.sum.length === 0 ? undefined : array(method.sum.map(str));
        const settings = sums || given ? [object({ sum: sums, given })] : [];
        const chains = name(chainsName(q.density));
        const held = replicasOf(method) === undefined ? chains : call("modelReplica", chains);
        const surrogate = call("logPartitionSurrogate", model, name("w"), held, ...settings);
        const js = method.place === "persistent" ? call("mean", surrogate) : surrogate;
        const lead = method.place === "persistent" ? NO_LEAD : BATCH;
        const value: TensorValue = { kind: "tensor", js: termOf(scope, ofChain(method.sum), q.span, { js, lead }), shape: [], lead };
        return scope.writer.bind("logZ", value, "its gradient at samples of the model") as TensorValue;
      }
      const { chains: _, sampler: __, ...own } = method.options;
      const from = valuesOf(scope, q.density, q.at, withReads(scope, q.density, method.start));
      const lead: Lead = { ...from.lead, batch: true };
      const options = object({
        ...Object.fromEntries(Object.entries(own).map(([key, value]) => [key, literal(value)])),
        sum: method.sum.length === 0 ? undefined : array(method.sum.map(str)),
        // a state has one value for all rows: each row has a chain of its own from it
        lead: from.lead.batch ? undefined : { kind: "array", items: leadItems(scope, lead) },
      });
      const js = call(method.method, model, name("w"), call("key.at", str(method.method)), from.js, options);
      const shown = termOf(scope, ofChain(method.sum), q.span, { js, lead });
      const value: TensorValue = { kind: "tensor", js: call("withoutValue", shown), shape: [], lead };
      return scope.writer.bind("logZ", value, "its gradient at samples of the model") as TensorValue;
    }
  }
}

// ---- draws ----------------------------------------------------------------------------------------------

/** What gives each of the variables of an energy that an `E` draws: from its conditional, or all from one run of Gibbs sweeps. */
export function energyDraws(
  scope: QuantityScope,
  step: Extract<DrawStep, { kind: "energy" }>,
  plate: string | undefined,
): (variable: string) => () => Value {
  const own = new Set(step.variables.map((v) => v.variable));
  const at = new Map([...step.at].filter(([v]) => !own.has(v)));
  const model = name(energyModelName(step.density));
  const given = (): ReturnType<typeof valuesOf> => valuesOf(scope, step.density, at, withReads(scope, step.density, step.given));
  const leadOf = (values: ReturnType<typeof valuesOf>): Lead => ({
    plates: new Set([...values.lead.plates, ...(plate === undefined ? [] : [plate])]),
    batch: true,
  });
  const counts = countsDrawn(scope.context, step);
  const totals = (names: readonly string[]): Js | undefined => {
    if (names.length === 0) return undefined;
    return object(
      names.map((v) => {
        const row = scope.data(v);
        if (!row) throw new InternalError(`no data of \`${v}\``);
        return { name: v, value: totalOf(scope.context, v, tensorValue(row).js) };
      }),
    );
  };
  let sampled: Js | undefined;
  return (variable) => () => {
    const { shape } = variableOf(scope.context, variable).domain;
    const values = given();
    const lead = leadOf(values);
    const wanted = step.variables.find((v) => v.variable === variable)?.local?.name ?? variable;
    const leadJs: Js = { kind: "array", items: leadItems(scope, lead) };
    if (step.sweeps === 0) {
      const js = call(
        "drawUnits",
        model,
        name("w"),
        call("key.at", str(siteOf(scope, wanted))),
        values.js,
        str(variable),
        object({ lead: leadJs, totals: totals(counts.filter((v) => v === variable)) }),
      );
      return scope.writer.bind(wanted, { kind: "tensor", js, shape, lead });
    }
    const options = object({
      sweeps: num(step.sweeps),
      clamp: array(step.given.map(str)),
      fresh: freshJs(scope, step.density, step.given),
      lead: leadJs,
      totals: totals(counts),
    });
    sampled ??= scope.writer.bind(`${step.density}Sample`, {
      kind: "record",
      js: call("gibbs", model, name("w"), call("key.at", str(siteOf(scope, step.density))), values.js, options),
      fields: new Map(),
    }).js;
    return { kind: "tensor", js: call("required", sampled, str(variable)), shape, lead };
  };
}

function leadItems(scope: QuantityScope, lead: Lead): readonly Js[] {
  const shape = scope.writer.drawShape(lead, []);
  return shape.kind === "array" ? shape.items : [];
}
