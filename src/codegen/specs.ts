/** Declarations of the model IR as calls of the runtime's spec functions. */
import type { DeriveContext } from "../ir/derive/context.js";
import type { WeightEntry } from "../ir/derive/weights.js";
import { bijections } from "../ir/flows.js";
import type { BijectionInstance, Domain, LayerInstance, Param } from "../ir/types.js";
import { layers } from "../ir/layers.js";
import { InternalError } from "../base/internal-error.js";
import { call, type Js, name, num, numbers, object, str } from "./js.js";
import { layerOptions, literal } from "./lower-expr.js";

/** `binary([784])`, `category(10)` */
export function variableSpec(domain: Domain): Js {
  const shape = domain.shape.map((d) => d.size);
  const spec =
    domain.name === "category"
      ? call("category", num(domain.classes?.size ?? 0), ...(shape.length > 0 ? [numbers(shape)] : []))
      : call(domain.name, ...(shape.length > 0 ? [numbers(shape)] : []));
  return domain.optional ? call("optional", spec) : spec;
}

/** `dense.spec(784, 200)` */
function layerSpec(context: DeriveContext, instance: LayerInstance): Js {
  const runtime = layers.get(instance.layer)?.runtime;
  if (runtime === undefined) throw new InternalError(`no layer ${instance.layer}`);
  return call(`${runtime}.spec`, ...instance.spec.map(literal), ...layerOptions(context, instance, "spec"));
}

/** `planar.spec(2)` */
function bijectionSpec(instance: BijectionInstance): Js {
  const runtime = bijections.get(instance.bijection)?.runtime;
  if (runtime === undefined) throw new InternalError(`no bijection ${instance.bijection}`);
  return call(`${runtime}.spec`, ...instance.spec.map(literal));
}

/** The declaration of a weight. */
export function specOf(context: DeriveContext, of: WeightEntry["of"]): Js {
  switch (of.kind) {
    case "param":
      return paramSpec(of.param);
    case "layer":
      return layerSpec(context, of.instance);
    case "bijection":
      return bijectionSpec(of.instance);
  }
}

/** `param([10, 2], { init: init.normal(0, 0.01) })` */
function paramSpec(param: Param): Js {
  const constraint = ["positive", "unit", "simplex"].includes(param.domain.name) ? str(param.domain.name) : undefined;
  const options = object({ init: paramInit(param), constraint });
  const shape = numbers(param.domain.shape.map((d) => d.size));
  return call("param", shape, ...(options.kind === "object" && options.fields.length > 0 ? [options] : []));
}

function paramInit(param: Param): Js | undefined {
  const { init } = param;
  switch (init.kind) {
    case "default":
    case "values of":
      // of the latter, what it is until training has seen a batch
      return undefined;
    case "constant":
      return call("init.constant", num(init.value));
    case "values":
      return call("init.values", numbers(init.values));
    case "data":
      return { kind: "member", target: name("init"), name: "data" };
    case "distribution": {
      const p = init.params;
      return init.dist === "Uniform"
        ? call("init.uniform", num(p["low"] ?? 0), num(p["high"] ?? 1))
        : call("init.normal", num(p["loc"] ?? 0), num(p["scale"] ?? 1));
    }
  }
}
