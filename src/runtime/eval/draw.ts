/**
 * Staging of what a model can show: samples, reconstructions, what lies between two latents. Each is a program of one call over the weights in the
 * store; inputs are data variables by name and latents as `latent:<name>`.
 */
import type { Program } from "../engines/engine.js";
import { GmcError } from "../graph/errors.js";
import { stageChecked, type Check } from "../graph/checks.js";
import { inputNames } from "../graph/host.js";
import { add, argMax, broadcastTo, input, mul, rootKey, sub, zeros, type Key, type Rows, type Tensor } from "../graph/index.js";
import { optimize } from "../graph/passes/index.js";
import type { Graph } from "../graph/types.js";
import type { ChainDefinition, DensityDefinition, Draw, ModelDefinition, StepContext, VariableSpec } from "../model.js";
import { averagedState, dataInput, dataVariables, defined, dtypeOf, readWeights } from "../train/context.js";

export interface DrawProgram {
  readonly program: Program;
  /** Conditions that a run needs to mean anything, see graph/checks.ts. */
  readonly checks: readonly Check["failed"][];
  /** Input names, `rng` among them where it draws. */
  readonly inputs: readonly string[];
}

export interface DrawOptions {
  readonly model: ModelDefinition;
  readonly rows: number;
  readonly averaged: ReadonlySet<string>;
}

export function latentName(name: string): string {
  return `latent:${name}`;
}

/** The density that samples come from. GM4009 where the model has none. */
export function generativeOf(model: ModelDefinition): DensityDefinition {
  const density = model.generative === undefined ? undefined : model.densities[model.generative];
  if (density === undefined) throw new GmcError("GM4009", `${model.name} has no density to draw samples from`);
  return density;
}

/** Whether a walk between latents is one between draws of noise: nothing infers them from data, and one draw gives all. */
export function interpolatesNoise(model: ModelDefinition): boolean {
  if (model.inference !== undefined || model.generative === undefined) return false;
  const { chain, sequential, head, given, sample } = generativeOf(model);
  const isLatent = (name: string): boolean => Object.hasOwn(model.latents, name);
  return chain === undefined && sequential === undefined && sample !== undefined && head.some(isLatent) && !given.some(isLatent);
}

/**
 * Latents that a walk goes along: the continuous ones of those that are inferred, or drawn where nothing infers them. Others keep the values of the
 * nearer end. GM4009 where there are no latents, GM5426 where none of them is continuous.
 */
export function walkedLatents(model: ModelDefinition): readonly string[] {
  const latents = Object.keys(model.latents);
  if (latents.length === 0) throw new GmcError("GM4009", `${model.name} has no latents to walk between`, ["`gmc sample` draws from it"]);
  const head = model.inference === undefined ? latents : inferenceOf(model).head;
  const ends = head.filter((name) => Object.hasOwn(model.latents, name));
  const walked = ends.filter((name) => continuous(model.latents[name]));
  if (walked.length > 0) return walked;
  const each = ends.map((name) => `\`${name}\` is ${model.latents[name]?.domain ?? "?"}`).join(", ");
  throw new GmcError("GM5426", `${model.name} has no latents to walk between: ${each}, and nothing lies between two of its values`, [
    `\`gmc sample --given ${ends[0] ?? "z"}=1\` shows what one value makes of the others${canReconstruct(model) ? ", `gmc reconstruct` what the model makes of rows" : ""}`,
  ]);
}

/** Whether something lies between two values of a variable of the data. */
export const movesAlong = (model: ModelDefinition, name: string): boolean => continuous(dataVariables(model)[name]);

/** Of a walk between rows, what the conditions do that data are made under: `y is that of the nearer row, t goes along in equal steps`. */
export function conditionsOfWalk(model: ModelDefinition): string | undefined {
  const { given } = generativeOf(model);
  const [along, nearest] = [true, false].map((moves) => given.filter((name) => movesAlong(model, name) === moves));
  const said = (list: readonly string[] = [], one: string, several: string): readonly string[] =>
    list.length === 0 ? [] : [`${list.map((name) => `\`${name}\``).join(", ")} ${list.length === 1 ? one : several}`];
  const parts = [
    ...said(nearest, "is that of the nearer row", "are those of the nearer row"),
    ...said(along, "goes along in equal steps", "go along in equal steps"),
  ];
  return parts.length === 0 ? undefined : parts.join(", ");
}

/** What drawing a sample counts, for a line of progress. */
export function drawingSteps(model: ModelDefinition): "sweeps" | "positions" | "passes" {
  const { chain, sequential } = generativeOf(model);
  return sequential !== undefined ? "positions" : chain !== undefined ? "sweeps" : "passes";
}

/** The density that infers latents from data. GM4009 where the model has none. */
export function inferenceOf(model: ModelDefinition): DensityDefinition {
  const density = model.inference === undefined ? undefined : model.densities[model.inference];
  if (density === undefined) {
    throw new GmcError("GM4009", `${model.name} has no density that infers its latents from data`, [
      "a `density q(z | x) { … }` that an objective uses does",
      "latents that sum out need none, where what the data are drawn from has a mean (a Cauchy, or a StudentT with df up to 1, has none)",
    ]);
  }
  return density;
}

/**
 * Outputs `value:<variable>` (drawn) and `mean:<variable>`; inputs: the conditions of the generative density and what else is clamped. A temperature
 * scales the noise of a density with flows (Kingma & Dhariwal 2018, section 6: samples at 0.7 look better and vary less). GM4009 where no flow maps a Normal.
 */
export function stageSample(options: DrawOptions, clamped: readonly string[] = [], temperature?: number): DrawProgram {
  const density = generativeOf(options.model);
  return drawProgram("sample", options, () => {
    const names = new Set([...density.given, ...clamped]);
    const given = Object.fromEntries([...names].map((name) => [name, variableInput(options, name)]));
    const draw = (held: Readonly<Record<string, Tensor>>): Draw => drawFrom(density, weights(options), rootKey(), rowsFor(options), held);
    return outputsOf(temperature === undefined ? draw(given) : tempered(density.label, draw, given, temperature));
  });
}

/** Outputs `value:<variable>` of the head of a density, from inputs of what it is given and of what of its head is held. */
export function stageDraw(options: DrawOptions, density: DensityDefinition, held: readonly string[] = []): DrawProgram {
  return drawProgram("draw", options, () => {
    const given = Object.fromEntries([...density.given, ...held].map((name) => [name, variableInput(options, name)]));
    return outputsOf(drawFrom(density, weights(options), rootKey(), rowsFor(options), given));
  });
}

/** From the top down, each Normal variable brought closer to its location given those above it, and all else by the same numbers. */
export function tempered(
  label: string,
  draw: (held: Readonly<Record<string, Tensor>>) => Draw,
  given: Readonly<Record<string, Tensor>>,
  temperature: number,
): Draw {
  let at = draw(given);
  const names = Object.keys(at.base ?? {});
  if (names.length === 0)
    throw new GmcError("GM4009", `${label} has no temperature: no flow maps a Normal of it`, [
      "a temperature scales the noise that a flow makes data of, and what that is drawn given",
    ]);
  let held = given;
  for (const name of names) {
    const loc = at.base?.[name];
    if (loc === undefined || given[name] !== undefined) continue;
    held = { ...held, [name]: add(loc, mul(temperature, sub(valueOf(at, name), loc))) };
    at = draw(held);
  }
  return at;
}

/**
 * From data to data: each data variable of the model's joint as its mean given the latents that were inferred, and what else they were inferred
 * from: a flow that a label conditions leads back to the row by that label alone. Outputs `mean:<variable>`, and `latent:<name>` for what was inferred.
 */
export function stageReconstruct(options: DrawOptions): DrawProgram {
  const { model } = options;
  return drawProgram("reconstruct", options, () => {
    const density = generativeOf(model);
    const visible = observedInChain(model);
    if (density.chain && visible.length > 0) return throughMeans(options, density, density.chain, visible);
    if (model.inference === undefined && density.means) return throughPosterior(options, density.means);
    const latents = infer(options);
    const conditions = Object.fromEntries(density.given.map((name) => [name, variableInput(options, name)]));
    const beside = Object.fromEntries(readByInference(model).map((name) => [name, variableInput(options, name)]));
    const shown = density.head.filter((name) => Object.hasOwn(dataVariables(model), name));
    const meanGiven = (name: string): Tensor => {
      const { [name]: _, ...others } = beside;
      return meanOf(drawFrom(density, weights(options), rootKey(), rowsFor(options), { ...conditions, ...others, ...latents }), name);
    };
    return {
      ...Object.fromEntries(shown.map((name) => [`mean:${name}`, meanGiven(name)])),
      ...Object.fromEntries(Object.entries(latents).map(([name, t]) => [latentName(name), t])),
    };
  });
}

/** Whether the way from data to latents is the inverse of the way back to `variable`: its reconstruction is the row itself. */
export function invertsExactly(model: ModelDefinition, variable: string): boolean {
  return model.inference !== undefined && inferenceOf(model).exact?.includes(variable) === true;
}

/** Data variables that a reconstruction shows and that are not the rows themselves. */
export function reconstructed(model: ModelDefinition): readonly string[] {
  const data = dataVariables(model);
  return generativeOf(model).head.filter((name) => Object.hasOwn(data, name) && !invertsExactly(model, name));
}

/** Data variables that the generative density draws and that latents are inferred from, but for those that a row may miss. */
export function readByInference(model: ModelDefinition): readonly string[] {
  const data = dataVariables(model);
  const { given } = inferenceOf(model);
  return generativeOf(model).head.filter((name) => given.includes(name) && data[name] !== undefined && data[name].optional !== true);
}

/** Whether there is a way from data to latents and back. */
export function canReconstruct(model: ModelDefinition): boolean {
  if (reconstructsByMeans(model) || meansThroughPosterior(model)) return true;
  const chain = model.generative === undefined ? undefined : model.densities[model.generative]?.chain;
  const known = inferredIn(model);
  return (
    model.generative !== undefined && model.inference !== undefined && Object.keys(chain?.variables ?? {}).every((v) => known.includes(v))
  );
}

/** Whether a reconstruction is the mean over the posterior of latents that are summed out. */
export function meansThroughPosterior(model: ModelDefinition): boolean {
  return model.inference === undefined && model.generative !== undefined && model.densities[model.generative]?.means !== undefined;
}

/** Whether a reconstruction draws nothing: what is hidden in an energy stands at its means. */
export function reconstructsByMeans(model: ModelDefinition): boolean {
  return observedInChain(model).length > 0;
}

/**
 * Data variables that an energy defines; none where some hidden variable of it has no mean that they could be inferred by, or where it is given a
 * latent that nothing infers.
 */
function observedInChain(model: ModelDefinition): readonly string[] {
  const density = model.generative === undefined ? undefined : model.densities[model.generative];
  const chain = density?.chain;
  const names = Object.keys(chain?.variables ?? {});
  const isData = (name: string): boolean => Object.hasOwn(dataVariables(model), name);
  const inferred = inferredIn(model);
  if (chain?.reads?.some((name) => !isData(name) && !density?.given.includes(name) && !inferred.includes(name))) return [];
  const visible = names.filter(isData);
  return names.every((name) => visible.includes(name) || chain?.means[name] !== undefined) ? visible : [];
}

/** Latents that a density infers from data. */
function inferredIn(model: ModelDefinition): readonly string[] {
  return model.inference === undefined ? [] : (model.densities[model.inference]?.head ?? []);
}

/** Sweeps of mean-field updates (Peterson & Anderson 1987) over hidden variables that depend on each other. */
const MEAN_FIELD = 25;

/** Means of the data through the posterior of latents that are summed out: no value of a latent is chosen. */
function throughPosterior(options: DrawOptions, means: NonNullable<DensityDefinition["means"]>): Record<string, Tensor> {
  const data = dataVariables(options.model);
  const given = Object.fromEntries(Object.keys(data).map((name) => [name, variableInput(options, name)]));
  const found = (means as (w: unknown, given: Readonly<Record<string, Tensor>>, key: Key) => Readonly<Record<string, Tensor>>)(
    weights(options),
    given,
    rootKey(),
  );
  const whole = (name: string, mean: Tensor): Tensor => broadcastTo(mean, [options.rows, ...(data[name]?.shape ?? [])]);
  return Object.fromEntries(Object.entries(found).map(([name, mean]) => [`mean:${name}`, whole(name, mean)]));
}

/** Hidden means given the data, each variable in turn given the newest of the others; then the means of the data given those. */
function throughMeans(
  options: DrawOptions,
  density: DensityDefinition,
  chain: ChainDefinition,
  visible: readonly string[],
): Record<string, Tensor> {
  const w = weights(options) as never;
  const data = dataVariables(options.model);
  const hidden = Object.entries(chain.variables).filter(([name]) => !visible.includes(name));
  const conditions = [...new Set([...density.given, ...(chain.reads ?? [])])].filter((name) => chain.variables[name] === undefined);
  const before = conditions.filter((name) => !Object.hasOwn(data, name) && !density.given.includes(name));
  const inferred = before.length === 0 ? {} : infer(options);
  let values: Readonly<Record<string, Tensor>> = Object.fromEntries([
    ...[...visible, ...conditions].map((name) => [name, inferred[name] ?? variableInput(options, name)] as const),
    ...hidden.map(([name, { shape, dtype }]) => [name, zeros([options.rows, ...shape], dtype)] as const),
  ]);
  for (let i = 0; i < (hidden.length > 1 ? MEAN_FIELD : 1); i++) {
    for (const [name, { dtype }] of hidden) {
      const mean = defined(chain.means[name], `mean of ${name}`)(w, values);
      values = { ...values, [name]: dtype === "i32" ? argMax(mean, -1) : mean };
    }
  }
  return {
    ...Object.fromEntries(
      visible.flatMap((name) => {
        const mean = data[name]?.domain === "category" ? undefined : chain.means[name];
        return mean === undefined ? [] : [[`mean:${name}`, mean(w, values)]];
      }),
    ),
    ...Object.fromEntries([...before, ...hidden.map(([name]) => name)].map((name) => [latentName(name), defined(values[name], name)])),
  };
}

/** Data -> latents: outputs `latent:<name>`, the mean of each where it has one. */
export function stageInfer(options: DrawOptions): DrawProgram {
  return drawProgram("infer", options, () => Object.fromEntries(Object.entries(infer(options)).map(([name, t]) => [latentName(name), t])));
}

/** Latents (and conditions, and data variables of the head that are held) -> data: outputs `mean:<variable>` of all others. */
export function stageDecode(options: DrawOptions, held: readonly string[] = []): DrawProgram {
  const density = generativeOf(options.model);
  const data = dataVariables(options.model);
  // what no inverse gives draws latents that it gives, and changes no row
  const inferred = inferredIn(options.model);
  const latents = density.head.filter(
    (name) => !Object.hasOwn(data, name) && (options.model.inference === undefined || inferred.includes(name)),
  );
  return drawProgram("decode", options, () => {
    const given = Object.fromEntries([...density.given, ...held, ...latents].map((name) => [name, variableInput(options, name)]));
    const draw = drawFrom(density, weights(options), rootKey(), rowsFor(options), given);
    const shown = density.head.filter((name) => Object.hasOwn(data, name) && !held.includes(name));
    return Object.fromEntries(shown.map((name) => [`mean:${name}`, meanOf(draw, name)]));
  });
}

function infer(options: DrawOptions): Readonly<Record<string, Tensor>> {
  const density = inferenceOf(options.model);
  const given = Object.fromEntries(density.given.map((name) => [name, variableInput(options, name)]));
  const draw = drawFrom(density, weights(options), rootKey(), rowsFor(options), given);
  // one draw decides discrete latents; a mean between two categories would be no value at all
  return Object.fromEntries(
    density.head.map((name) => [name, continuous(options.model.latents[name]) ? meanOf(draw, name) : valueOf(draw, name)]),
  );
}

export function continuous(spec: VariableSpec | undefined): boolean {
  return spec !== undefined && ["real", "positive", "unit", "simplex"].includes(spec.domain);
}

export function variableInput(options: DrawOptions, name: string): Tensor {
  const data = dataVariables(options.model)[name];
  if (data) return dataInput(name, data, options.rows, undefined);
  const latent = options.model.latents[name];
  if (!latent) throw new GmcError("GM4009", `${options.model.name} has no variable \`${name}\``);
  return input(latentName(name), [options.rows, ...latent.shape], dtypeOf(latent));
}

function weights(options: DrawOptions): StepContext["w"] {
  return readWeights(options.model, averagedState(options.averaged));
}

export function drawFrom(
  density: DensityDefinition,
  w: StepContext["w"],
  key: Key,
  rows: Rows,
  given: Readonly<Record<string, Tensor>>,
): Draw {
  if (density.sample === undefined) throw new GmcError("GM4009", `${density.label} has no directed statements to draw by`);
  // the type of a tree of weights of unknown form unfolds without end
  return (density.sample as (w: unknown, key: Key, rows: Rows, given: Readonly<Record<string, Tensor>>) => Draw)(w, key, rows, given);
}

function rowsFor(options: DrawOptions): Rows {
  return { kind: "rows", size: options.rows };
}

function outputsOf(draw: Draw): Record<string, Tensor> {
  return {
    ...Object.fromEntries(Object.entries(draw.values).map(([name, t]) => [`value:${name}`, t])),
    ...Object.fromEntries(Object.entries(draw.means).map(([name, t]) => [`mean:${name}`, t])),
  };
}

export function meanOf(draw: Draw, name: string): Tensor {
  return draw.means[name] ?? valueOf(draw, name);
}

export function valueOf(draw: Draw, name: string): Tensor {
  const value = draw.values[name];
  if (!value) throw new GmcError("GM4009", `the density does not give \`${name}\``);
  return value;
}

export function drawProgram(name: string, options: DrawOptions, fn: () => Record<string, Tensor>): DrawProgram {
  const { graph: staged, checks } = stageChecked(fn, { mode: "eval" });
  const graph: Graph = optimize(staged);
  return {
    program: { name, stages: [{ kind: "call", name, graph }], fetch: Object.keys(graph.outputs) },
    inputs: inputNames(graph),
    checks,
  };
}
