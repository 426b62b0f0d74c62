/** What was found out about flows, for `gmc explain`: sides, directions, the log-determinant of each step, what makes it invertible. */
import type { DeriveContext } from "../ir/derive/context.js";
import { flowOf } from "../ir/derive/context.js";
import { bijections, showSide } from "../ir/flows.js";
import type { Flow, FlowStep, OwnStep } from "../ir/types.js";
import { place } from "./place.js";

export interface StepExplanation {
  readonly name: string;
  /** log |det| of the step from base to data; z is what goes in. */
  readonly logDet: string;
  readonly forward: string;
  readonly inverse: string;
  readonly note: string;
  /** Applied so many times in a row. */
  readonly times: number;
}

export interface FlowExplanation {
  readonly name: string;
  readonly place: string;
  readonly from: string;
  readonly to: string;
  readonly forward: string;
  readonly inverse: string;
  /** Going back adds noise: log-densities through it are lower bounds. */
  readonly noisy: boolean;
  readonly steps: readonly StepExplanation[];
}

export function explainFlow(context: DeriveContext, flow: Flow): FlowExplanation {
  const steps = flow.steps.flatMap((s) => stepsOf(context, s));
  return {
    name: `${flow.name}(z${flow.given.length > 0 ? ` | ${flow.given.map((g) => g.name).join(", ")}` : ""})`,
    place: place(flow.span),
    from: showSide(flow.from),
    to: showSide(flow.to),
    ...flow.directions,
    noisy: flow.random,
    steps: repeated(steps),
  };
}

function stepsOf(context: DeriveContext, step: FlowStep): readonly StepExplanation[] {
  switch (step.kind) {
    case "flow": {
      const { name, directions } = flowOf(context, step.flow);
      return [{ name, logDet: `log |det d${name}/dz|`, ...directions, note: "", times: 1 }];
    }
    case "own":
      return [
        {
          name: "written out",
          logDet: ownLogDet(step),
          forward: "closed",
          inverse: step.inverse ? "closed" : "none",
          note: `Jacobian: ${structureText(step)}`,
          times: 1,
        },
      ];
    case "bijection": {
      const entry = bijections.get(step.instance.bijection);
      if (!entry) return [];
      const { name, logDet, directions, constraint = "" } = entry;
      const own: StepExplanation = { name, logDet, ...directions, note: constraint, times: 1 };
      return [...(step.inner?.steps ?? []).flatMap((s) => stepsOf(context, s)), own];
    }
  }
}

function ownLogDet({ jacobian }: OwnStep): string {
  switch (jacobian.kind) {
    case "elementwise":
    case "triangular":
      return "sum(log |dx_i/dz_j|) over the pairs of its diagonal";
    case "rankOne":
      return "sum(log |d_i|) + log |1 + sum(dF_i/ds ds/dz_i / d_i)|";
    case "linear":
    case "dense":
      return "log |det J|";
  }
}

function structureText({ jacobian }: OwnStep): string {
  if (jacobian.kind === "triangular") {
    const order = jacobian.levels.flatMap((l) => l.outputs.map((o, k) => `x[${o + 1}] by z[${(l.inputs[k] ?? 0) + 1}]`));
    return `triangular, in the order ${order.slice(0, 8).join(", ")}${order.length > 8 ? ", …" : ""}`;
  }
  return { elementwise: "elementwise", linear: "linear", dense: "dense, as asked for", rankOne: "a diagonal and a rank-one update" }[
    jacobian.kind
  ];
}

/** Runs of steps that come again in the same order are told once. */
function repeated(steps: readonly StepExplanation[]): readonly StepExplanation[] {
  const names = steps.map((s) => s.name);
  for (let size = 1; size <= names.length / 2; size++) {
    if (names.length % size !== 0 || !names.every((n, i) => n === names[i % size])) continue;
    return steps.slice(0, size).map((s) => ({ ...s, times: names.length / size }));
  }
  return steps;
}

export function printFlow(flow: FlowExplanation): readonly string[] {
  const rows = flow.steps.map((s) => [
    s.times > 1 ? `${s.name} x ${s.times}` : s.name,
    s.logDet,
    s.inverse === "closed" && s.forward === "closed" ? "both directions" : `forward ${s.forward}, inverse ${s.inverse}`,
    s.note,
  ]);
  const widths = [0, 1, 2].map((i) => Math.max(0, ...rows.map((r) => [...(r[i] ?? "")].length)));
  return [
    `flow ${flow.name} : ${flow.from} -> ${flow.to}  (${flow.place})`,
    `  forward ${flow.forward}, inverse ${flow.inverse}; log |det dx/dz| is the sum over its steps, of which z is the input:`,
    ...(flow.noisy ? ["  back from whole numbers by noise: log p is a lower bound of the log-probability (Theis et al. 2016)"] : []),
    ...rows.map((r) => `    ${r.map((c, i) => (i < 3 ? c.padEnd(widths[i] ?? 0) : c)).join("  ")}`.trimEnd()),
  ];
}
