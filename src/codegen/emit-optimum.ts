/**
 * A maximum over continuous latents in the generated file: the smooth part and the priors as functions, the problem as a constant of the runtime's
 * `ascendable`; in the definition, the stages that find the latents before an update's gradients, and the latents found in an evaluation.
 */
import { distributions } from "../ir/distributions.js";
import type { DeriveContext } from "../ir/derive/context.js";
import { optimaIn } from "../ir/derive/optimum.js";
import { numberOption } from "../ir/estimators.js";
import type { DerivedObjective, Optimum } from "../ir/quantity.js";
import { exprsOf } from "../ir/quantity-walk.js";
import { schedulesIn } from "../ir/derive/schedules.js";
import {
  arrow,
  bool,
  call,
  type Js,
  type JsConst,
  type JsField,
  type JsFunction,
  member,
  name,
  namesIn,
  num,
  numbers,
  object,
  str,
} from "./js.js";
import { lowerDist, variableOf } from "./lower-dist.js";
import { lowerExpr } from "./lower-expr.js";
import { type Called, lowerFunction } from "./lower-objective.js";
import { capital } from "./names.js";
import { place } from "./place.js";
import { quantityText } from "./mathtext.js";
import { densityScope } from "./quantity-scope.js";
import { type Names, tensorValue } from "./values.js";

export interface LoweredOptimum {
  readonly variables: readonly string[];
  readonly problem: JsConst;
  readonly functions: readonly JsFunction[];
  /** What the problem is given of the data and the schedules. */
  readonly data: readonly string[];
  readonly schedules: readonly string[];
}

/** The functions and the constant of an objective's optimum; undefined where it has none. */
export function lowerOptimum(context: DeriveContext, derived: DerivedObjective, fnName: string, file: Names): LoweredOptimum | undefined {
  const [optimum] = optimaIn(derived.quantity);
  if (!optimum) return undefined;
  const what = quantityText(context, optimum.body);
  const at = place(optimum.span);
  const smooth = partFunction(
    context,
    derived,
    optimum,
    file,
    `smooth${capital(fnName)}`,
    `What is differentiated in ${optimum.variables.join(", ")} of ${what}  ${at}`,
  );
  const proximal =
    optimum.proximal.length === 0 ? undefined : proximalFunction(context, derived, optimum, file, `priors${capital(fnName)}`, at);
  const given = (f: Called): readonly Js[] => [
    ...f.data.map((v) => call("required", name(optimum.variables.includes(v) ? "at" : "given"), str(v))),
    ...f.schedules.map((s) => call("required", name("given"), str(s))),
  ];
  const parts = [smooth, ...(proximal ? [proximal] : [])];
  return {
    variables: optimum.variables,
    functions: parts.map((p) => p.fn),
    data: [...new Set(parts.flatMap((p) => p.data))].filter((v) => !optimum.variables.includes(v)),
    schedules: [...new Set(parts.flatMap((p) => p.schedules))],
    problem: {
      name: file.fresh(`ascent${capital(fnName)}`),
      doc: [`${optimum.op}[${optimum.variables.join(", ")}](${what})  ${at}`],
      fn: "ascendable",
      typeArguments: "Weights",
      type: "Ascent<Weights>",
      value: object({
        variables: object(optimum.variables.map((v): JsField => ({ name: v, value: variableJs(context, v) }))),
        smooth: arrow("(w, given, at)", call(smooth.fn.name, name("w"), ...given(smooth))),
        proximal: proximal && arrow("(w, given)", call(proximal.fn.name, name("w"), ...given(proximal))),
        curvature: str(optimum.quadratic ? "constant" : "varies"),
      }),
    },
  };
}

function variableJs(context: DeriveContext, variable: string): Js {
  const { domain } = variableOf(context, variable);
  const bounds = domain.name === "positive" ? "nonnegative" : domain.name === "unit" ? "unit" : undefined;
  return object({ shape: numbers(domain.shape.map((d) => d.size)), bounds: bounds && str(bounds) });
}

function partFunction(
  context: DeriveContext,
  derived: DerivedObjective,
  optimum: Optimum,
  file: Names,
  wanted: string,
  doc: string,
): Called {
  const exprs = exprsOf(optimum.smooth);
  const own = { ...derived, quantity: optimum.smooth, random: false, chains: [], schedules: schedulesIn(exprs) };
  return onlyRead(lowerFunction(context, file.fresh(wanted), { ...own, data: [...derived.data, ...optimum.variables] }, [doc], file));
}

/** `{ z: { law: "laplace", loc: 0, scale: w.s } }` */
function proximalFunction(
  context: DeriveContext,
  derived: DerivedObjective,
  optimum: Optimum,
  file: Names,
  wanted: string,
  at: string,
): Called {
  const exprs = optimum.proximal.flatMap((p) => [...p.factors, ...Object.values(p.factor.dist.params)]);
  const own = { ...derived, random: false, chains: [], schedules: schedulesIn(exprs) };
  const priors = (scope: Parameters<typeof lowerDist>[0]): Js =>
    object(
      optimum.proximal.map(({ factor, law, scale, factors }): JsField => {
        const { shape } = variableOf(context, factor.variable).domain;
        const { own: written, params } = lowerDist(densityScope(scope, factor.at, factor.variable), factor.dist, shape.length);
        const weights = factors.map((f) => tensorValue(lowerExpr(scope, f)).js);
        const weight = weights.reduce<Js | undefined>((all, f) => (all ? call("mul", all, f) : f), scale === 1 ? undefined : num(scale));
        const fields = params.kind === "object" ? params.fields : written.map((p) => ({ name: p.name, value: p.value.js }));
        const defaults = (distributions.get(factor.dist.dist)?.parameters[0] ?? []).flatMap((p): JsField[] =>
          fields.some((f) => f.name === p.name) || p.fallback === undefined ? [] : [{ name: p.name, value: num(p.fallback) }],
        );
        return {
          name: factor.variable,
          value: object([{ name: "law", value: str(law) }, ...fields, ...defaults, ...(weight ? [{ name: "weight", value: weight }] : [])]),
        };
      }),
    );
  return onlyRead(
    lowerFunction(
      context,
      file.fresh(wanted),
      own,
      [`Priors with a kink or an edge, as their proximal operators take them  ${at}`],
      file,
      priors,
      "Proximals",
    ),
  );
}

/** Without parameters that nothing reads. */
function onlyRead(called: Called): Called {
  const read = called.fn.body.reduce((found, s) => namesIn(s.value, found), new Set<string>());
  const params = called.fn.params.slice(1);
  const kept = (i: number): boolean => read.has(params[i]?.name ?? "");
  return {
    ...called,
    fn: { ...called.fn, params: [...called.fn.params.slice(0, 1), ...params.filter((_, i) => kept(i))] },
    data: called.data.filter((_, i) => kept(i)),
    schedules: called.schedules.filter((_, i) => kept(called.data.length + i)),
  };
}

// ---- in the definition ------------------------------------------------------------------------------------

/** `{ kind: "ista", steps: 50 }` */
function methodJs({ method, options }: Optimum): Js {
  return object({
    kind: str(method),
    steps: num(numberOption(options, "steps")),
    lr: "lr" in options ? num(numberOption(options, "lr")) : undefined,
  });
}

const STATE = "latents";

function givenJs({ data, schedules }: LoweredOptimum): Js {
  return object([
    ...data.map((v): JsField => ({ name: v, value: member(name("data"), v) })),
    ...schedules.map((s): JsField => ({ name: s, value: member(name("schedule"), s) })),
  ]);
}

function contextParts({ data, schedules }: LoweredOptimum): readonly string[] {
  return [...(data.length > 0 ? ["data"] : []), ...(schedules.length > 0 ? ["schedule"] : [])];
}

/** What an update carries, and its stages before the gradients. */
export function optimumFields(lowered: LoweredOptimum, optimum: Optimum, batch: number): { readonly carried: Js; readonly before: Js } {
  const problem = name(lowered.problem.name);
  const parts = contextParts(lowered);
  const warm = optimum.options["warm"] === true;
  return {
    carried: call("ascentState", problem, str(STATE), num(batch), methodJs(optimum)),
    before: call(
      "ascentStages",
      problem,
      str(STATE),
      arrow(parts.length === 0 ? "()" : `({ ${parts.join(", ")} })`, givenJs(lowered)),
      methodJs(optimum),
      ...(warm ? [bool(true)] : []),
    ),
  };
}

/** The latents that an objective takes: those carried, or found on the spot. */
export function latentsJs(lowered: LoweredOptimum, optimum: Optimum, training: boolean): readonly Js[] {
  if (training) return lowered.variables.map((v) => call("required", name("carried"), str(`${STATE}.${v}`)));
  const found = call("ascend", name(lowered.problem.name), name("w"), givenJs(lowered), name("rows"), methodJs(optimum));
  return lowered.variables.map((v) => call("required", found, str(v)));
}

/** What the call reads of its context besides the objective's own data. */
export function latentsParts(lowered: LoweredOptimum, training: boolean): readonly string[] {
  return training ? ["carried"] : [...contextParts(lowered), "rows"];
}
