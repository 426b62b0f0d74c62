/**
 * Distributions where they are drawn from: parameters under their names, shapes against the variable's, values against what the
 * distribution allows (a scale above zero, probabilities in 0..1), the distribution against the variable's domain.
 */
import { synonymOf } from "./unknown.js";
import { report } from "../base/report.js";
import { type Span, textOf } from "../base/source.js";
import { didYouMeanHelp } from "../base/suggest.js";
import type * as ast from "../parser/ast.js";
import { type Actual, actualsOf, bindArguments } from "./arguments.js";
import { reportLabel, requireTensor } from "./builtin-call.js";
import { valueOf } from "./calls.js";
import { checkDomain, checkEnds } from "./dist-domain.js";
import { checkOrder, checkParameterValue, checkScale, checkSquashed } from "./dist-values.js";
import {
  type Distribution,
  type DistributionParameter,
  type ParameterDomain,
  distributions,
  distributionSynonyms,
  parameterSynonyms,
} from "./distributions.js";
import type { Env } from "./env.js";
import { numberExpr } from "./expr.js";
import { describe } from "./scope.js";
import { broadcastShapes, broadcastsTo, dim, sameShape, scalarType, shapeOf, showDim, showDomain, showShape } from "./shapes.js";
import { shapeHelp } from "./shape-help.js";
import { numberOf } from "./static.js";
import type { Dim, DistCall, Expr, TensorType, Variable } from "./types.js";
import { freeVariables } from "./walk.js";

/** What is drawn: a variable of the model, or something whose shape the distribution decides. */
export interface Drawn {
  readonly dist: DistCall;
  readonly entry: Distribution;
  /** Event shape: the variable's, or what the parameters broadcast to. */
  readonly shape: readonly Dim[];
  /** K of a category, undefined for other distributions. */
  readonly classes: Dim | undefined;
}

export function elaborateDist(env: Env, expr: ast.Expr, variable: Variable | undefined): Drawn | undefined {
  const found = distributionOf(env, expr);
  if (!found) return undefined;
  const { call, entry } = found;
  if (call.given) {
    report(env.cx.diagnostics, "GM2051", call.given[0]?.span ?? call.span, { name: entry.name });
    return undefined;
  }
  const actuals = actualsOf(call.args);
  const mixed = entry.mixes
    ? actuals.find((a) => a.kind === "ast" && (a.name === undefined || a.name.name === "of") && isDistribution(env, a.value))
    : undefined;
  const alternative = chooseAlternative(
    env,
    entry,
    actuals.filter((a) => a !== mixed),
    call.span,
  );
  if (!alternative) return undefined;
  const params = alternative.map((p) => ({ name: p.name, required: p.fallback === undefined }));
  const total = variable?.role === "data" ? alternative.find((p) => p.ownSum)?.name : undefined;
  const usual = total === undefined || !variable ? {} : { [total]: `of counts given their total: \`${total} = sum(${variable.name})\`` };
  const signature = { what: `\`${entry.name}\``, params, synonyms: parameterSynonyms, usual };
  const bound = bindArguments(
    env.cx,
    signature,
    actuals.filter((a) => a !== mixed),
    call.span,
  );
  const of = mixed?.kind === "ast" ? mixedPart(env, entry, mixed.value) : undefined;
  if (entry.mixes && !of) {
    if (!mixed && bound)
      report(
        env.cx.diagnostics,
        "GM2024",
        call.span,
        { what: "`Mixture`", missing: "the distribution that is mixed" },
        { help: ["`Mixture(w, Normal(mu, s))`, or with names `Mixture(logits = w, of = Normal(mu, s))`"] },
      );
    return undefined;
  }
  const values = bound && parameterValues(env, entry, alternative, bound.byName, variable, call.span);
  if (!values || !checkOrder(env, entry, values.get("low")?.expr, values.get("high")?.expr)) return undefined;
  const shapes = checkShapes(env, entry, alternative, values, variable, call.span, of !== undefined);
  if (!shapes || (of && !checkMixture(env, values, of, variable, call.span))) return undefined;
  if (variable && !checkDomain(env, entry, of?.entry, variable, call)) return undefined;
  if (variable) checkEnds(env, entry, values, variable);
  if (variable && entry.values === "classes" && !checkClasses(env, alternative, values, variable)) return undefined;
  const dist: DistCall = {
    dist: entry.name,
    params: Object.fromEntries([...values].map(([name, value]) => [alternative.find((p) => p.name === name)?.runtime ?? name, value.expr])),
    ...(of ? { of: of.dist } : {}),
    span: call.span,
  };
  return { dist, entry, shape: variable?.domain.shape ?? shapes, classes: classesOf(entry, alternative, values) };
}

function isDistribution(env: Env, expr: ast.Expr): boolean {
  return (
    expr.kind === "call" &&
    expr.callee.kind === "name" &&
    env.scope.find(expr.callee.name) === undefined &&
    distributions.has(expr.callee.name)
  );
}

function distributionOf(env: Env, expr: ast.Expr): { readonly call: ast.CallExpr; readonly entry: Distribution } | undefined {
  const name = expr.kind === "call" && expr.callee.kind === "name" ? expr.callee.name : expr.kind === "name" ? expr.name : undefined;
  const at = expr.kind === "call" ? expr.callee.span : expr.span;
  const entity = name === undefined ? undefined : env.scope.find(name);
  if (entity?.kind === "poison") return undefined;
  const entry = name === undefined || entity ? undefined : distributions.get(name);
  if (entry && expr.kind === "call") return { call: expr, entry };
  if (entry && expr.kind === "name") return { call: { kind: "call", callee: expr, args: [], given: undefined, span: expr.span }, entry };
  if (name !== undefined && !entity) {
    const synonym = synonymOf(distributionSynonyms, name);
    report(
      env.cx.diagnostics,
      "GM3008",
      at,
      { name },
      { help: synonym ? [`it is called \`${synonym}\` here`] : didYouMeanHelp(name, distributions.keys()) },
    );
    return undefined;
  }
  const what = entity ? `\`${name}\` is ${describe(entity)}` : "this is an expression";
  report(
    env.cx.diagnostics,
    "GM3010",
    at,
    { what },
    { help: ["`~` draws from a distribution, as `z ~ Normal(0, 1)`; `=` binds or defines a value"] },
  );
  return undefined;
}

/** The way the parameters are given: the list that holds every name given; positional arguments mean the first. */
function chooseAlternative(
  env: Env,
  entry: Distribution,
  actuals: readonly Actual[],
  span: Span,
): readonly DistributionParameter[] | undefined {
  const names = actuals.flatMap((a) => (a.name ? [a.name] : []));
  const [first = []] = entry.parameters;
  const fits = entry.parameters.find((list) => names.every((n) => list.some((p) => p.name === n.name)));
  if (fits) return fits;
  const known = names.filter((n) => entry.parameters.some((list) => list.some((p) => p.name === n.name)));
  if (known.length === names.length) {
    report(
      env.cx.diagnostics,
      "GM3011",
      span,
      { dist: entry.name, names: names.map((n) => `\`${n.name}\``).join(" and ") },
      {
        help: [
          `give one of them: ${entry.parameters.map((list) => `\`${entry.name}(${list.map((p) => p.name).join(", ")})\``).join(" or ")}`,
        ],
      },
    );
    return undefined;
  }
  return entry.parameters.find((list) => known.length > 0 && known.every((n) => list.some((p) => p.name === n.name))) ?? first;
}

interface ParameterValue {
  readonly expr: Expr;
  readonly type: TensorType;
}

function parameterValues(
  env: Env,
  entry: Distribution,
  list: readonly DistributionParameter[],
  byName: ReadonlyMap<string, Actual>,
  variable: Variable | undefined,
  span: Span,
): ReadonlyMap<string, ParameterValue> | undefined {
  const values = new Map<string, ParameterValue>();
  let ok = true;
  for (const param of list) {
    const actual = byName.get(param.name);
    if (!actual) {
      if (param.fallback === undefined) continue;
      // what is left out is written into the model: nothing after this knows of defaults
      const expr = numberExpr(numberOf(param.fallback), span);
      values.set(param.name, { expr, type: scalarType });
      continue;
    }
    const own = param.ownSum ? variable : undefined;
    const expr = valueOf(env, actual);
    const type = expr && requireTensor(env, expr);
    if (expr && own !== undefined && !checkOwnSum(env, entry, param, expr, own)) {
      ok = false;
      continue;
    }
    if (!expr || !type) ok = false;
    else if (type.element === "int") {
      // a label as one parameter after another is one mistake
      if (ok) reportLabel(env, expr, `\`${param.name}\` of \`${entry.name}\``);
      ok = false;
    } else if (checkParameterValue(env, entry, param, expr)) {
      values.set(param.name, { expr, type });
      checkScale(env, entry, list, param, expr, actual.name !== undefined);
      checkSquashed(env, entry, param, expr);
    } else ok = false;
  }
  return ok ? values : undefined;
}

/** `sum(x)` of `x ~ Multinomial(sum(x), …)`: the only way in which a variable may stand in such a parameter. */
function checkOwnSum(env: Env, entry: Distribution, param: DistributionParameter, expr: Expr, { name: variable, role }: Variable): boolean {
  if (!freeVariables(expr).has(variable)) return true;
  const [summed] = expr.kind === "builtin" && expr.fn === "sum" ? expr.args : [];
  const axes = expr.kind === "builtin" ? (expr.options["axes"] as readonly number[] | undefined) : undefined;
  const isSum = summed?.kind === "variable" && summed.variable === variable && axes?.length === 1 && axes[0] === -1;
  if (isSum && role === "data") return true;
  const rank = env.cx.variables.get(variable)?.domain.shape.length ?? 1;
  const sum = rank > 1 ? `sum(${variable}, axis = -1)` : `sum(${variable})`;
  report(
    env.cx.diagnostics,
    "GM3018",
    expr.span,
    { variable, density: env.site },
    {
      help: [
        role === "data"
          ? `\`${param.name}\` of \`${entry.name}\` may be the sum of \`${variable}\` and nothing else: \`${sum}\``
          : `\`${sum}\` may be the total of a \`${entry.name}\` where \`${variable}\` is data: the total of a latent is not known`,
      ],
    },
  );
  return false;
}

/** The event shape that the parameters broadcast to, or undefined where one does not fit. */
function checkShapes(
  env: Env,
  entry: Distribution,
  list: readonly DistributionParameter[],
  values: ReadonlyMap<string, ParameterValue>,
  variable: Variable | undefined,
  span: Span,
  mixture: boolean,
): readonly Dim[] | undefined {
  const draw = drawShape(entry, list, values);
  let batch: readonly Dim[] = [];
  for (const param of list) {
    const value = values.get(param.name);
    if (!value) continue;
    const own = value.type.shape;
    const scalarStands = param.repeats === true && own.length === 0;
    if (own.length < param.rank && !scalarStands) {
      const needs = param.rank === 2 ? "a matrix" : entry.values === "classes" || mixture ? "a vector, one entry a class" : "a vector";
      report(
        env.cx.diagnostics,
        "GM3014",
        value.expr.span,
        {
          param: param.name,
          dist: entry.name,
          expected: needs,
          found: showShape(own),
        },
        { help: [rankHelp(param, value, variable)] },
      );
      return undefined;
    }
    const outer = scalarStands ? [] : own.slice(0, own.length - param.rank);
    const wide = broadcastShapes(batch, outer);
    if (!wide) {
      const misfit = variable && worstParameter(list, values, variable.domain.shape, entry);
      if (misfit) return refuseShape(env, entry, misfit, variable);
      report(
        env.cx.diagnostics,
        "GM3014",
        value.expr.span,
        {
          param: param.name,
          dist: entry.name,
          expected: `something that repeats to ${showShape(batch)}`,
          found: showShape(own),
        },
        { help: [`give it the shape ${showShape(batch)}, or that shape less leading axes, or a scalar`] },
      );
      return undefined;
    }
    batch = wide;
  }
  const natural = [...batch, ...draw];
  if (!variable) return natural;
  const shape = variable.domain.shape;
  if (
    natural.length <= shape.length &&
    broadcastsTo(natural, shape) &&
    (entry.eventRank === 0 || sameShape(draw, shape.slice(shape.length - draw.length)))
  )
    return shape;
  return refuseShape(env, entry, worstParameter(list, values, shape, entry), variable, { span, found: natural });
}

/** What a `param` whose values a parameter of a distribution may have is declared as. */
const declaredDomains = {
  real: "real",
  positive: "positive",
  unit: "unit",
  simplex: "simplex",
  count: "count",
  lowerTriangular: "real",
  covariance: "real",
} as const satisfies Readonly<Record<ParameterDomain, string>>;

/** How a parameter with too few axes gets them: by one index less, or from a declaration of its own. */
function rankHelp(param: DistributionParameter, { expr }: ParameterValue, variable: Variable | undefined): string {
  const text = textOf(expr.span);
  const index = /^([^[\]]+)\[(.+),\s*[^,[\]]+\]$/u.exec(text);
  if (index) return `\`${text}\` is one entry: \`${index[1] ?? ""}[${index[2] ?? ""}]\` is the row that it stands in`;
  const entries = variable?.domain.classes?.text ?? variable?.domain.shape.at(-1)?.text ?? "K";
  const shape = param.rank === 2 ? `${entries}, ${entries}` : entries;
  if (expr.kind === "number" && param.rank === 1 && param.domain === "positive")
    return `for entries that are alike: \`${text} * ones(${entries})\``;
  const declared = `param ${param.name} : ${declaredDomains[param.domain]}[${shape}]`;
  return `give a value with ${param.rank === 1 ? "an axis" : `${param.rank} axes`}, as \`${declared}\` has, or what a net gives for each`;
}

/** `found`: what all parameters make together, where no single one is to blame. */
function refuseShape(
  env: Env,
  entry: Distribution,
  culprit: ReturnType<typeof worstParameter>,
  variable: Variable,
  all?: { readonly span: Span; readonly found: readonly Dim[] },
): undefined {
  const { shape } = variable.domain;
  report(
    env.cx.diagnostics,
    "GM3014",
    culprit?.value.expr.span ?? all?.span ?? variable.span,
    {
      param: culprit?.name ?? "parameters",
      dist: entry.name,
      expected: expectedShape(shape, culprit?.rank ?? 0, entry),
      found: showShape(culprit?.value.type.shape ?? all?.found ?? []),
    },
    {
      labels: [{ span: variable.span, text: `\`${variable.name}\` is ${showDomain(variable.domain)}` }],
      notes: shape.length > 0 ? [`\`${variable.name}\` has the shape ${showShape(shape)}`] : [`\`${variable.name}\` is a scalar`],
      help: culprit ? shapeHelp(env, culprit.value.expr, shape, (own) => broadcastsTo(outerShape(own, culprit.rank, entry), shape)) : [],
    },
  );
  return undefined;
}

/** Axes of one draw. */
function drawShape(
  entry: Distribution,
  list: readonly DistributionParameter[],
  values: ReadonlyMap<string, ParameterValue>,
): readonly Dim[] {
  if (entry.eventRank === 0) return [];
  const name = list.find((p) => p.name === entry.drawAxis)?.name ?? list.find((p) => p.rank > 0)?.name;
  const shape = name === undefined ? [] : (values.get(name)?.type.shape ?? []);
  return shape.slice(shape.length - 1);
}

function worstParameter(
  list: readonly DistributionParameter[],
  values: ReadonlyMap<string, ParameterValue>,
  shape: readonly Dim[],
  entry: Distribution,
): { readonly name: string; readonly rank: number; readonly value: ParameterValue } | undefined {
  for (const { name, rank } of list) {
    const value = values.get(name);
    if (!value) continue;
    if (!broadcastsTo(outerShape(value.type.shape, rank, entry), shape)) return { name, rank, value };
  }
  return undefined;
}

/** Axes of a parameter that stand for axes of what is drawn. */
function outerShape(own: readonly Dim[], rank: number, entry: Distribution): readonly Dim[] {
  const batch = own.slice(0, own.length - rank);
  return entry.eventRank > 0 ? batch.concat(own.slice(own.length - entry.eventRank)) : batch;
}

function expectedShape(shape: readonly Dim[], rank: number, entry: Distribution): string {
  if (rank === 0 || entry.eventRank > 0) return showShape(shape);
  return showShape([...shape, dim(1, "classes")])
    .replace(/, 1\]$/, ", …]")
    .replace(/\[1\]$/, "[…]");
}

/** The last axis of the logits of a category. */
function classesOf(
  entry: Distribution,
  list: readonly DistributionParameter[],
  values: ReadonlyMap<string, ParameterValue>,
): Dim | undefined {
  return entry.values === "classes" ? values.get(list.find((p) => p.rank === 1)?.name ?? "")?.type.shape.at(-1) : undefined;
}

function checkClasses(
  env: Env,
  list: readonly DistributionParameter[],
  values: ReadonlyMap<string, ParameterValue>,
  variable: Variable,
): boolean {
  const value = values.get(list.find((p) => p.rank === 1)?.name ?? "");
  const last = value?.type.shape.at(-1);
  const classes = variable.domain.classes;
  if (!value || !last || !classes || last.size === classes.size) return true;
  report(
    env.cx.diagnostics,
    "GM3016",
    value.expr.span,
    { variable: variable.name, classes: showDim(classes), found: showDim(last) },
    {
      labels: [{ span: variable.span, text: `${showDim(classes)} classes` }],
      help: classesHelp(env, value.expr, classes, variable),
    },
  );
  return false;
}

/** The table of the probabilities, or the layer that they come from, with an entry for each class. */
function classesHelp({ cx }: Env, expr: Expr, classes: Dim, variable: Variable): readonly string[] {
  const param = expr.kind === "param" ? cx.params.find((p) => p.name === expr.param) : undefined;
  const shape = param && [...param.domain.shape.slice(0, -1), classes];
  const wanted = param && shape ? `\`${param.name} : ${showDomain({ ...param.domain, shape })}\`` : `a last axis of ${classes.text}`;
  const found = shapeOf(expr).at(-1);
  const other = found ? `\`${variable.name} : ${showDomain({ ...variable.domain, classes: found })}\`` : undefined;
  return [`give the probabilities ${param ? "an entry for each class: " : ""}${wanted}`, ...(other ? [`or declare ${other}`] : [])];
}

function mixedPart(env: Env, entry: Distribution, expr: ast.Expr): Drawn | undefined {
  const part = elaborateDist(env, expr, undefined);
  if (!part) return undefined;
  if (part.entry.eventRank === 0 && !part.entry.mixes && part.entry.values !== "classes") return part;
  report(
    env.cx.diagnostics,
    "GM3010",
    expr.span,
    { what: `\`${part.entry.name}\` cannot be mixed by \`${entry.name}\`` },
    { help: ["declare the component as a `category` latent; it is summed out exactly"] },
  );
  return undefined;
}

/** Components are the last axis of the weights and of the parameters of the distribution that is mixed. */
function checkMixture(
  env: Env,
  values: ReadonlyMap<string, ParameterValue>,
  of: Drawn,
  variable: Variable | undefined,
  span: Span,
): boolean {
  const [weights] = values.values();
  const components = weights?.type.shape.at(-1);
  const last = of.shape.at(-1);
  if (!weights || !components) return true;
  const outer = of.shape.slice(0, -1);
  if (last && last.size === components.size && (!variable || broadcastsTo(outer, variable.domain.shape))) return true;
  report(env.cx.diagnostics, "GM2003", span, {
    what: "the parameters that `Mixture` mixes have the components as their last axis",
    expected: showShape([...(variable?.domain.shape ?? []), components]),
    found: showShape(of.shape),
  });
  return false;
}
