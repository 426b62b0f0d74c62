/**
 * Calls and `|>`: of functions, layers, nets, blocks handed to a template, and `repeat(n) { … }`.
 * The left side of `|>` becomes the first argument of the right.
 */
import { remembered } from "../base/remembered.js";
import { report } from "../base/report.js";
import { type Span, textOf } from "../base/source.js";
import { didYouMean } from "../base/suggest.js";
import type * as ast from "../parser/ast.js";
import { type Actual, actualsOf, bindArguments, type Signature } from "./arguments.js";
import { builtinCall } from "./builtin-call.js";
import { type Builtin, builtins, functionNames } from "./builtins.js";
import { distributions } from "./distributions.js";
import type { Env } from "./env.js";
import { elaborateExpr, numberExpr } from "./expr.js";
import { callFlow } from "./flow-call.js";
import { bijections } from "./flows.js";
import { callLayer } from "./layer-call.js";
import { layers } from "./layers.js";
import { callNet } from "./nets.js";
import { readOptions } from "./options.js";
import { scheduleNames } from "./schedules.js";
import { describe, type Entity } from "./scope.js";
import { showStatic } from "./static.js";
import { evaluateStatic, requireInteger } from "./static.js";
import { staticFunctions } from "./static-functions.js";
import { expandTemplate } from "./templates.js";
import type { Expr } from "./types.js";
import { evaluators } from "./settings-table.js";
import { suggestions, synonymOf } from "./unknown.js";

/** No block is repeated more often. */
const maxRepeat = 1_000;

export function elaborateCall(env: Env, call: ast.CallExpr): Expr | undefined {
  return callCallee(env, call.callee, actualsOf(call.args), call.given, call.span);
}

/** A `repeat(n) { … }` or another block that stands without a value on its left. */
export function elaborateCallable(env: Env, expr: ast.BlockCallExpr): Expr | undefined {
  report(
    env.cx.diagnostics,
    "GM2007",
    expr.span,
    { name: calleeText(expr.call.callee), what: "a chain of layers", expected: "a value" },
    {
      help: [`give it its input: \`x |> ${calleeText(expr.call.callee)}(…) { … }\``],
    },
  );
  return undefined;
}

const PIPED: readonly string[] = ["the right side of `|>` is what its left side is handed to"];

/** `input |> target`; `help` towards a target that can be applied. */
export function applyTo(env: Env, target: ast.Expr, input: Expr, span: Span, help = PIPED): Expr | undefined {
  const piped: Actual = { kind: "piped", name: undefined, expr: input, span: input.span };
  switch (target.kind) {
    case "name":
      return callCallee(env, target, [piped], undefined, target.span);
    case "field":
      return callCallee(env, target, [piped], undefined, target.span);
    case "call":
      return callCallee(env, target.callee, [piped, ...actualsOf(target.args)], target.given, target.span);
    case "pipe": {
      const left = applyTo(env, target.left, input, span);
      return left && applyTo(env, target.right, left, span);
    }
    case "blockCall":
      return repeatBlock(env, target, input, span);
    default:
      report(env.cx.diagnostics, "GM2006", target.span, { name: textOf(target.span), what: "no function, layer or net" }, { help });
      return undefined;
  }
}

function repeatBlock(env: Env, block: ast.BlockCallExpr, input: Expr, span: Span): Expr | undefined {
  const name = calleeText(block.call.callee);
  if (name !== "repeat") {
    report(
      env.cx.diagnostics,
      "GM2029",
      block.call.callee.span,
      { name, what: "block" },
      { help: ["`repeat(n) { … }` applies a chain n times"] },
    );
    return undefined;
  }
  const bound = bindArguments(
    env.cx,
    { what: "`repeat`", params: [{ name: "times", required: true }] },
    actualsOf(block.call.args),
    block.call.span,
  );
  const actual = bound?.byName.get("times");
  const times = actual?.kind === "ast" ? requireInteger(env, actual.value, "the number of repetitions", 0, maxRepeat) : undefined;
  if (times === undefined) return undefined;
  let value: Expr | undefined = input;
  for (let i = 0; i < times.value && value !== undefined; i++) value = applyTo(env, block.body, value, span);
  return value;
}

function calleeText(callee: ast.CallExpr["callee"]): string {
  return callee.kind === "name" ? callee.name : callee.field.name;
}

function callCallee(
  env: Env,
  callee: ast.CallExpr["callee"],
  actuals: readonly Actual[],
  given: readonly ast.Arg[] | undefined,
  span: Span,
): Expr | undefined {
  if (callee.kind === "field") return callField(env, callee, actuals, given, span);
  const entity = env.scope.find(callee.name);
  if (given !== undefined && entity?.kind !== "density" && entity?.kind !== "poison" && entity?.kind !== "flow") {
    const at = given[0]?.span ?? span;
    report(
      env.cx.diagnostics,
      "GM2051",
      at,
      { name: callee.name },
      { help: ["a condition after `|` belongs to a density: `log p(x | z)`"] },
    );
    return undefined;
  }
  if (entity?.kind === "flow") return callFlow(env, entity, "forward", actuals, given, span);
  return entity ? callEntity(env, entity, callee, actuals, span) : callTable(env, callee, actuals, span);
}

/** `f.inverse(x)`: the only function of a name that there is. */
function callField(
  env: Env,
  callee: ast.FieldExpr,
  actuals: readonly Actual[],
  given: readonly ast.Arg[] | undefined,
  span: Span,
): Expr | undefined {
  const base = callee.target.kind === "name" ? env.scope.find(callee.target.name) : undefined;
  if (base?.kind === "poison") return undefined;
  const direction = callee.field.name;
  if (base?.kind === "flow" && (direction === "forward" || direction === "inverse"))
    return callFlow(env, base, direction, actuals, given, span);
  report(
    env.cx.diagnostics,
    "GM2006",
    callee.span,
    { name: calleeText(callee), what: "no function of a value" },
    { help: base?.kind === "flow" ? ["a flow has two directions: `f(z)` and `f.inverse(x)`"] : byItself(callee, base !== undefined) },
  );
  return undefined;
}

function callEntity(
  env: Env,
  entity: Exclude<Entity, { kind: "flow" }>,
  callee: ast.NameExpr,
  actuals: readonly Actual[],
  span: Span,
): Expr | undefined {
  switch (entity.kind) {
    case "net":
      return callNet(env, entity, callee, actuals, span);
    case "block":
      return callBlock(env, entity, actuals, span);
    case "objective":
      return expandTemplate(env, entity, callee, actuals, span);
    case "poison":
      return undefined;
    case "density":
      report(
        env.cx.diagnostics,
        "GM2007",
        callee.span,
        { name: callee.name, what: "a density", expected: "a value" },
        {
          help: [`\`log ${callee.name}(…)\` is its log-density; \`E[… ~ ${callee.name}(…)](…)\` draws from it`],
        },
      );
      return undefined;
    default: {
      const table = builtins.has(callee.name) || layers.has(callee.name);
      report(
        env.cx.diagnostics,
        "GM2006",
        callee.span,
        { name: callee.name, what: describe(entity) },
        {
          labels: [{ span: entity.span, text: "declared here" }],
          help: table ? [`it hides the function \`${callee.name}\`: give one of them another name`] : [],
        },
      );
      return undefined;
    }
  }
}

/** A layer, net or chain that was handed to a template: looked up where it was written, its weights kept where it is called. */
function callBlock(env: Env, block: Extract<Entity, { kind: "block" }>, actuals: readonly Actual[], span: Span): Expr | undefined {
  const inner: Env = { ...block.env, owner: env.owner, site: env.site };
  const [first, ...more] = actuals;
  const resolved: Actual[] = [];
  for (const actual of actuals) {
    if (actual.kind === "piped" || actual.name !== undefined) resolved.push(actual);
    else {
      const expr = elaborateExpr(env, actual.value);
      if (expr === undefined) return undefined;
      resolved.push({ kind: "piped", name: undefined, expr, span: actual.span });
    }
  }
  if (block.ast.kind === "name") return callCallee(inner, block.ast, resolved, undefined, span);
  const input = resolved[0];
  if (first === undefined || input?.kind !== "piped" || more.length > 0) {
    report(
      env.cx.diagnostics,
      "GM2025",
      span,
      { what: "a chain of layers", most: 1, given: actuals.length },
      {
        labels: [{ span: block.ast.span, text: "the chain" }],
        help: [
          "hand it one value, `x |> f` or `f(x)`; options of its layers stand where it is written",
          "a net takes several: `net g(x, y) = …`, handed on by its name",
        ],
      },
    );
    return undefined;
  }
  return applyTo(inner, block.ast, input.expr, span);
}

function callTable(env: Env, callee: ast.NameExpr, actuals: readonly Actual[], span: Span): Expr | undefined {
  const name = callee.name;
  const [first] = actuals;
  if (staticFunctions.has(name) && first?.kind === "ast") {
    const call: ast.CallExpr = {
      kind: "call",
      callee,
      args: actuals.flatMap((a) => (a.kind === "ast" ? [{ name: a.name, value: a.value, span: a.span }] : [])),
      given: undefined,
      span,
    };
    const value = call.args.length === actuals.length ? evaluateStatic(env, call) : undefined;
    if (value === undefined) return undefined;
    if (value.kind === "number") return numberExpr(value, span);
    if (value.kind !== "dynamic") {
      report(env.cx.diagnostics, "GM2028", span, { expected: "a number or a tensor", found: showStatic(value) });
      return undefined;
    }
  }
  const layer = layers.get(name);
  const entry = builtins.get(twoSided(name, actuals));
  if (layer && !(entry && handsKernel(env, entry, actuals))) return callLayer(env, layer, actuals, span);
  if (entry && entry.symbol === undefined) return callBuiltin(env, entry, actuals, span);
  if (distributions.has(name)) {
    report(
      env.cx.diagnostics,
      "GM3009",
      callee.span,
      { name },
      { help: [`draw from it: \`z ~ ${name}(…)\` in a density, \`E[u ~ ${name}(…)](…)\` in an objective`] },
    );
    return undefined;
  }
  if (scheduleNames.includes(name)) {
    // a schedule names how long it runs, and takes no input
    const isLayer = actuals.some((a) => a.kind === "piped") || (env.mode === "net" && actuals.every((a) => a.name === undefined));
    const meant = isLayer ? synonymHelp(name, actuals) : undefined;
    const help = meant ?? "hand it to an objective: `ELBO(p, q, beta = linear(0, 1, epochs = 10))`";
    report(env.cx.diagnostics, "GM2054", callee.span, { name }, { help: [help] });
    return undefined;
  }
  if (name === "length" || name === "size") {
    report(env.cx.diagnostics, "GM2028", span, {
      expected: name === "length" ? "one list" : "one value that has a name",
      found: `${actuals.length} arguments`,
    });
    return undefined;
  }
  const known = synonymHelp(name, actuals);
  const callable = (e: Entity): boolean => e.kind === "net" || e.kind === "block" || (env.mode === "objective" && e.kind === "objective");
  const measuring = env.site === "evaluate" ? [...evaluators.keys()] : [];
  const near = didYouMean(name, [...env.scope.visible(callable), ...functionNames, ...layers.keys(), ...measuring]);
  const behind = env.scope.findBehind(name) !== undefined;
  const help = measuring.includes(name)
    ? [`\`${name}(…)\` is a line of \`evaluate\` by itself: \`measure = ${name}(…)\``]
    : behind
      ? suggestions(env.scope, name, callable)
      : known
        ? [known]
        : bijections.has(name)
          ? [`\`${name}\` is a bijection, a step of a flow: what is applied to a value is a net, such as \`mlp([64])\`, or a flow`]
          : near
            ? [`did you mean \`${near}\`?`]
            : suggestions(env.scope, name, callable);
  report(env.cx.diagnostics, "GM2029", callee.span, { name, what: "function, layer or net" }, { help });
  return undefined;
}

/** `np.exp(w)`, `w.exp()`: functions belong to no module and to no value. */
function byItself({ target, field: { name } }: ast.FieldExpr, isValue: boolean): readonly string[] {
  const own = functionNames.includes(name) || layers.has(name);
  const argument = isValue ? textOf(target.span) : "…";
  return own ? [`functions stand by themselves: write \`${name}(${argument})\``] : [synonymOf(synonyms, name) ?? []].flat();
}

/** What a name of other tools is called here, with the width of the call at hand: `x |> Linear(784, H)` is `dense(H)`. */
function synonymHelp(name: string, actuals: readonly Actual[]): string | undefined {
  const units = actuals.slice(1).findLast((a) => a.kind === "ast" && a.name === undefined);
  return synonymOf(synonyms, name)?.replace("units", () => (units?.kind === "ast" ? textOf(units.value.span) : "units"));
}

/** `max(a, b)` is the greater of both, `max(x)` the greatest entry. */
export function twoSided(name: string, actuals: readonly Actual[]): string {
  if (actuals.length < 2 || actuals.some((a) => a.name !== undefined)) return name;
  return name === "max" ? "maximum" : name === "min" ? "minimum" : name;
}

/** `conv(x, W)` and `conv(x, kernel = W)` are the function of two values, `conv(x, 32, 3)` is the layer. */
function handsKernel(env: Env, entry: Builtin, actuals: readonly Actual[]): boolean {
  const [, second] = entry.args;
  if (actuals.some((a) => a.name?.name === second)) return true;
  const kernel = actuals.filter((a) => a.name === undefined)[1];
  return kernel?.kind === "piped" || (kernel !== undefined && evaluateStatic(env, kernel.value)?.kind === "dynamic");
}

export const signatureOf = remembered((entry: Builtin): Signature => ({
  what: `\`${entry.fn}\``,
  params: [
    ...entry.args.map((name) => ({ name, required: true })),
    ...entry.options.map((o) => ({ name: o.name, required: o.required === true, named: o.named === true })),
  ],
  ...(entry.rest ? { rest: "more" } : entry.restOption ? { rest: entry.restOption } : {}),
}));

function callBuiltin(env: Env, entry: Builtin, actuals: readonly Actual[], span: Span): Expr | undefined {
  const signature = signatureOf(entry);
  const { what } = signature;
  const bound = bindArguments(env.cx, signature, actuals, span);
  if (!bound) return undefined;
  const values: Expr[] = [];
  let ok = true;
  for (const actual of [...entry.args.map((name) => bound.byName.get(name)), ...(entry.rest ? bound.rest : [])]) {
    const value = actual && valueOf(env, actual);
    if (value) values.push(value);
    else ok = false;
  }
  const [first] = values;
  const shape = first?.type.kind === "tensor" ? first.type.shape : [];
  if (!ok) return undefined;
  const rest = entry.restOption && !entry.rest ? { option: entry.restOption, actuals: bound.rest } : undefined;
  const statics = readOptions(env, what, entry.options, bound.byName, rest, shape);
  return statics && builtinCall(env, entry.fn, values, span, statics);
}

export function valueOf(env: Env, actual: Actual): Expr | undefined {
  return actual.kind === "piped" ? actual.expr : elaborateExpr(env, actual.value);
}

/** Names from other tools. */
const synonyms: Readonly<Record<string, string>> = {
  linear: "a linear layer is `dense(units)`",
  Linear: "a linear layer is `dense(units)`",
  fc: "a fully connected layer is `dense(units)`",
  Dense: "layers are written small: `dense(units)`",
  conv2d: "write `conv(channels, size)`",
  Conv2d: "write `conv(channels, size)`",
  deconv: "write `conv_transpose(channels, size, stride = 2)`",
  cat: "write `concat(a, b)`",
  concatenate: "write `concat(a, b)`",
  matmul: "write `a @ b`",
  dot: "write `a @ b`",
  ln: "the natural logarithm is `log`",
  relu6: "write `clip(x, 0, 6)`",
  swish: "write `silu`",
  one_hot: "write `onehot(y)`",
  detach: "write `stop(x)`",
  stop_gradient: "write `stop(x)`",
  argmin: "write `argmax(-x)`",
  std: "write `sqrt(mean(square(x - mean(x))))`",
  KL: "write it as an expectation: `E[z ~ q(z | x)](log q(z | x) - log p(z))`",
  kl: "write it as an expectation: `E[z ~ q(z | x)](log q(z | x) - log p(z))`",
};
