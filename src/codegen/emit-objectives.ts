/** Functions of objectives, shared by the statements that ask for the same quantity, and how the definition calls them. */
import type { DerivedModel, DerivedUpdate } from "../ir/derived-model.js";
import { type DeriveContext } from "../ir/derive/context.js";
import { PATHWISE } from "../ir/derive/plan-draw.js";
import { optimaIn } from "../ir/derive/optimum.js";
import type { AskedUse, DerivedObjective, Optimum, Quantity } from "../ir/quantity.js";
import { estimatedPaths } from "../ir/maximisation.js";
import type { Expr } from "../ir/types.js";
import { arrow, call, type Js, type JsDeclaration, member, name, num, str } from "./js.js";
import { partitionMetricName } from "./emit-energy.js";
import { latentsJs, latentsParts, type LoweredOptimum, lowerOptimum } from "./emit-optimum.js";
import { place } from "./place.js";
import { lowerEm } from "./emit-em.js";
import { type Called, freeSamples, functionName, lowerObjective, type LoweredObjective } from "./lower-objective.js";
import { CONTEXT } from "./reserved.js";
import { identifier, Names } from "./values.js";
import { fingerprint } from "../ir/same-expr.js";

/** Ways that are one function: a draw is the same whether a gradient is taken or not, and momentum is the loop's. */
const SAME_FUNCTION: Readonly<Record<string, string>> = { sampled: "reparam", fista: "ista" };

/** Functions of objectives; two statements of the same quantity (a bound trained with k = 5, evaluated with k = 200) share one. */
export class Objectives {
  private readonly known = new Map<string, LoweredObjective>();
  /** Of those that maximise over continuous latents. */
  private readonly optima = new Map<LoweredObjective, LoweredOptimum>();
  /** Of those that expectation maximisation raises. */
  private readonly maximisations = new Map<string, Called>();
  readonly functions: JsDeclaration[] = [];

  constructor(
    private readonly context: DeriveContext,
    /** Names of the file's functions, which locals must not hide. */
    private readonly names: Names,
  ) {}

  get(derived: DerivedObjective, value: Expr, stated: string | undefined, doc: readonly string[]): LoweredObjective {
    const estimators = derived.notes
      .filter((n) => n.estimator !== PATHWISE)
      .map((n) => `${n.variable}:${SAME_FUNCTION[n.estimator] ?? n.estimator}`)
      .join();
    const free = freeSamples(derived) !== undefined;
    const inTraining = derived.orders > 1 || derived.chains.length + derived.partitions.length > 0 ? derived.training : "";
    const schedules = derived.schedules.map((s) => s.name).join();
    const key = [structure(value, free), structure(derived.quantity, free), inTraining, estimators, schedules].join("|");
    const found = this.known.get(key);
    if (found) return this.withEm(found, derived, value);
    const [optimum] = optimaIn(derived.quantity);
    // a maximum's function is what is maximised, at latents that it is given
    const wanted = identifier(functionName(stated, value.kind === "optimum" && optimum ? value.body : value));
    const fnName = this.names.fresh(CONTEXT.has(wanted) ? `${wanted}Value` : wanted);
    const at = optimum ? { ...derived, data: [...derived.data, ...optimum.variables] } : derived;
    const lowered = lowerObjective(this.context, fnName, at, doc, this.names);
    const inner = lowerOptimum(this.context, derived, fnName, this.names);
    if (inner) {
      this.optima.set(lowered, inner);
      this.functions.push(...inner.functions, inner.problem);
    }
    this.known.set(key, lowered);
    this.functions.push(...lowered.chains.flatMap(({ begin }) => (begin ? [begin.fn] : [])), lowered.fn);
    return this.withEm(lowered, derived, value);
  }

  /** With the function of its M-steps, where the statement asks for them. */
  private withEm(lowered: LoweredObjective, derived: DerivedObjective, value: Expr): LoweredObjective {
    const key = maximisationKey(lowered, derived);
    const em = this.maximisations.has(key) ? undefined : lowerEm(this.context, derived, lowered.fn.name, place(value.span), this.names);
    if (em) {
      this.maximisations.set(key, em);
      this.functions.push(em.fn);
    }
    return lowered;
  }

  /** What the M-steps of an objective climb. */
  emOf(lowered: LoweredObjective, derived: DerivedObjective): Called | undefined {
    return this.maximisations.get(maximisationKey(lowered, derived));
  }

  /** What finds the latents of an objective, and how this statement asks for it. */
  optimumOf(lowered: LoweredObjective, derived: DerivedObjective): Found | undefined {
    const inner = this.optima.get(lowered);
    const [optimum] = optimaIn(derived.quantity);
    return inner && optimum && { lowered: inner, optimum };
  }
}

/** M-steps differ by what they estimate and how they average, where the likelihood is one function. */
function maximisationKey(lowered: LoweredObjective, { em }: DerivedObjective): string {
  return JSON.stringify([lowered.fn.name, em?.online, em && estimatedPaths(em)]);
}

/**
 * What is computed: how log Z, hidden variables and matchings are treated, what estimators are asked with. Which ones the draws have is the notes', how a
 * maximum is found the call's. `free`: the sample count is the function's parameter k, and does not tell functions apart.
 */
const structure = (part: Expr | Quantity, free: boolean): string =>
  fingerprint(part, (value, key, holder) => {
    if (key === "reason" || key === "estimator") return undefined;
    if (key === "options" && (holder as { kind?: unknown }).kind === "optimum") return undefined;
    if (key === "asked" && isEmpty(value as AskedUse)) return undefined;
    if (key === "method" && typeof value === "string") return SAME_FUNCTION[value] ?? value;
    return free && (key === "samples" || key === "count") && value !== null && typeof value === "object" ? "k" : value;
  });

const isEmpty = ({ options, exprs }: AskedUse): boolean => Object.keys(options).length + Object.keys(exprs).length === 0;

export interface Found {
  readonly lowered: LoweredOptimum;
  readonly optimum: Optimum;
}

/**
 * `({ w, data, key }, k) => elbo(w, data.x, key, k)`; `training`: latents of a maximum are those that the update carries; `partitions`: the
 * statement's own, for lines that estimate log Z each in its way share one function.
 */
export function callObjective(
  derived: DerivedModel,
  o: LoweredObjective,
  samples: Js | undefined,
  sign: 1 | -1,
  extraParam: string | undefined,
  found?: Found,
  training = false,
  partitions = o.partitions,
): Js {
  const ofData = o.data.filter((v) => !found?.lowered.variables.includes(v));
  const args: Js[] = [
    name("w"),
    ...ofData.map((v): Js => ({ kind: "member", target: name("data"), name: v })),
    ...(found ? latentsJs(found.lowered, found.optimum, training) : []),
  ];
  if (o.rows) args.push(name("rows"));
  for (const s of o.schedules) args.push({ kind: "member", target: name("schedule"), name: s });
  for (const { use } of o.chains) args.push(call("chainsOf", name("carried"), str(use.density)));
  for (const p of partitions) args.push(call("required", name("partition"), str(partitionMetricName(derived, p))));
  if (o.memories.length > 0) args.push(name("carried"));
  if (o.random) args.push(name("key"));
  if (o.samples) args.push(samples ?? num(o.samples.size));
  const parts = new Set([
    "w",
    ...(ofData.length > 0 ? ["data"] : []),
    ...(o.rows ? ["rows"] : []),
    ...(o.schedules.length > 0 ? ["schedule"] : []),
    ...(o.chains.length + o.memories.length > 0 ? ["carried"] : []),
    ...(o.partitions.length > 0 ? ["partition"] : []),
    ...(o.random ? ["key"] : []),
    ...(found ? latentsParts(found.lowered, training) : []),
  ]);
  const value = call(o.fn.name, ...args);
  return arrow(
    `({ ${[...parts].join(", ")} }${extraParam === undefined ? "" : `, ${extraParam}`})`,
    sign === -1 ? call("neg", value) : value,
  );
}

/** `({ w, data }) => emLogPX(w, data.x)`; `more` of the context are handed over last. */
export function callFunction({ fn, data, schedules }: Called, more: readonly string[]): Js {
  const parts = ["w", ...(data.length > 0 ? ["data"] : []), ...(schedules.length > 0 ? ["schedule"] : []), ...more];
  const args = [...data.map((v) => member(name("data"), v)), ...schedules.map((s) => member(name("schedule"), s)), ...more.map(name)];
  return arrow(`({ ${parts.join(", ")} })`, call(fn.name, name("w"), ...args));
}

/** The doc comment of an objective's function: what it is, how each latent is treated, where it comes from. */
export function objectiveDoc(u: {
  readonly update: { readonly text: string; readonly doc: string | undefined; readonly span: DerivedUpdate["update"]["span"] };
  readonly derived: DerivedObjective;
}): readonly string[] {
  return [
    `${u.update.text} per example  ${place(u.update.span)}`,
    ...u.derived.notes.map((n) => `${n.variable}: ${n.estimator} (${n.reason})`),
    ...(u.update.doc === undefined ? [] : u.update.doc.split("\n")),
  ];
}
