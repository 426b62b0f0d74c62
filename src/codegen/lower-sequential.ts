/**
 * A variable that is drawn entry after entry -> the function of its parameters given its own value, and what the definition says of it: how many
 * axes are positions, their order, how one position is drawn.
 */
import { InternalError } from "../base/internal-error.js";
import type { Sequential } from "../ir/autoregressive/prove.js";
import { type DeriveContext, densityOf } from "../ir/derive/context.js";
import { hasMean } from "../ir/derive/has-mean.js";
import { distributions } from "../ir/distributions.js";
import type { Density, DistCall } from "../ir/types.js";
import { array, arrow, call, type Js, type JsField, type JsFunction, method, name, num, numbers, object, str } from "./js.js";
import { lowerBeforeEntries } from "./lower-density.js";
import { givenValue, type LoweredDist, lowerDistRecord, variableOf } from "./lower-dist.js";
import { literal, modelScope } from "./lower-expr.js";
import { capital } from "./names.js";
import { orderLine } from "./order-text.js";
import { place } from "./place.js";
import { FunctionWriter, hasLead, type Names, type Value } from "./values.js";

export interface LoweredSequential {
  readonly sequential: Sequential;
  /** `paramsP(w, key, given)`; with the variable in its name where there are several. */
  readonly params: JsFunction;
  /** Draws what the parameters read of the variables that are drawn before. */
  readonly before: JsFunction | undefined;
  /** The runtime's distribution, and its parameters out of a flat record of them. */
  readonly object: Js;
  readonly fields: Js;
  /** By what powers of a temperature flat parameters are multiplied, where the distribution has one. */
  readonly temperature: readonly JsField[] | undefined;
  readonly hasMean: boolean;
}

/** The variables of a density that are drawn entry after entry, in the order of its body. */
export function lowerSequentials(context: DeriveContext, density: Density, file: Names): readonly LoweredSequential[] {
  const all = context.sequential.get(density.name) ?? [];
  return all.map((s) => lowerSequential(context, density, file, s, all.length > 1 ? `Of${capital(s.variable)}` : ""));
}

function lowerSequential(context: DeriveContext, density: Density, file: Names, sequential: Sequential, suffix: string): LoweredSequential {
  const { variable, reads } = sequential;
  const definition = densityOf(context, density.name).definitions.get(variable);
  if (definition?.kind !== "draw") throw new InternalError(`${variable} is not drawn`);
  const writer = new FunctionWriter(file, ["w", "key", "given", "masks"], undefined);
  const values = new Map<string, Value>();
  const several = sequential.orders > 1;
  const scope = { ...modelScope(context, writer, values, name("key")), ...(several ? { masks: { js: name("masks") } } : {}) };
  for (const v of [...reads, variable]) values.set(v, writer.bind(v, givenValue(context, v)));
  const dist = lowerDistRecord(scope, definition.dist, sequential.shape.length);
  const result = flatParameters(definition.dist, dist, sequential.shape.length, 0, "");
  return {
    sequential,
    object: dist.object,
    fields: rebuilt(dist, ""),
    temperature: temperaturePowers(definition.dist, dist, ""),
    hasMean: hasMean(definition.dist),
    before: lowerBeforeEntries(context, density, file, sequential, suffix),
    params: {
      name: `params${capital(density.name)}${suffix}`,
      doc: [
        `Parameters of ${variable} in ${density.name}, at values of ${[variable, ...reads].join(", ")}  ${place(sequential.span)}`,
        orderLine(sequential),
      ],
      params: [
        { name: "w", type: "Weights" },
        { name: "key", type: "Key" },
        { name: "given", type: "Readonly<Record<string, Tensor>>" },
        ...(several ? [{ name: "masks", type: "MaskChoice", optional: true }] : []),
      ],
      returns: "Readonly<Record<string, Tensor>>",
      body: writer.finish(object(result), undefined),
    },
  };
}

/** Of a mixture, the parameters of what it mixes: `of_loc`. */
const innerPrefix = (prefix: string): string => `${prefix}of_`;

/** Parameters as one flat record. What is the same for all rows gets axes for rows and positions, a number stays one. */
function flatParameters(drawn: DistCall, { own, of }: LoweredDist, eventRank: number, more: number, prefix: string): readonly JsField[] {
  const ranks = new Map((distributions.get(drawn.dist)?.parameters ?? []).flat().map((p) => [p.runtime ?? p.name, p.rank + more]));
  const lead = eventRank - (distributions.get(drawn.dist)?.eventRank ?? 0);
  const fields = own.map(({ name: parameter, js: whole, value }): JsField => {
    const field = `${prefix}${parameter}`;
    if (whole.kind === "number") return { name: field, value: call("constant", whole) };
    let js: Js = whole;
    if (!hasLead(value.lead) && value.shape.length > 0)
      for (let r = value.shape.length; r <= lead + (ranks.get(parameter) ?? 0); r++) js = call("expandDims", js, num(0));
    return { name: field, value: js };
  });
  return of && drawn.of ? [...fields, ...flatParameters(drawn.of, of, eventRank, more + 1, innerPrefix(prefix))] : fields;
}

/** The record that the distribution takes, out of the flat one `params`. */
function rebuilt({ own, of }: LoweredDist, prefix: string): Js {
  const fields = own.map(({ name: p }): JsField => ({ name: p, value: call("required", name("params"), str(`${prefix}${p}`)) }));
  return object(of ? [...fields, { name: "of", value: rebuilt(of, innerPrefix(prefix)) }] : fields);
}

/**
 * Powers of a temperature by which flat parameters are multiplied; undefined where the distribution, or one that it mixes, is not given a parameter
 * that has one.
 */
function temperaturePowers(drawn: DistCall, { own, of }: LoweredDist, prefix: string): readonly JsField[] | undefined {
  const powers = new Map((distributions.get(drawn.dist)?.parameters ?? []).flat().map((p) => [p.runtime ?? p.name, p.temperature]));
  const fields = own.flatMap(({ name: p }): JsField[] => {
    const power = powers.get(p);
    return power === undefined ? [] : [{ name: `${prefix}${p}`, value: num(power) }];
  });
  if (fields.length === 0) return undefined;
  const inner = of && drawn.of ? temperaturePowers(drawn.of, of, innerPrefix(prefix)) : [];
  return inner && [...fields, ...inner];
}

/** `{ variable: "x", shape: [784], dtype: "f32", positionAxes: 1, params: paramsP, … }` */
export function emitSequential(context: DeriveContext, lowered: LoweredSequential): Js {
  const { before } = lowered;
  const { variable, shape, positionAxes, order, each, reads } = lowered.sequential;
  return object({
    variable: str(variable),
    shape: numbers(shape),
    dtype: str(variableOf(context, variable).domain.name === "category" ? "i32" : "f32"),
    positionAxes: num(positionAxes),
    order: order === "natural" ? undefined : literal(order),
    orders: each.length === 0 ? undefined : array(each.map(literal)),
    reads: reads.length === 0 ? undefined : array(reads.map(str)),
    before: before && name(before.name),
    params: name(lowered.params.name),
    draw: arrow("(params, key, shape)", method(lowered.object, "sample", name("key"), lowered.fields, name("shape"))),
    temperature: lowered.temperature && object(lowered.temperature),
    mean: lowered.hasMean ? arrow("(params)", method(lowered.object, "mean", lowered.fields)) : undefined,
  });
}
