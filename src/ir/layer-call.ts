/** Layers where they stand: arguments checked, an instance with a path of its own hung on its owner. */
import { remembered } from "../base/remembered.js";
import { report } from "../base/report.js";
import type { Span } from "../base/source.js";
import { type Actual, bindArguments, type Signature } from "./arguments.js";
import { notTooDeep, reportLabel, requireTensor, withinLimit } from "./builtin-call.js";
import { valueOf } from "./calls.js";
import { type Env, newPlace, type Owner } from "./env.js";
import { factsOf } from "./facts.js";
import { type Layer, parameterCount } from "./layer-entry.js";
import { readOptions } from "./options.js";
import { maxElements, showShape, showType, tensor } from "./shapes.js";
import type { Expr, LayerInstance } from "./types.js";

const signatureOf = remembered((layer: Layer): Signature => ({
  what: `\`${layer.name}\``,
  params: [
    { name: "x", required: true },
    ...layer.options.map((o) => ({ name: o.name, required: o.required === true, named: o.named === true })),
  ],
  elsewhere: (name, value) =>
    /^(?:act|activation|nonlinearity)$/u.test(name)
      ? `an activation is a step of its own: \`${layer.name}(…) |> ${/^["']?([\p{L}_][\p{L}\p{N}_]*)["']?$/u.exec(value)?.[1] ?? "relu"}\``
      : undefined,
}));

export function callLayer(env: Env, layer: Layer, actuals: readonly Actual[], span: Span): Expr | undefined {
  const signature = signatureOf(layer);
  const { what } = signature;
  const bound = bindArguments(env.cx, signature, actuals, span);
  const input = bound?.byName.get("x");
  const x = input && valueOf(env, input);
  if (!bound || !x) return undefined;
  const type = requireTensor(env, x);
  if (!type) return undefined;
  if (type.element !== layer.takes) {
    if (type.element === "int") reportLabel(env, x, what);
    else report(env.cx.diagnostics, "GM2050", x.span, { what, found: showType(type) });
    return undefined;
  }
  const statics = readOptions(env, what, layer.options, bound.byName, undefined, type.shape);
  if (!statics) return undefined;
  const classes = factsOf(env.cx, x).classes;
  const result = layer.apply({ cx: env.cx, name: layer.name, span, inputSpan: x.span, input: type.shape, classes, ...statics });
  if (!result || !withinLimit(env, tensor(result.shape), span)) return undefined;
  const count = parameterCount(result);
  if (count > maxElements) {
    const [largest = []] = Object.values(result.weights);
    const entries = largest.reduce((a, b) => a * b, 1);
    const shape = showShape(largest.map((n) => ({ size: n, text: String(n) })));
    report(env.cx.diagnostics, "GM2019", span, { shape, count: entries > maxElements ? entries : count });
    return undefined;
  }
  const instance = hang(env, layer, span, {
    spec: result.spec,
    options: result.options,
    ...(result.masking ? { masking: result.masking } : {}),
    parameterCount: count,
  });
  return instance && notTooDeep(env, { kind: "layer", instance, args: [x], type: tensor(result.shape), span });
}

function hang(
  env: Env,
  layer: Layer,
  span: Span,
  made: Pick<LayerInstance, "spec" | "options" | "masking" | "parameterCount">,
): LayerInstance | undefined {
  if (refused(env, env.owner, `\`${layer.name}\``, span)) return undefined;
  const { name, path } = newPlace(env.owner, layer.name);
  const instance: LayerInstance = { layer: layer.name, path, ...made, span };
  if (!layer.weightless) env.owner.weights.push({ kind: "layer", name, layer: instance });
  if (layer.keyed) env.owner.random = true;
  return instance;
}

/** Weights need an owner with a name: reports where the code at hand has none. */
export function refused(env: Env, owner: Owner, what: string, span: Span): boolean {
  if (owner.refusal === undefined) return false;
  report(
    env.cx.diagnostics,
    "GM2052",
    span,
    { what, block: owner.refusal },
    {
      help: [
        owner.refusal === "init"
          ? "a parameter starts from what is there: call a net of the model, `net f(x) = …`"
          : "give the expression a name, `objective V = …`, and use `V` here",
      ],
    },
  );
  return true;
}
