/** What a log-density that latents are summed or integrated out of is called as a term: `log p(z)` of a mixture prior. */
import { type DeriveContext, densityOf, inHeader, parentsOf } from "../ir/derive/context.js";
import { standsForItself } from "../ir/derive/kl.js";
import type { Factor, Quantity } from "../ir/quantity.js";
import { termsOf } from "../ir/quantity-walk.js";

/** log p(variables | given) of a density, with others of its variables summed out. */
export interface Marginal {
  readonly density: string;
  readonly variables: readonly string[];
  /** `p(z | y)` */
  readonly text: string;
  /** Where its first variable is drawn. */
  readonly at: Factor;
}

/** Undefined where the sum is of something else than one density's conditionals, or is no conditional of that. */
export function marginalOf(context: DeriveContext, quantity: Quantity): Marginal | undefined {
  if (!isLogOfSum(quantity)) return undefined;
  const summed = new Set<string>();
  const factors = factorsOf(quantity, summed);
  const kept = factors?.filter((f) => !summed.has(f.variable)) ?? [];
  const [at] = kept;
  if (!factors || !at || factors.some((f) => f.density !== at.density) || !kept.every(standsForItself)) return undefined;
  const index = densityOf(context, at.density);
  const parents = (variable: string): readonly string[] => {
    const definition = index.definitions.get(variable);
    return definition ? [...parentsOf(context, definition)] : [];
  };
  const variables = kept.map((f) => f.variable);
  const given = new Set(factors.flatMap((f) => parents(f.variable)).filter((v) => !summed.has(v) && !variables.includes(v)));
  // what is drawn between them is conditioned on no more than by half
  if (reaches([...given], parents, new Set([...variables, ...summed]))) return undefined;
  const beside = inHeader(index, given);
  const text = `${at.density}(${inHeader(index, variables).join(", ")}${beside.length > 0 ? ` | ${beside.join(", ")}` : ""})`;
  return { density: at.density, variables, text, at };
}

function isLogOfSum(q: Quantity): boolean {
  return q.kind === "enumerate" || q.kind === "eliminate" ? q.op === "logsumexp" : q.kind === "gaussianMarginal";
}

/** The conditionals under the log; adds to `summed`. Undefined where something else is under it. */
function factorsOf(q: Quantity, summed: Set<string>): readonly Factor[] | undefined {
  if (q.kind === "factor") return [q];
  if (q.kind === "gaussianMarginal") {
    for (const f of q.latents) summed.add(f.variable);
    return [...q.latents, ...q.children];
  }
  const parts = partsOf(q, summed);
  const found = parts?.map((t) => (t.scale === 1 && t.factors.length === 0 ? factorsOf(t.quantity, summed) : undefined));
  return found?.every((f) => f !== undefined) ? found.flat() : undefined;
}

function partsOf(q: Quantity, summed: Set<string>): ReturnType<typeof termsOf> | undefined {
  if (q.kind === "enumerate" && q.op === "logsumexp" && !q.local) {
    summed.add(q.variable);
    return termsOf(q.body);
  }
  if (q.kind !== "eliminate" || q.op !== "logsumexp") return undefined;
  for (const step of q.steps) summed.add(step.variable);
  return q.steps.flatMap((step) => step.terms);
}

/** Whether one of `from` is made, by way of others, of one of `goals`. */
function reaches(from: readonly string[], parents: (variable: string) => readonly string[], goals: ReadonlySet<string>): boolean {
  const seen = new Set(from);
  const open = [...from];
  for (let next = open.pop(); next !== undefined; next = open.pop())
    for (const parent of parents(next)) {
      if (goals.has(parent)) return true;
      if (!seen.has(parent)) open.push(parent);
      seen.add(parent);
    }
  return false;
}
