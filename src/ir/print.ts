/**
 * The model IR as text, for `--dump=ir` and for tests: every declaration with its types, every expression in the notation of the language, names
 * resolved, families and templates spelled out. Deterministic.
 */
import { showDomain } from "./shapes.js";
import { grouped, showNumber } from "./static.js";
import type {
  ConstraintIr,
  Density,
  Dim,
  DistCall,
  DrawTarget,
  EstimatorChoice,
  Evaluation,
  Expr,
  Flow,
  LayerInstance,
  ModelIr,
  Net,
  ObjectiveDraw,
  Param,
  Phase,
  SampleIndex,
  Setting,
  SettingValue,
  Side,
  Slot,
  Type,
  Update,
  WeightNode,
} from "./types.js";

export function printIr(model: ModelIr): string {
  const hyper = model.hyper.map((h) => `${h.name} = ${JSON.stringify(h.value)}`).join(", ");
  const variables = [...model.variables.values()].map((v) => `  ${v.role} ${v.name} : ${showDomain(v.domain)} ${sizes(v.domain.shape)}`);
  const streams = model.streams.map((s, i) => `  stream ${i + 1}: ${s.join(", ")}`);
  const parts = [
    `model ${model.name}(${hyper})`,
    ...variables,
    ...streams,
    ...model.params.map(printParam),
    ...model.starts.map((s) => `  ${s.param.name} starts from ${printExpr(s.value)}`),
    ...model.nets.flatMap(printNet),
    ...model.flows.flatMap(printFlow),
    ...model.densities.flatMap(printDensity),
    ...model.objectives.flatMap((o) => [`  objective ${o.name} = ${printExpr(o.value)}`, ...printWeights(o.weights)]),
    ...model.train.flatMap(printPhase),
    ...model.evaluate.map(printEvaluation),
  ];
  return `${parts.join("\n")}\n`;
}

function sizes(shape: readonly Dim[]): string {
  return `[${shape.map((d) => d.size).join(", ")}]`;
}

function printType(type: Type): string {
  if (type.kind === "record") return `(${type.fields.map((f) => `${f.name}: ${printType(f.type)}`).join(", ")})`;
  return `${type.element === "real" ? "" : type.element}${sizes(type.shape)}`;
}

function printParam(param: Param): string {
  const { init } = param;
  const start =
    init.kind === "constant"
      ? `= ${init.value}`
      : init.kind === "values"
        ? `= [${init.values.join(", ")}]`
        : init.kind === "distribution"
          ? `init ${init.dist}(${Object.entries(init.params)
              .map(([k, v]) => `${k} = ${v}`)
              .join(", ")})`
          : `init ${init.kind}`;
  return `  param ${param.name} : ${showDomain(param.domain)} ${sizes(param.domain.shape)} ${start}  (${param.path})`;
}

function printNet(net: Net): readonly string[] {
  const params = net.params.map((p) => `${p.name}: ${printType(p.type)}`).join(", ");
  return [
    `  net ${net.name}(${params}) -> ${printType(net.result.type)}  (${net.path})${net.random ? " draws" : ""}`,
    ...net.body.map((b) => `    ${b.local.name} = ${printExpr(b.value)}  ${printType(b.local.type)}`),
    `    return ${printExpr(net.result)}`,
    ...printWeights(net.weights),
  ];
}

function printFlow(flow: Flow): readonly string[] {
  const given = flow.given.map((g) => `${g.name}: ${printType(g.type)}`).join(", ");
  const { forward, inverse } = flow.directions;
  return [
    `  flow ${flow.name}(${given}) ${printSide(flow.from)} -> ${printSide(flow.to)}  (${flow.path})  forward ${forward}, inverse ${inverse}`,
    ...flow.steps.map((step) => {
      if (step.kind === "own") return `    |> ${step.forward.net}, jacobian ${step.jacobian.kind}  ${printSide(step.to)}`;
      const name = step.kind === "flow" ? step.flow : `${step.instance.path}: ${printInstance(step.instance.bijection, step.instance)}`;
      const net = step.kind === "bijection" && step.conditioner ? `, net ${step.conditioner.net}` : "";
      return `    |> ${name}${net}  ${printSide(step.to)}`;
    }),
    ...printWeights(flow.weights),
  ];
}

function printSide(side: Side): string {
  return `${side.domain}${sizes(side.shape)}`;
}

function printWeights(weights: readonly WeightNode[]): readonly string[] {
  return weights.map((w) => {
    switch (w.kind) {
      case "net":
        return `    weights ${w.name}: net ${w.net}`;
      case "flow":
        return `    weights ${w.name}: flow ${w.flow}`;
      case "layer":
        return `    weights ${w.name}: ${printInstance(w.layer.layer, w.layer)}`;
      case "bijection":
        return `    weights ${w.name}: ${printInstance(w.bijection.bijection, w.bijection)}`;
    }
  });
}

function printInstance(name: string, layer: Pick<LayerInstance, "spec" | "options" | "parameterCount">): string {
  const options = Object.entries(layer.options).map(([k, v]) => `${k} = ${JSON.stringify(v)}`);
  return `${name}(${[...layer.spec.map((s) => JSON.stringify(s)), ...options].join(", ")}), ${layer.parameterCount} numbers`;
}

function printDensity(density: Density): readonly string[] {
  const given = density.given.length > 0 ? ` | ${density.given.join(", ")}` : "";
  const statements = density.statements.map((s) => {
    switch (s.kind) {
      case "bind":
        return `    ${s.binding.local.name} = ${printExpr(s.binding.value)}  ${printType(s.binding.local.type)}`;
      case "draw":
        return `    ${s.helper ? "helper " : ""}${s.variable} ~ ${printDist(s.dist)}`;
      case "define":
        return `    define ${s.variable} = ${printExpr(s.value)}`;
      case "energy":
        return `    energy ${printExpr(s.value)}`;
    }
  });
  return [`  density ${density.name}(${density.head.join(", ")}${given})`, ...statements, ...printWeights(density.weights)];
}

function printPhase(phase: Phase): readonly string[] {
  return [
    `  phase ${JSON.stringify(phase.name)} ${printSettings(phase.settings)}`.trimEnd(),
    ...phase.updates.flatMap(printUpdate),
    ...phase.constraints.map(printConstraint),
  ];
}

function printUpdate(update: Update): readonly string[] {
  const over = update.over.length > 0 ? ` over ${update.over.join(", ")}` : "";
  const by = update.by.map(printBy).join(", ");
  const settings = printSettings(update.settings);
  return [
    `    ${update.direction} ${update.text}${over}${by === "" ? "" : ` by ${by}`}${settings === "" ? "" : `, ${settings}`}`,
    `      = ${printExpr(update.value)}`,
  ];
}

function printBy(choice: EstimatorChoice): string {
  const estimators = choice.estimators.map((e) => {
    const options = Object.entries(e.options).map(([k, v]) => `${k} = ${v}`);
    return options.length > 0 ? `${e.name}(${options.join(", ")})` : e.name;
  });
  return `${choice.variable === undefined ? "" : `${choice.variable}: `}${estimators.join(" and ")}`;
}

function printConstraint({ over, bound }: ConstraintIr): string {
  return bound.kind === "in"
    ? `    constrain ${over} in [${bound.low}, ${bound.high}]`
    : `    constrain norm(${over}, axis ${bound.axis}) <= ${bound.limit}`;
}

function printSettings(settings: readonly Setting[]): string {
  return settings.map((s) => `${s.name} = ${printSetting(s.value)}`).join(", ");
}

function printSetting(value: SettingValue): string {
  if (value.kind !== "call") return JSON.stringify(value.value);
  return `${value.name}(${Object.entries(value.args)
    .map(([k, v]) => `${k} = ${printSetting(v)}`)
    .join(", ")})`;
}

function printEvaluation({ name, value }: Evaluation): string {
  if (value.kind === "objective") return `  evaluate ${name} = ${printExpr(value.expr)}`;
  const options = Object.entries({ ...value.variables, ...value.choices, ...value.options }).map(([k, v]) => `${k} = ${v}`);
  const codes = value.codes ? [printExpr(value.codes.expr)] : [];
  return `  evaluate ${name} = ${value.evaluator}(${[...value.densities, ...codes, ...options].join(", ")})`;
}

function printDist(dist: DistCall): string {
  const params = Object.entries(dist.params).map(([k, v]) => `${k} = ${printExpr(v)}`);
  return `${dist.dist}(${[...params, ...(dist.of ? [`of = ${printDist(dist.of)}`] : [])].join(", ")})`;
}

const operators: Readonly<Record<string, string>> = { add: "+", sub: "-", mul: "*", div: "/", pow: "^", matmul: "@" };

export function printExpr(expr: Expr): string {
  switch (expr.kind) {
    case "number":
      return grouped(expr.text ?? showNumber(expr.value), 3);
    case "schedule":
      return `${expr.name}:${printSetting(expr.schedule)}`;
    case "local":
      return `${expr.local.name}${printSample(expr.sample)}`;
    case "variable":
      return `${expr.variable}${printSample(expr.sample)}`;
    case "param":
      return expr.param;
    case "builtin": {
      const sign = Object.hasOwn(operators, expr.fn) ? operators[expr.fn] : undefined;
      const args = expr.args.map(printExpr);
      if (sign !== undefined) return `(${args.join(` ${sign} `)})`;
      return `${expr.fn}(${[...args, ...Object.entries(expr.options).map(([k, v]) => `${k} = ${JSON.stringify(v)}`)].join(", ")})`;
    }
    case "layer":
      return `${expr.instance.path}(${expr.args.map(printExpr).join(", ")})`;
    case "netCall":
      return `${expr.net}(${expr.args.map(printExpr).join(", ")})`;
    case "flowCall": {
      const given = expr.given.length > 0 ? ` | ${expr.given.map(printExpr).join(", ")}` : "";
      return `${expr.flow}${expr.direction === "inverse" ? ".inverse" : ""}(${printExpr(expr.arg)}${given})`;
    }
    case "record":
      return `(${expr.fields.map((f) => `${f.name} = ${printExpr(f.value)}`).join(", ")})`;
    case "field":
      return `${printExpr(expr.target)}.${expr.field}`;
    case "logDensity":
      return `log ${expr.density}(${printSlots(expr.head, expr.given)})`;
    case "expectation":
      return `E[${expr.draws.map(printDraw).join(", ")}](${printExpr(expr.body)})`;
    case "reduce":
      return `${expr.op}[${expr.index} in 1..${expr.count.text}](${printExpr(expr.body)})`;
    case "optimum":
      return `${expr.op}[${expr.variables.join(", ")}](${printExpr(expr.body)})`;
    case "grad":
      return `grad[${expr.locals.map((l) => `${l.local.name} = ${printExpr(l.value)}`).join(", ")}](${printExpr(expr.body)})`;
  }
}

function printSample(sample: SampleIndex | undefined): string {
  return sample === undefined ? "" : sample.kind === "index" ? `[${sample.index}]` : `[#${sample.position}]`;
}

function printSlots(head: readonly Slot[], given: readonly Slot[]): string {
  const list = (slots: readonly Slot[]): string =>
    slots
      .map((s) =>
        s.value.kind === "variable" && s.value.variable === s.variable && !s.value.sample
          ? s.variable
          : `${s.variable} = ${printExpr(s.value)}`,
      )
      .join(", ");
  return given.length > 0 ? `${list(head)} | ${list(given)}` : list(head);
}

function printDraw(draw: ObjectiveDraw): string {
  const range = draw.samples ? `[1..${draw.samples.text}]` : "";
  const name = (t: DrawTarget): string =>
    t.kind === "variable" ? t.variable : `${t.local.name}${t.of === undefined ? "" : ` for ${t.of}`}`;
  const { source } = draw;
  const from =
    source.kind === "data"
      ? `data stream ${source.stream + 1}`
      : source.kind === "distribution"
        ? printDist(source.dist)
        : `${source.density}(${source.head.join(", ")}${source.given.length > 0 ? ` | ${printSlots(source.given, [])}` : ""})`;
  return `${draw.names.map((t) => `${name(t)}${range}`).join(", ")} ~ ${from}`;
}
