/**
 * A derived model -> the generated file: weights, one function per net, density and objective, and the definition that the runtime runs.
 * Deterministic: the order is that of the `.gm` file.
 */
import type { DerivedModel, DerivedStart } from "../ir/derived-model.js";
import { densityOf, type DeriveContext, parentsOf } from "../ir/derive/context.js";
import { givenTheirSum } from "../ir/derive/own-reads.js";
import { weightEntries } from "../ir/derive/weights.js";
import { leavesOutEnds, levelsOf } from "../ir/derive/preparation.js";
import { drawsUnitVectors, openEnds } from "../ir/support.js";
import type { Density, Domain } from "../ir/types.js";
import { array, bool, call, type Js, type JsDeclaration, type JsField, name, num, numbers, object, str } from "./js.js";
import { emitChain, impliedPartitions } from "./emit-energy.js";
import { lowerEnergy } from "./lower-energy.js";
import { emitSequential, lowerSequentials } from "./lower-sequential.js";
import {
  headerText,
  type Inverse,
  lowerBeforeEnergy,
  lowerExactPosterior,
  lowerInverse,
  lowerLogDensity,
  lowerNet,
  lowerSampler,
} from "./lower-density.js";
import { lowerPosteriorMeans } from "./emit-posterior-means.js";
import { place } from "./place.js";
import { flowFunction, netFunction } from "./lower-expr.js";
import { lowerFlow } from "./lower-flow.js";
import { roundTrips } from "./round-trips.js";
import { capital } from "./names.js";
import { topLevelNames } from "./reserved.js";
import { sharedNet } from "./shared-nets.js";
import { specOf, variableSpec } from "./specs.js";
import { Names } from "./values.js";
import { emitMetric } from "./emit-evaluate.js";
import { callObjective, Objectives } from "./emit-objectives.js";
import { emitPhase } from "./emit-train.js";

export interface EmittedModel {
  readonly weights: Js;
  /** Nets, densities, energies and objectives, in the order in which they are read. */
  readonly declarations: readonly JsDeclaration[];
  readonly definition: Js;
  /** Names of the data variables and schedules, for the type of the definition. */
  readonly data: readonly string[];
  readonly schedules: readonly string[];
}

export interface SourceInfo {
  readonly file: string;
  readonly sha256: string;
  readonly compiler: string;
}

export function emitModel(derived: DerivedModel, source: SourceInfo): EmittedModel {
  const { context, model } = derived;
  const own = [...model.nets.map((n) => netFunction(context, n)), ...model.flows.map((f) => flowFunction(context, f))];
  const names = new Names([...topLevelNames(context.model), ...own]);
  const nets = model.nets.filter((net) => sharedNet(context, net) === net).map((net) => lowerNet(context, net, names));
  const flows = model.flows.map((flow) => lowerFlow(context, flow, names));
  const densities = model.densities.flatMap((density) => {
    const energy = lowerEnergy(context, density, names);
    const stands = derived.densities.get(density.name);
    const logDensity = stands && lowerLogDensity(context, density, stands, names);
    const weighs = logDensity && { name: logDensity.name, variables: [...(stands?.head ?? []), ...density.given] };
    const before = lowerBeforeEnergy(context, density, names);
    const sampler = lowerSampler(context, density, names);
    const { posterior } = derived;
    const conditionals = [
      ...(derived.inverse?.density === density.name ? [lowerInverse(context, density, derived.inverse, names, weighs)] : []),
      ...(posterior?.density === density.name ? [lowerExactPosterior(context, posterior, names)] : []),
    ];
    const apart = derived.inversesApart
      .filter((inverse) => inverse.density === density.name)
      .map((inverse) => lowerInverse(context, density, inverse, names, undefined, true));
    const { posteriorMeans } = derived;
    const means = posteriorMeans?.density === density.name ? lowerPosteriorMeans(context, posteriorMeans, names) : undefined;
    const sequentials = lowerSequentials(context, density, names);
    return [
      {
        density,
        energy,
        declarations: [
          ...(energy ? [energy.fn, energy.model] : []),
          ...(logDensity ? [logDensity] : []),
          ...sequentials.flatMap((s) => (s.before ? [s.params, s.before] : [s.params])),
          ...(before ? [before] : []),
          ...(sampler ? [sampler] : []),
          ...[...conditionals, ...apart].map(({ fn }) => fn),
          ...(means ? [means] : []),
        ],
        conditionals,
        apart,
        means,
        before,
        sampler,
        sequentials,
      },
    ];
  });
  const objectives = new Objectives(context, names);
  const train = array(derived.phases.map((phase) => emitPhase(derived, phase, objectives)));
  const evaluate = object([
    ...impliedPartitions(derived),
    ...derived.evaluations.map((e): JsField => ({ name: e.evaluation.name, value: emitMetric(derived, e, objectives) })),
  ]);
  const exact = derived.inverse === undefined || derived.inverse.infers ? densities.flatMap((d) => d.conditionals) : [];
  const inferenceName = derived.inference ?? exact[0]?.fn.name;
  const definition = object({
    name: str(model.name),
    source: object({ file: str(source.file), sha256: str(source.sha256), compiler: str(source.compiler) }),
    hyperparameters: object(
      model.hyper.map((h): JsField => ({
        name: h.name,
        value: typeof h.value === "number" ? num(h.value) : typeof h.value === "boolean" ? bool(h.value) : numbers(h.value),
      })),
    ),
    streams: array(model.streams.map((s) => object(s.map((v): JsField => ({ name: v, value: spec(context, v) }))))),
    latents: object(
      [...model.variables.values()].filter((v) => v.role === "latent").map((v): JsField => ({ name: v.name, value: blockSpec(v.domain) })),
    ),
    weights: name("weights"),
    densities: object(
      densities.flatMap(({ density, energy, before, sampler, sequentials, conditionals, apart, means }): JsField[] => [
        {
          name: density.name,
          value: object({
            head: array(density.head.map(str)),
            given: array([...density.given, ...givenTheirSum(context, densityOf(context, density.name))].map(str)),
            label: str(headerText(density)),
            place: str(place(density.span)),
            sample: sampler && name(sampler.name),
            means: means && name(means.name),
            ...(derived.generative === density.name ? readsOf(context, density) : {}),
            chain: energy && emitChain(derived, density.name, before?.name),
            sequential: sequentials.length === 0 ? undefined : array(sequentials.map((s) => emitSequential(context, s))),
          }),
        },
        ...[...conditionals, ...apart].map((inverse) => ({ name: inverse.fn.name, value: inverseDefinition(density, inverse) })),
      ]),
    ),
    generative: derived.generative === undefined ? undefined : str(derived.generative),
    inference: inferenceName === undefined ? undefined : str(inferenceName),
    untrained: derived.untrained === undefined ? undefined : str(derived.untrained),
    train,
    evaluate,
    starts: derived.starts.length === 0 ? undefined : array(derived.starts.map((s) => emitStart(derived, s, objectives))),
    roundTrips: roundTrips(context, model),
  });
  const schedules = [...new Set([...derived.phases.flatMap((p) => p.updates.flatMap((u) => u.derived.schedules.map((s) => s.name)))])];
  return {
    weights: emitWeights(context),
    declarations: [...nets, ...flows, ...densities.flatMap((d) => d.declarations), ...objectives.functions],
    definition,
    data: [...model.variables.values()].filter((v) => v.role === "data").map((v) => v.name),
    schedules,
  };
}

/** `{ of: "codebook", values: ({ w, data }) => startOfCodebook(w, data.x) }` */
function emitStart(derived: DerivedModel, { start, derived: values }: DerivedStart, objectives: Objectives): Js {
  const doc = [`What \`${start.param.name}\` starts from: ${start.text}  ${place(start.span)}`];
  const lowered = objectives.get(values, start.value, `startOf${capital(start.param.path)}`, doc);
  return object({
    of: str(start.param.path),
    place: str(place(start.span)),
    values: callObjective(derived, lowered, undefined, 1, undefined),
  });
}

/** What variables of a density read of one another, where there are several; `made` of it, as a function. */
function readsOf(context: DeriveContext, density: Density): { readonly reads?: Js; readonly made?: Js } {
  const { definitions } = densityOf(context, density.name);
  const chained = new Set([...definitions.values()].flatMap((d) => (d.kind === "energy" ? [d.variable] : [])));
  const all = [...definitions].map(([variable, d]) => ({
    variable,
    reads: [...parentsOf(context, d)].filter((v) => definitions.has(v) && !(d.kind === "energy" && chained.has(v))),
    made: d.kind === "define",
  }));
  const reading = all.filter(({ reads }) => reads.length > 0);
  const made = reading.filter((v) => v.made).map((v) => str(v.variable));
  if (reading.length === 0) return {};
  return {
    reads: object(reading.map(({ variable, reads }): JsField => ({ name: variable, value: array(reads.map(str)) }))),
    ...(made.length === 0 ? {} : { made: array(made) }),
  };
}

/** What infers latents, in the form of a density. */
function inverseDefinition(density: Density, { fn, head, given, label, exact, mayHold = [] }: Inverse): Js {
  return object({
    head: array(head.map(str)),
    given: array(given.map(str)),
    label: str(label),
    place: str(place(density.span)),
    exact: exact && array(exact.map(str)),
    conditional: bool(true),
    mayHold: mayHold.length === 0 ? undefined : array(mayHold.map(str)),
    sample: name(fn.name),
  });
}

/** With the blocks of which at most one unit is 1. */
function blockSpec(domain: Domain): Js {
  return domain.atMostOne ? call("atMostOne", variableSpec(domain), numbers(domain.atMostOne)) : variableSpec(domain);
}

function spec(context: DeriveContext, variable: string): Js {
  const { model } = context;
  const found = model.variables.get(variable);
  if (!found) return object({});
  if (found.role === "data" && drawsUnitVectors(model, variable)) return call("unitVector", variableSpec(found.domain));
  if (found.domain.atMostOne) return blockSpec(found.domain);
  const levels = levelsOf(context, variable);
  if (levels !== undefined) return call("quantized", variableSpec(found.domain), num(levels));
  const ends = openEnds(model, variable) ?? (found.role === "data" && leavesOutEnds(context, variable) ? "both" : undefined);
  return ends ? call("interior", variableSpec(found.domain), ...(ends === "both" ? [] : [str(ends)])) : variableSpec(found.domain);
}

/** The weights tree, in the order of the file. */
function emitWeights(context: DeriveContext): Js {
  interface Tree {
    readonly children: Map<string, Tree | Js>;
  }
  const root: Tree = { children: new Map() };
  for (const entry of weightEntries(context)) {
    const parts = entry.path.split(".");
    let at = root;
    for (const part of parts.slice(0, -1)) {
      const next = at.children.get(part);
      const made: Tree = next && "children" in next ? next : { children: new Map() };
      at.children.set(part, made);
      at = made;
    }
    at.children.set(parts.at(-1) ?? entry.path, specOf(context, entry.of));
  }
  const toJs = (tree: Tree): Js =>
    object([...tree.children].map(([key, value]): JsField => ({ name: key, value: "children" in value ? toJs(value) : value })));
  return toJs(root);
}
