/**
 * Update stages as graphs, see graph/updates.ts. Weights that are updated alike lie next to each other, and so do their gradients, slots and averages: a rule is
 * one kernel over the whole of them. Weights with a bound on the norms of their lines, and those whose gradient is another's too, stay by themselves.
 */
import type { Graph, Shape } from "../../graph/types.js";
import { updateGraph } from "../../graph/updates.js";
import type { UpdateSpec, UpdateTarget } from "../engine.js";
import { packed } from "./store.js";

/** States, or gradients, next to each other. */
export interface PackSpec {
  readonly name: string;
  readonly members: readonly string[];
  readonly offsets: readonly number[];
  readonly bytes: number;
}

export interface UpdatePlan {
  readonly graph: Graph;
  readonly states: readonly PackSpec[];
  readonly gradients: readonly PackSpec[];
}

export interface UpdateSurroundings {
  readonly shapeOf: (target: UpdateTarget) => Shape | undefined;
  /** Where an earlier stage leaves a gradient, if one does and it may be put elsewhere. */
  readonly gradient: (name: string) => string | undefined;
  /** Whether a state is free to lie in a pack of just these. */
  readonly free: (members: readonly string[]) => boolean;
  /** An i32 that says that a gradient is not finite. */
  readonly unsound: string;
}

export function planUpdate(spec: UpdateSpec, index: number, around: UpdateSurroundings): UpdatePlan {
  const shapes: Record<string, Shape> = {};
  for (const target of spec.targets) {
    const shape = around.shapeOf(target);
    if (shape !== undefined) shapes[target.weight] = shape;
  }
  const places = new Map<string, number>();
  for (const { gradient } of spec.targets) {
    const place = around.gradient(gradient);
    if (place !== undefined) places.set(place, (places.get(place) ?? 0) + 1);
  }
  const alike = new Map<string, UpdateTarget[]>();
  const plain: UpdateTarget[] = [];
  for (const target of spec.targets) {
    const place = around.gradient(target.gradient);
    if (target.maxNorm !== null || shapes[target.weight] === undefined || place === undefined || places.get(place)! > 1) plain.push(target);
    else {
      const key = `${String(target.clip)} ${target.ema !== null} ${target.slots.length}`;
      alike.set(key, [...(alike.get(key) ?? []), target]);
    }
  }
  const [states, gradients, targets]: [PackSpec[], PackSpec[], UpdateTarget[]] = [[], [], []];
  for (const [i, group] of [...alike.values()].entries()) {
    const of = (pick: (target: UpdateTarget) => string): string[] => group.map(pick);
    const lists = [of((t) => t.weight), ...group[0]!.slots.map((_, j) => of((t) => t.slots[j]!)), ...(group[0]!.ema === null ? [] : [of((t) => t.ema!)])]; // prettier-ignore
    if (!lists.every(around.free)) {
      plain.push(...group);
      continue;
    }
    const layout = packed(group.map((target) => shapes[target.weight]!));
    const packs = lists.map((members): PackSpec => ({ name: `pack:${members.join()}`, members, ...layout }));
    const gradient: PackSpec = { name: `gradients:${index}:${i}`, members: of((t) => t.gradient), ...layout };
    states.push(...packs);
    gradients.push(gradient);
    shapes[packs[0]!.name] = [layout.bytes / 4];
    const slots = packs.slice(1, 1 + group[0]!.slots.length).map((pack) => pack.name);
    const ema = group[0]!.ema === null ? null : packs.at(-1)!.name;
    targets.push({ ...group[0]!, weight: packs[0]!.name, gradient: gradient.name, slots, ema });
  }
  const graph = updateGraph({ ...spec, targets: [...targets, ...plain] }, shapes, plain.length === 0 ? around.unsound : undefined);
  return { graph, states, gradients };
}
