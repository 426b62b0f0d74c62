/**
 * A variable that is drawn entry after entry -> the function of its parameters given its own value, and what the definition says of it: how many
 * axes are positions, their order, how one position is drawn.
 */
import { InternalError } from "../base/internal-error.js";
import type { Sequential } from "../ir/autoregressive/prove.js";
import { type DeriveContext, densityOf } from "../ir/derive/context.js";
import { distributions } from "../ir/distributions.js";
import type { Density } from "../ir/types.js";
import { array, arrow, call, type Js, type JsField, type JsFunction, method, name, num, numbers, object, str } from "./js.js";
import { lowerDistRecord, variableOf } from "./lower-dist.js";
import { literal, type Scope, weightsAt } from "./lower-expr.js";
import { capital } from "./names.js";
import { orderLine } from "./order-text.js";
import { place } from "./place.js";
import { FunctionWriter, hasLead, type Names, type Value } from "./values.js";

const BATCH = { plates: new Set<string>(), batch: true };

export interface LoweredSequential {
  readonly sequential: Sequential;
  /** `paramsP(w, key, given)` */
  readonly params: JsFunction;
  /** The runtime's distribution, and its parameters out of a flat record of them. */
  readonly object: Js;
  readonly fields: Js;
  readonly hasMean: boolean;
}

export function lowerSequential(context: DeriveContext, density: Density, file: Names): LoweredSequential | undefined {
  const sequential = context.sequential.get(density.name);
  if (!sequential) return undefined;
  const { variable, reads } = sequential;
  const definition = densityOf(context, density.name).definitions.get(variable);
  if (definition?.kind !== "draw") throw new InternalError(`${variable} is not drawn`);
  const writer = new FunctionWriter(file, ["w", "key", "given"], undefined);
  const values = new Map<string, Value>();
  const scope: Scope = {
    context,
    writer,
    variable: (v) => values.get(v),
    local: () => undefined,
    weights: weightsAt(""),
    key: name("key"),
  };
  for (const v of [...reads, variable]) {
    const { shape } = variableOf(context, v).domain;
    values.set(v, writer.bind(v, { kind: "tensor", js: call("required", name("given"), str(v)), shape, lead: BATCH }));
  }
  const dist = lowerDistRecord(scope, definition.dist, sequential.shape.length);
  if (dist.params.kind !== "object") throw new InternalError("parameters are a record");
  const flat = flatten(dist.params.fields, "");
  const alone = new Set(Object.entries(dist.values).flatMap(([p, v]) => (hasLead(v.lead) || v.shape.length === 0 ? [] : [p])));
  // What is the same for all rows has no axis of them; a number is one for all positions.
  const result = flat.map(({ name: p, value }): JsField => ({
    name: p,
    value: value.kind === "number" ? call("constant", value) : alone.has(p) ? call("expandDims", value, num(0)) : value,
  }));
  return {
    sequential,
    object: dist.object,
    fields: rebuilt(dist.params.fields, ""),
    hasMean: distributions.get(definition.dist.dist)?.hasMean === true,
    params: {
      name: `params${capital(density.name)}`,
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

/** The parameters of what a mixture mixes, where they stand in a record of their own: `of_loc`. */
function flatten(fields: readonly JsField[], prefix: string): readonly (JsField & { readonly value: Js })[] {
  return fields.flatMap((f) =>
    f.value === undefined
      ? []
      : f.value.kind === "object"
        ? flatten(f.value.fields, `${prefix}${f.name}_`)
        : [{ name: `${prefix}${f.name}`, value: f.value }],
  );
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
export function emitSequential(context: DeriveContext, lowered: LoweredSequential, before: string | undefined): Js {
  const { variable, shape, positionAxes, order, reads } = lowered.sequential;
  return object({
    variable: str(variable),
    shape: numbers(shape),
    dtype: str(variableOf(context, variable).domain.name === "category" ? "i32" : "f32"),
    positionAxes: num(positionAxes),
    order: order === "natural" ? undefined : literal(order),
    reads: reads.length === 0 ? undefined : array(reads.map(str)),
    before: before === undefined ? undefined : name(before),
    params: name(lowered.params.name),
    draw: arrow("(params, key, shape)", method(lowered.object, "sample", name("key"), lowered.fields, name("shape"))),
    mean: lowered.hasMean ? arrow("(params)", method(lowered.object, "mean", lowered.fields)) : undefined,
  });
}
