/**
 * Linear-Gaussian latents -> the runtime's `gaussianPosterior`: what is drawn from it, and the log-marginal.
 *
 * A location is affine in the latents, so it is read off where they are 0 and at the unit vectors of each.
 */
import { InternalError } from "../base/internal-error.js";
import { variablesIn } from "../ir/derive/context.js";
import type { DrawStep, Factor, LinearGaussian, Quantity } from "../ir/quantity.js";
import type { Variable } from "../ir/types.js";
import { array, call, type Js, type JsField, member, method, num, numbers, object, str } from "./js.js";
import { lowerDist, type LoweredDist, variableOf } from "./lower-dist.js";
import type { Scope } from "./lower-expr.js";
import { marginalOf } from "./marginal-names.js";
import { quantityText, shortened } from "./mathtext.js";
import { capital } from "./names.js";
import { densityScope, type FactorParts, type GaussianLatents, type QuantityScope, siteOf, termOf } from "./quantity-scope.js";
import { BATCH, joinLeads, type Lead, leadOf, type TensorValue, type Value } from "./values.js";

/** The posterior under a name, and the means of the latents. */
export interface LoweredPosterior {
  readonly js: Js;
  readonly lead: Lead;
  readonly mean: (latent: string) => TensorValue;
}

export function lowerPosterior(scope: Scope, { latents, children }: LinearGaussian): LoweredPosterior {
  const variables = latents.map((f) => variableOf(scope.context, f.variable));
  const zeros = new Map(variables.map((v) => [v.name, zeroOf(v)]));
  const parts = [...latents, ...children].map((factor) => locate(scope, zeros, factor, variables));
  for (const latent of variables) {
    const readers = parts.filter((p) => p.reads.includes(latent.name));
    if (readers.length > 0) addSlopes(scope, zeros, latent, readers);
  }
  const lead = joinLeads(parts.map((p) => p.lead));
  const conditionals = parts.map((p) => {
    const { shape } = variableOf(scope.context, p.factor.variable).domain;
    return object([
      { name: "of", value: p.of },
      { name: "shape", value: sizes(shape) },
      ...p.params.map((f) => (f.name === "loc" ? { ...f, value: p.loc } : f)),
      ...(p.slopes.length > 0 ? [{ name: "slopes", value: object(p.slopes) }] : []),
    ]);
  });
  const shapes = object(variables.map((v): JsField => ({ name: v.name, value: sizes(v.domain.shape) })));
  const of = variables.map((v) => v.name);
  const given = children.map((f) => f.variable);
  const posterior = scope.writer.bind(
    `${of[0] ?? "h"}Posterior`,
    { kind: "record", js: call("gaussianPosterior", shapes, array(conditionals)), fields: new Map() },
    `${of.join(", ")} given ${given.join(", ")}: normal`,
  ).js;
  return {
    js: posterior,
    lead,
    mean: (latent) => ({
      kind: "tensor",
      js: member(member(posterior, "mean"), latent),
      shape: variableOf(scope.context, latent).domain.shape,
      lead,
    }),
  };
}

/** A conditional on its way into code: its location where all latents are 0, and by latent what their entries add. */
interface Located {
  readonly factor: Factor;
  readonly of: Js;
  /** Latents that its location reads. */
  readonly reads: readonly string[];
  readonly loc: Js;
  readonly params: readonly JsField[];
  readonly slopes: JsField[];
  readonly lead: Lead;
}

function locate(scope: Scope, zeros: ReadonlyMap<string, Value>, factor: Factor, latents: readonly Variable[]): Located {
  const { shape } = variableOf(scope.context, factor.variable).domain;
  const lowered = lowerDist(within(scope, factor, zeros), factor.dist, shape.length);
  const params = lowered.params.kind === "object" ? lowered.params.fields : undefined;
  const { loc } = factor.dist.params;
  const read = loc ? variablesIn(scope.context, [loc]) : new Set<string>();
  const reads = latents.flatMap((v) => (read.has(v.name) ? [v.name] : []));
  const own = latents.some((v) => v.name === factor.variable);
  const x = own ? undefined : within(scope, factor, zeros).variable(factor.variable);
  if (!own && !x) throw new InternalError(`\`${factor.variable}\` is not in scope`);
  // a record of parameters that a net gives is taken apart
  const fields = params ?? lowered.own.map(({ name: p }): JsField => ({ name: p, value: member(lowered.params, p) }));
  const zero = fields.find((f) => f.name === "loc")?.value ?? num(0);
  const named = reads.length === 0 ? zero : bindZero(scope, factor, zero, locOf(lowered), reads);
  return {
    factor,
    of: x ? x.js : str(factor.variable),
    reads,
    loc: named,
    params: fields,
    slopes: [],
    lead: joinLeads([lowered.lead, ...(x ? [leadOf(x)] : [])]),
  };
}

function bindZero(scope: Scope, factor: Factor, js: Js, loc: TensorValue | undefined, reads: readonly string[]): Js {
  if (!loc) throw new InternalError(`no location of ${factor.variable}`);
  return scope.writer.bind(`${factor.variable}AtZero`, { ...loc, js }, `location of ${factor.variable} at ${reads.join(", ")} = 0`).js;
}

/** What each entry of a latent adds to the locations that read it: they at its unit vectors, less what they are at 0. */
function addSlopes(scope: Scope, zeros: ReadonlyMap<string, Value>, latent: Variable, readers: readonly Located[]): void {
  const { writer } = scope;
  const { shape } = latent.domain;
  const n = shape.reduce((size, d) => size * d.size, 1);
  const plate = writer.addPlate(
    `${latent.name}#${writer.statements.length}`,
    num(n),
    shape.length === 1 ? (shape[0]?.text ?? "") : String(n),
  );
  const ones = Array.from({ length: plate.position }, () => 1);
  const points: TensorValue = {
    kind: "tensor",
    js: call("reshape", call("eye", num(n)), numbers([n, ...ones, ...shape.map((d) => d.size)])),
    shape,
    lead: { plates: new Set([plate.id]), batch: true },
  };
  const unit = writer.bind(`unit${capital(latent.name)}`, points, "unit vectors");
  for (const reader of readers) {
    const { factor } = reader;
    const inner = within(scope, factor, new Map([...zeros, [latent.name, unit]]));
    const { shape: event } = variableOf(scope.context, factor.variable).domain;
    const lowered = lowerDist(inner, { ...factor.dist, params: only(factor.dist.params, "loc") }, event.length);
    const moved = lowered.params.kind === "object" ? lowered.params.fields[0]?.value : undefined;
    const value = locOf(lowered);
    if (!moved || !value) throw new InternalError(`no location of ${factor.variable}`);
    const slope = writer.bind(
      `${factor.variable}Per${capital(latent.name)}`,
      { ...value, js: call("sub", moved, reader.loc) },
      `what each entry of ${latent.name} adds to it`,
    );
    reader.slopes.push({ name: latent.name, value: slope.js });
  }
  writer.dropPlate(plate.id);
}

/** A conditional's own scope: its latents at given values, which names outside of the density do not mean. */
function within(scope: Scope, factor: Factor, latents: ReadonlyMap<string, Value>): Scope {
  const inner = densityScope(scope, factor.at, undefined, factor.through);
  return { ...inner, variable: (v) => latents.get(v) ?? inner.variable(v) };
}

function zeroOf({ domain }: Variable): TensorValue {
  return { kind: "tensor", js: call("zeros", numbers([1, ...domain.shape.map((d) => d.size)])), shape: domain.shape, lead: BATCH };
}

const sizes = (shape: Variable["domain"]["shape"]): Js => numbers(shape.map((d) => d.size));

function only<T>(params: Readonly<Record<string, T>>, wanted: string): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(params).filter(([p]) => p === wanted));
}

/**
 * log p(x) with latents integrated out: their joint at the posterior mean, where it has its maximum, and the volume around it (Laplace's method, which is
 * exact for normals). `lowerFactor` writes a conditional.
 */
export function lowerGaussianMarginal(
  scope: QuantityScope,
  q: Extract<Quantity, { kind: "gaussianMarginal" }>,
  lowerFactor: (scope: QuantityScope, factor: Factor, latents: ReadonlyMap<string, Value>) => TensorValue,
): TensorValue {
  const posterior = lowerPosterior(scope, q);
  const means = new Map(
    q.latents.map(({ variable }) => [variable, scope.writer.bind(variable, posterior.mean(variable), "posterior mean") as TensorValue]),
  );
  const terms = [...q.latents, ...q.children].map((f) => {
    const { onFactor } = scope;
    const around = { names: [...means.keys()], deviate: deviations(scope, q, posterior, f) };
    const watched = onFactor && { onFactor: (factor: Factor, parts: FactorParts) => onFactor(factor, { ...parts, around }) };
    return lowerFactor({ ...scope, enumerating: true, ...watched }, f, means);
  });
  const lead = joinLeads([posterior.lead, ...terms.map((t) => t.lead)]);
  const js = [...terms.map((t) => t.js), member(posterior.js, "logVolume")].reduce((sum, each) => call("add", sum, each));
  const [first, ...more] = q.children;
  const names = q.children.map((f) => f.variable);
  const text = marginalOf(scope.context, q)?.text;
  const label = text === undefined ? shortened(quantityText(scope.context, q)) : `log ${text}`;
  const span = more.at(-1)?.span ?? first?.span ?? q.span;
  return scope.writer.bind(
    `log${capital(first?.density ?? "p")}${names.map(capital).join("")}`,
    { kind: "tensor", js: termOf(scope, label, span, { js, lead }), shape: [], lead },
    `${q.latents.map((f) => f.variable).join(", ")} integrated out`,
  ) as TensorValue;
}

/** A conditional's values at the columns of a factor of the posterior covariance, less those at 0. */
function deviations(scope: Scope, { latents }: LinearGaussian, posterior: LoweredPosterior, factor: Factor): GaussianLatents["deviate"] {
  return (wanted, lower) => {
    const { writer } = scope;
    const variables = latents.map((f) => variableOf(scope.context, f.variable));
    const n = variables.reduce((total, v) => total + v.domain.shape.reduce((size, d) => size * d.size, 1), 0);
    const plate = writer.addPlate(`${wanted}#${writer.statements.length}`, num(n), String(n));
    const columns = writer.remember(`deviations|${JSON.stringify(posterior.js)}|${plate.position}`, () =>
      writer.bind(
        `${variables[0]?.name ?? "h"}Spread`,
        { kind: "record", js: method(posterior.js, "deviations", num(plate.position)), fields: new Map() },
        "the posterior covariance is the sum of their squares",
      ),
    );
    const lead: Lead = { plates: new Set([plate.id]), batch: true };
    const points = new Map(
      variables.map((v): [string, Value] => [v.name, { kind: "tensor", js: member(columns.js, v.name), shape: v.domain.shape, lead }]),
    );
    const moved = lower(within(scope, factor, points));
    const zero = lower(within(scope, factor, new Map(variables.map((v) => [v.name, zeroOf(v)]))));
    const bare = moved.js.kind === "member" && zero.js.kind === "call" && zero.js.fn === "zeros";
    const js = bare ? moved.js : writer.bind(wanted, { ...moved, js: call("sub", moved.js, zero.js) }).js;
    writer.dropPlate(plate.id);
    return js;
  };
}

/** The draws of a step, by variable: all of one sample. */
export function gaussianDraws(
  scope: QuantityScope,
  step: Extract<DrawStep, { kind: "gaussian" }>,
  plate: string | undefined,
): (variable: string) => () => Value {
  let sampled: { readonly js: Js; readonly lead: Lead } | undefined;
  const sample = (): { readonly js: Js; readonly lead: Lead } => {
    const posterior = lowerPosterior(scope, step.posterior);
    const lead: Lead = { plates: new Set([...posterior.lead.plates, ...(plate === undefined ? [] : [plate])]), batch: true };
    if (!scope.key) throw new InternalError("a draw stands where there is no key");
    const names = step.variables.map((v) => v.local?.name ?? v.variable);
    const key = call("key.at", str(siteOf(scope, names.join(", "))));
    const js = method(posterior.js, "sample", key, scope.writer.drawShape(lead, []));
    return { js: scope.writer.bind(`${names.join("")}Draw`, { kind: "record", js, fields: new Map() }).js, lead };
  };
  return (variable) => () => {
    sampled ??= sample();
    const { shape } = variableOf(scope.context, variable).domain;
    const wanted = step.variables.find((v) => v.variable === variable)?.local?.name ?? variable;
    return scope.writer.bind(wanted, { kind: "tensor", js: member(sampled.js, variable), shape, lead: sampled.lead });
  };
}

const locOf = ({ own }: LoweredDist): TensorValue | undefined => own.find(({ name: p }) => p === "loc")?.value;
