/** What the steps of a flow are made of, which directions a chain of them has, and the sides that they map between. */
import type { BijectionStep, Directions, Domain, FlowStep, Side } from "./types.js";

/** Bijections of a flow with those that stand inside of others; flows of the model that it is made of are left out. */
export function bijectionsOf(steps: readonly FlowStep[]): readonly BijectionStep[] {
  return steps.flatMap((s) => (s.kind === "bijection" ? [s, ...bijectionsOf(s.inner?.steps ?? [])] : []));
}

/** Nets that a flow's bijections take their parameters from, or are written as, and those that make the conditions of its steps. */
export function netsIn(steps: readonly FlowStep[]): readonly string[] {
  return steps.flatMap((s) => {
    if (s.kind === "flow") return s.given.flatMap((e) => (e.kind === "netCall" ? [e.net] : []));
    if (s.kind === "bijection") return [...(s.conditioner ? [s.conditioner.net] : []), ...netsIn(s.inner?.steps ?? [])];
    const parts = s.jacobian.kind === "rankOne" ? [s.jacobian.scalar, s.jacobian.rest] : [];
    return [s.forward, ...(s.inverse ? [s.inverse] : []), ...parts].map((c) => c.net);
  });
}

/** Flows of the model that a flow is made of, those that make noise among them. */
export function flowsIn(steps: readonly FlowStep[]): readonly string[] {
  return steps.flatMap((s) => {
    if (s.kind === "flow") return [s.flow];
    return s.kind === "own" ? [] : [...flowsIn(s.inner?.steps ?? []), ...(s.noise === undefined ? [] : [s.noise.flow])];
  });
}

/** Directions of maps that are applied one after the other: the worst of each. */
export function chained(all: readonly Directions[]): Directions {
  const worst = (which: keyof Directions): Directions["forward"] =>
    all.some((d) => d[which] === "none") ? "none" : all.some((d) => d[which] === "sequential") ? "sequential" : "closed";
  return { forward: worst("forward"), inverse: worst("inverse") };
}

export function sameSide(a: Side, b: Side): boolean {
  return a.domain === b.domain && a.shape.length === b.shape.length && a.shape.every((d, i) => d.size === b.shape[i]?.size);
}

export function sideOf(domain: Domain): Side {
  return { domain: domain.name, shape: domain.shape };
}

/** `real[D] = real[2]` */
export function showSide(side: Side): string {
  if (side.shape.length === 0) return side.domain;
  const texts = side.shape.map((d) => d.text).join(", ");
  const numbers = side.shape.map((d) => String(d.size)).join(", ");
  return texts === numbers ? `${side.domain}[${numbers}]` : `${side.domain}[${texts}] = ${side.domain}[${numbers}]`;
}
