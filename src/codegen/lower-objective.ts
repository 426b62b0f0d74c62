/** A derived objective -> one function, per example. */
import type { DeriveContext } from "../ir/derive/context.js";
import type { ChainUse, DerivedObjective, Plate, Quantity } from "../ir/quantity.js";
import { readsNumberedSample } from "../ir/derive/sample-indices.js";
import { walkQuantity } from "../ir/quantity-walk.js";
import { distributions } from "../ir/distributions.js";
import type { Dim, DistCall, Expr } from "../ir/types.js";
import { call, type Js, type JsFunction, type JsParam, name, namesIn, num } from "./js.js";
import { weightsAt } from "./lower-expr.js";
import { variableOf } from "./lower-dist.js";
import { lowerBegin, lowerQuantity } from "./lower-quantity.js";
import { capital, chainsName, partitionName } from "./names.js";
import type { QuantityScope } from "./quantity-scope.js";
import { BATCH, FunctionWriter, identifier, Names, type TensorValue, type Value } from "./values.js";

/** How to call a function: which of data, rows, schedules and key it takes, in this order after `w`. */
export interface Called {
  readonly fn: JsFunction;
  readonly data: readonly string[];
  readonly schedules: readonly string[];
  readonly rows: boolean;
  readonly random: boolean;
}

/** What the chains of rows start at where the data do not say. */
export type ChainStart = Called;

export interface LoweredObjective extends Called {
  /** Densities whose chains it reads: one parameter each. */
  readonly chains: readonly { readonly use: ChainUse; readonly begin: ChainStart | undefined }[];
  /** Densities whose log Z is fed to it. */
  readonly partitions: DerivedObjective["partitions"];
  /** What its estimators carry: one parameter for all. */
  readonly memories: DerivedObjective["memories"];
  /** Number of samples where the objective draws one family. */
  readonly samples: Dim | undefined;
}

export function lowerObjective(
  context: DeriveContext,
  fnName: string,
  derived: DerivedObjective,
  doc: readonly string[],
  file: Names,
): LoweredObjective {
  const { scope, params, samples, rows } = open(context, derived, file);
  const value = lowerQuantity(scope, derived.quantity);
  return {
    fn: { name: fnName, doc, params, returns: "Tensor", body: finished(scope, value) },
    data: derived.data,
    schedules: derived.schedules.map((s) => s.name),
    rows,
    random: derived.random,
    chains: derived.chains.map((use) => ({ use, begin: lowerChainStart(context, derived, use, file) })),
    partitions: derived.partitions,
    memories: derived.memories,
    samples,
  };
}

/** A function of what an objective's is: a part of it, or what `result` makes of its parameters. */
export function lowerFunction(
  context: DeriveContext,
  fnName: string,
  derived: DerivedObjective,
  doc: readonly string[],
  file: Names,
  result?: (scope: QuantityScope) => Js,
  returns = "Tensor",
): Called {
  const { scope, params, rows } = open(context, { ...derived, chains: [], partitions: [] }, file);
  const inner: QuantityScope = { ...scope, enumerating: true };
  const body = result ? scope.writer.finish(result(inner), undefined) : finished(inner, lowerQuantity(inner, derived.quantity));
  return {
    fn: { name: fnName, doc, params, returns, body },
    data: derived.data,
    schedules: derived.schedules.map((s) => s.name),
    rows,
    random: derived.random,
  };
}

function finished({ writer }: QuantityScope, value: TensorValue): JsFunction["body"] {
  return writer.finish(writer.tensorJs(value.js), writer.shapeText(value));
}

/** `startR2(w, v, key)`: what the chains of the rows start at, drawn as in the objective itself. */
function lowerChainStart(context: DeriveContext, derived: DerivedObjective, use: ChainUse, file: Names): ChainStart | undefined {
  if (!use.begin) return undefined;
  const { scope, params, rows } = open(context, { ...derived, quantity: use.begin, chains: [], partitions: [], memories: [] }, file);
  const body = scope.writer.finish(lowerBegin(scope, use.begin), undefined);
  const read = body.reduce((found, s) => namesIn(s.value, found), new Set<string>());
  const kept = params.filter((p) => p.name === "w" || read.has(p.name));
  const keeps = (i: number): boolean => kept.includes(params[i] as JsParam);
  const scalars = 1 + derived.data.length + (rows ? 1 : 0);
  return {
    fn: {
      name: file.fresh(`start${capital(use.density)}`),
      doc: [`What the chains of ${use.density} start at, one for each row: drawn as in the objective.`],
      params: kept,
      returns: "Values",
      body,
    },
    data: derived.data.filter((_, i) => keeps(1 + i)),
    schedules: derived.schedules.filter((_, i) => keeps(scalars + i)).map((s) => s.name),
    rows: kept.some((p) => p.type === "Rows"),
    random: kept.some((p) => p.type === "Key"),
  };
}

interface Opened {
  readonly scope: QuantityScope;
  readonly params: readonly JsParam[];
  readonly samples: Dim | undefined;
  readonly rows: boolean;
}

/** The parameters of an objective's function, and the scope that they make: `w`, then the data, then the rest. */
function open(context: DeriveContext, derived: DerivedObjective, file: Names): Opened {
  const samples = freeSamples(derived);
  const rows = derived.random && derived.data.length === 0;
  const fixed = [
    ...["w", "key", "k", ...(rows ? ["B"] : [])],
    ...derived.chains.map((c) => chainsName(c.density)),
    ...derived.partitions.map((p) => partitionName(p.density)),
    ...(derived.memories.length > 0 ? ["carried"] : []),
  ];
  const scalars = parameterNames(
    derived.schedules.map((s) => s.name),
    new Names(fixed, file),
    (id) => unusedObjects(derived.quantity).has(id),
  );
  const own = [...fixed, ...scalars.values()];
  const ids = [...parameterNames(derived.data, new Names(own, file)).values()];
  const params: JsParam[] = [{ name: "w", type: "Weights" }, ...ids.map((id) => ({ name: id, type: "Tensor" }))];
  const [firstData] = ids;
  // B is the rows of the first data variable, or a parameter where there is none (the sleep phase).
  const batch: Js | undefined = rows ? name("B") : firstData === undefined ? undefined : call("rowsOf", name(firstData));
  const writer = new FunctionWriter(file, [...own, ...ids], batch);
  const variables = new Map(
    derived.data.map((variable, i): [string, Value] => [
      variable,
      {
        kind: "tensor",
        js: name(ids[i] ?? variable),
        shape: variableOf(context, variable).domain.shape,
        lead: BATCH,
      },
    ]),
  );
  if (rows) params.push({ name: "B", type: "Rows" });
  for (const id of scalars.values()) params.push({ name: id, type: "Tensor" });
  for (const { density } of derived.chains) params.push({ name: chainsName(density), type: "Values" });
  for (const { density } of derived.partitions) params.push({ name: partitionName(density), type: "Tensor" });
  if (derived.memories.length > 0) params.push({ name: "carried", type: "Carried" });
  if (derived.random) params.push({ name: "key", type: "Key" });
  if (samples) params.push({ name: "k", type: "number" });
  const scope: QuantityScope = {
    context,
    writer,
    variable: (v) => variables.get(v),
    data: (v) => variables.get(v),
    local: () => undefined,
    weights: weightsAt(""),
    helpers: derived.helpers,
    key: derived.random ? name("key") : undefined,
    training: derived.training,
    schedule: (s) => {
      const id = scalars.get(s);
      return id === undefined ? undefined : name(id);
    },
    plateSize: (plate): Js => (samples && !plate.own ? name("k") : num(plate.count.size)),
  };
  return { scope, params, samples, rows };
}

/** What each is called as a parameter: its own name unless that is taken and not `free` all the same. */
function parameterNames(wanted: readonly string[], taken: Names, free: (id: string) => boolean = () => false): ReadonlyMap<string, string> {
  return new Map(
    wanted.map((w) => {
      const id = identifier(w);
      return [w, free(id) ? id : taken.fresh(taken.has(id) ? `${id}_` : id)];
    }),
  );
}

/** Objects of the runtime that a function of the quantity does not name: `beta`, where nothing is drawn from a Beta. */
function unusedObjects(quantity: Quantity): ReadonlySet<string> {
  const unused = new Set([...distributions.values()].map((d) => d.runtime));
  const drop = (dist: DistCall): void => {
    unused.delete(distributions.get(dist.dist)?.runtime ?? "");
    if (dist.of) drop(dist.of);
  };
  walkQuantity(quantity, (q) => {
    if (q.kind === "factor") drop(q.dist);
    else if (q.kind === "kl") [q.q, q.p].forEach((f) => drop(f.dist));
    else if (q.kind === "gaussianMarginal") [...q.latents, ...q.children].forEach((f) => drop(f.dist));
    else if (q.kind === "enumerate" && q.weight?.kind === "factor") drop(q.weight.dist);
    else if (q.kind === "expect")
      for (const s of q.steps)
        if (s.kind === "factor") drop(s.factor.dist);
        else if (s.kind === "gaussian") [...s.posterior.latents, ...s.posterior.children].forEach((f) => drop(f.dist));
        else if (s.kind === "distribution") drop(s.dist);
  });
  return unused;
}

/** The number of samples that the function takes as its parameter k: of the one family, unless a sample of it is read by its number. */
export function freeSamples({ quantity }: DerivedObjective): Dim | undefined {
  const [only, ...more] = platesOf(quantity);
  return more.length === 0 && !readsNumberedSample(quantity) ? only?.count : undefined;
}

/** Families of samples that the objective names. */
function platesOf(quantity: Quantity): readonly Plate[] {
  const found: Plate[] = [];
  walkQuantity(quantity, (q) => q.kind === "expect" && q.plate && !q.plate.own && found.push(q.plate));
  return found;
}

/** `elbo` for ELBO, `logP` for `log p(x)`, `objective` otherwise. */
export function functionName(stated: string | undefined, expr: Expr): string {
  if (stated !== undefined) return /^[A-Z0-9_]+$/u.test(stated) ? stated.toLowerCase() : stated.replace(/^./u, (c) => c.toLowerCase());
  if (expr.kind === "logDensity")
    return `log${capital(expr.density)}${expr.head.map((s) => capital(s.variable.replace(/\[|\]/gu, ""))).join("")}`;
  return "objective";
}
