/** What a derived objective uses of energies: their expressions, chains, fed partition functions; and whether each choice of `by` was of use. */
import { report } from "../../base/report.js";
import { numberOption } from "../estimators.js";
import type { DerivedObjective, Quantity, Term } from "../quantity.js";
import { mapQuantity, quantityChildren, walkQuantity } from "../quantity-walk.js";
import { fingerprint } from "../same-expr.js";
import type { Expr } from "../types.js";
import type { Choices, Chosen } from "./choices.js";
import type { DeriveContext } from "./context.js";
import { blockOf, energyOf } from "./energy.js";

/** Energies behind a quantity: their weights are its weights. */
export function energiesIn(context: DeriveContext, quantity: Quantity): readonly Expr[] {
  const densities = new Set<string>();
  walkQuantity(quantity, (q) => {
    if (q.kind === "unnormalised" || q.kind === "logPartition" || q.kind === "matching") densities.add(q.density);
    if (q.kind === "expect") for (const s of q.steps) if (s.kind === "energy") densities.add(s.density);
  });
  return [...densities].flatMap((d) => blockOf(context, d).energies.map((e) => e.value));
}

export function drawsSamples(q: Quantity): boolean {
  switch (q.kind) {
    case "expect":
      return q.steps.some((s) => s.kind !== "data" && s.kind !== "bind");
    case "matching":
      return true;
    case "unnormalised":
      return q.method.kind === "gibbs";
    case "logPartition":
      return q.method.kind === "chain" && q.method.place === "inline";
    default:
      return false;
  }
}

/** Parts that stand for a gradient alone: log Z at samples of the model, -E at samples of what is hidden, what takes the place of the likelihood. */
export function hasGradientOnly(quantity: Quantity): boolean {
  let found = false;
  walkQuantity(quantity, (q) => {
    found ||= q.kind === "matching" || (q.kind === "logPartition" && q.method.kind === "chain");
    found ||= q.kind === "unnormalised" && q.method.kind === "gibbs";
  });
  return found;
}

export function chainsOf(quantity: Quantity): DerivedObjective["chains"] {
  const found = new Map<string, DerivedObjective["chains"][number]>();
  walkQuantity(quantity, (q) => {
    if (q.kind !== "logPartition" || q.method.kind !== "chain" || q.method.place === "inline") return;
    const { method, options, start, sum, place } = q.method;
    const count = place === "persistent" ? numberOption(options, "chains") : undefined;
    const begin = place === "drawn" ? around(quantity, q) : undefined;
    found.set(q.density, { density: q.density, method, options, count, start, sum, begin });
  });
  return [...found.values()];
}

/** The draws around a log Z, and log Z itself. */
function around(quantity: Quantity, logZ: Quantity): Quantity | undefined {
  if (quantity === logZ) return logZ;
  for (const child of quantityChildren(quantity)) {
    const inner = around(child, logZ);
    if (inner) return quantity.kind === "expect" ? { ...quantity, body: inner } : inner;
  }
  return undefined;
}

/** Sweeps that a chain takes in the objective itself. */
const MOST_UNROLLED = 20;

/**
 * Chains that start at what an `E` draws are stages of their own, one for each row; those inside a family of samples or a sum over states stay in the
 * objective, unrolled: they are the sweeps of `cd`, and few. Undefined after an error has been reported.
 */
export function placeChains(context: DeriveContext, choices: Choices, quantity: Quantity): Quantity | undefined {
  const asked = choices.model;
  const byDensity = new Map<string, LogPartition>();
  let ok = true;
  const refuse = (code: () => void): void => {
    if (ok) code();
    ok = false;
  };
  /** `summed`: the draws of an `E` around that are enumerated, where nothing else is in the way of a chain for each row. */
  const place = (q: Quantity, single: boolean, summed?: string): Quantity => {
    switch (q.kind) {
      case "logPartition": {
        if (q.method.kind !== "chain" || !asked) return q;
        const other = byDensity.get(q.density);
        if (other && conditionsOf(context, other) !== conditionsOf(context, q))
          refuse(() =>
            report(context.diagnostics, "GM3509", asked.span, {
              construct: `\`${asked.entry.name}\` for \`${q.density}\` under two conditions in one objective`,
            }),
          );
        byDensity.set(q.density, q);
        if (q.method.place !== "inline") return q;
        if (single) return { ...q, method: { ...q.method, place: "drawn" } };
        const k = numberOption(q.method.options, "k");
        if (asked.entry.persistent || k > MOST_UNROLLED)
          refuse(() =>
            report(
              context.diagnostics,
              "GM3530",
              asked.span,
              { estimator: asked.text, density: q.density, most: MOST_UNROLLED },
              {
                help: [
                  ...(summed === undefined
                    ? []
                    : [
                        `\`${summed}\` is summed over its states here; drawn, each row has one chain: \`by ${summed}: score and ${asked.text}\``,
                      ]),
                  `at most \`cd(k = ${MOST_UNROLLED})\` here, or chains of their own: \`by pcd(k = 1, chains = 100)\``,
                ],
              },
            ),
          );
        return q;
      }
      case "sum":
        return { ...q, terms: q.terms.map((t) => ({ ...t, quantity: place(t.quantity, single, summed) })) };
      case "eliminate":
        return {
          ...q,
          steps: q.steps.map((s) => {
            const placed = (terms: readonly Term[]): readonly Term[] => terms.map((t) => ({ ...t, quantity: place(t.quantity, false) }));
            return { ...s, terms: placed(s.terms), ...(s.values && { values: placed(s.values) }) };
          }),
        };
      case "apply":
        return { ...q, args: q.args.map((a) => place(a, single, summed)) };
      case "expect":
        return { ...q, body: place(q.body, single && q.plate === undefined) };
      case "enumerate": {
        const alone = q.op === "expect" && (single || summed !== undefined);
        return { ...q, body: place(q.body, false, alone ? (q.local?.name ?? q.variable) : undefined) };
      }
      case "reduce":
        return { ...q, body: place(q.body, false) };
      default:
        return q;
    }
  };
  const shared = inOnePlace(context, inOnePlace(context, quantity, "persistent"), "rows");
  const placed = inOnePlace(context, place(shared, true), "inline");
  return ok ? placed : undefined;
}

type LogPartition = Extract<Quantity, { readonly kind: "logPartition" }>;

/**
 * log Z is one number, wherever it stands in an objective, and what estimates it is to be one too: chains that are kept from step to step, or that the data
 * start in one place of it, serve in all, and all sum out the same; where one has a chain for each state or sample, whose value is left out, all have.
 */
function inOnePlace(context: DeriveContext, quantity: Quantity, place: "persistent" | "rows" | "inline"): Quantity {
  const there = new Map<string, LogPartition>();
  walkQuantity(quantity, (q) => {
    if (q.kind === "logPartition" && q.method.kind === "chain" && q.method.place === place) there.set(conditionsOf(context, q), q);
  });
  const moved = (q: Quantity): Quantity => {
    const like = q.kind === "logPartition" && q.method.kind === "chain" ? there.get(conditionsOf(context, q)) : undefined;
    if (!like || q.kind !== "logPartition" || q.method.kind !== "chain") return q;
    return { ...q, method: place === "inline" ? { ...q.method, place } : like.method };
  };
  return mapQuantity(quantity, moved) ?? quantity;
}

/** What log Z is a function of, as the objective has it. */
function conditionsOf(context: DeriveContext, { density, at }: LogPartition): string {
  const read = (v: string): string => {
    const value = at.get(v);
    return value === undefined || (value.kind === "variable" && value.sample === undefined) ? (value?.variable ?? v) : fingerprint(value);
  };
  return [density, ...energyOf(context, density).reads.map(read)].join("|");
}

export function partitionsOf(quantity: Quantity): DerivedObjective["partitions"] {
  const found = new Map<string, DerivedObjective["partitions"][number]>();
  walkQuantity(quantity, (q) => {
    if (q.kind === "logPartition" && q.method.kind === "estimated") found.set(q.density, { density: q.density, options: q.method.options });
  });
  return [...found.values()];
}

/** A choice that treats nothing is a mistake: `by cd(k = 1)` of an objective without an energy. */
export function usesChoices(context: DeriveContext, choices: Choices, quantity: Quantity, training: boolean): boolean {
  let data = false;
  let model = false;
  let optimum = false;
  walkQuantity(quantity, (q) => {
    optimum ||= q.kind === "optimum";
    data ||= q.kind === "unnormalised" && q.method.kind !== "exact";
    data ||= q.kind === "expect" && q.steps.some((s) => s.kind === "energy" && s.sweeps > 0);
    model ||= q.kind === "logPartition" && q.method.kind !== "exact";
  });
  const idle = [
    ...(data ? [] : [choices.data]),
    ...(model ? [] : [choices.model, choices.partition]),
    ...(optimum ? [] : [choices.optimum]),
  ].find((c) => c !== undefined);
  if (idle)
    report(
      context.diagnostics,
      "GM3526",
      idle.span,
      { estimator: idle.entry.name, why: idleReason(idle, quantity, training) },
      { help: ["leave it out"] },
    );
  return idle === undefined;
}

/** Why no part of an objective is the estimator's. */
function idleReason({ entry }: Chosen, quantity: Quantity, training: boolean): string {
  let [energies, normalised] = [false, false];
  walkQuantity(quantity, (q) => {
    energies ||= q.kind === "unnormalised";
    normalised ||= q.kind === "logPartition";
  });
  switch (entry.role) {
    case "optimum":
      return "it finds a maximum over continuous latents, `max[z](…)`, and there is none";
    case "data":
      return energies
        ? "no hidden units of an energy are left, once what sums out is summed"
        : "it is for the hidden units of an energy, and the objective reads no energy";
    case "model":
      if (!normalised) return "it is for log Z of an energy, and the objective has none";
      return training ? "log Z has a form of its own" : "it is for the gradient of log Z, and an evaluation takes none";
    default:
      return normalised
        ? "it measures log Z, and training takes its gradient alone"
        : "it is for log Z of an energy, and the objective has none";
  }
}
