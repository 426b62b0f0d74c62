/**
 * A variable that is drawn entry after entry -> the function of its parameters given its own value, and what the definition says of it: how many
 * axes are positions, their order, how one position is drawn.
 */
import { InternalError } from "../base/internal-error.js";
import type { Sequential } from "../ir/autoregressive/prove.js";
import { type DeriveContext, densityOf } from "../ir/derive/context.js";
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
  const writer = new FunctionWriter(file, ["w", "key", "given"], undefined);
  const values = new Map<string, Value>();
  const scope = modelScope(context, writer, values, name("key"));
  for (const v of [...reads, variable]) values.set(v, writer.bind(v, givenValue(context, v)));
  const dist = lowerDistRecord(scope, definition.dist, sequential.shape.length);
  if (dist.params.kind !== "object") throw new InternalError("parameters are a record");
  const result = flatParameters(definition.dist, dist, sequential.shape.length, 0, "");
  return {
    sequential,
    object: dist.object,
    fields: rebuilt(dist.params.fields, ""),
    hasMean: distributions.get(definition.dist.dist)?.hasMean === true,
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
      ],
      returns: "Readonly<Record<string, Tensor>>",
      body: writer.finish(object(result), undefined),
    },
  };
}

/**
 * Parameters as one flat record, those of what a mixture mixes under `of_loc` where a record of their own holds them. What is the same for all rows
 * gets axes for rows and positions, a number stays one.
 */
function flatParameters(drawn: DistCall, lowered: LoweredDist, eventRank: number, more: number, prefix: string): readonly JsField[] {
  if (lowered.params.kind !== "object") throw new InternalError("parameters are a record");
  const { of } = lowered;
  const own = new Set(Object.keys(drawn.params));
  const apart = lowered.params.fields.some((f) => f.value?.kind === "object");
  const ranks = new Map((distributions.get(drawn.dist)?.parameters ?? []).flat().map((p) => [p.runtime ?? p.name, p.rank + more]));
  const lead = eventRank - (distributions.get(drawn.dist)?.eventRank ?? 0);
  const fields = lowered.params.fields.flatMap((f): JsField[] => {
    if (f.value === undefined || !own.has(f.name)) return [];
    const value = lowered.values[f.name];
    if (f.value.kind === "number") return [{ name: `${prefix}${f.name}`, value: call("constant", f.value) }];
    if (!value || hasLead(value.lead) || value.shape.length === 0) return [{ name: `${prefix}${f.name}`, value: f.value }];
    let js: Js = f.value;
    for (let r = value.shape.length; r <= lead + (ranks.get(f.name) ?? 0); r++) js = call("expandDims", js, num(0));
    return [{ name: `${prefix}${f.name}`, value: js }];
  });
  if (!of || !drawn.of) return fields;
  return [...fields, ...flatParameters(drawn.of, of, eventRank, more + 1, apart ? `${prefix}of_` : prefix)];
}

function rebuilt(fields: readonly JsField[], prefix: string): Js {
  return object(
    fields.map((f): JsField => ({
      name: f.name,
      value:
        f.value?.kind === "object"
          ? rebuilt(f.value.fields, `${prefix}${f.name}_`)
          : call("required", name("params"), str(`${prefix}${f.name}`)),
    })),
  );
}

/** `{ variable: "x", shape: [784], dtype: "f32", positionAxes: 1, params: paramsP, … }` */
export function emitSequential(context: DeriveContext, lowered: LoweredSequential): Js {
  const { before } = lowered;
  const { variable, shape, positionAxes, order, reads } = lowered.sequential;
  return object({
    variable: str(variable),
    shape: numbers(shape),
    dtype: str(variableOf(context, variable).domain.name === "category" ? "i32" : "f32"),
    positionAxes: num(positionAxes),
    order: order === "natural" ? undefined : literal(order),
    reads: reads.length === 0 ? undefined : array(reads.map(str)),
    before: before && name(before.name),
    params: name(lowered.params.name),
    draw: arrow("(params, key, shape)", method(lowered.object, "sample", name("key"), lowered.fields, name("shape"))),
    mean: lowered.hasMean ? arrow("(params)", method(lowered.object, "mean", lowered.fields)) : undefined,
  });
}
