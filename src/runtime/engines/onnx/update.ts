/**
 * Update stages: the rules of graph/updates.ts as fused kernels, in place over weights and slots. What they mean, in which order, is said there.
 * Takes the regions of everything an update touches, gives a function that does one step.
 */
import type { UpdateSpec, UpdateTarget } from "../engine.js";
import { averageDecay, updateDefaults } from "../../graph/updates.js";
import { GmcError } from "../../graph/errors.js";
import type { Arena, Region } from "./memory.js";

export interface UpdateRegions {
  /** state by name, looked up at each step: a state may move */
  readonly state: (name: string) => Region;
  /** gradient of a target */
  readonly gradient: (target: UpdateTarget) => Region;
}

/** Elements that `prepare` works on at a time: what it writes is still in the first cache when the rule reads it. */
const block = 4096;

/** Does a step at the learning rate given. */
export function updateKernel(arena: Arena, spec: UpdateSpec, regions: UpdateRegions): { run: (rate: number) => void; dispose: () => void } {
  const constants: Readonly<Record<string, number>> = { ...updateDefaults[spec.rule], ...spec.constants };
  const constant = (name: string): number => {
    const value = constants[name];
    if (value === undefined) throw new GmcError("GM4908", `the update rule ${spec.rule} needs the constant ${name}`);
    return value;
  };
  const { kernels } = arena;
  const scratch = arena.region("f32", [block]);
  const limit = spec.clipValue ?? Infinity;
  const decay = spec.rule === "adamw" ? 0 : spec.weightDecay;
  const prepared = limit !== Infinity || decay !== 0;

  const run = (rate: number): void => {
    const fault = regions.state(spec.fault).data();
    if (fault[0] !== 0) return;
    const gradients = spec.targets.map(regions.gradient);
    // from the last to the first: what was read last is still near when the first is updated
    if (![...gradients].reverse().every((g) => kernels.finite(g.address, g.size) === 1)) {
      fault[0] = 1;
      return;
    }
    const counter = regions.state(spec.counter).data();
    const t = counter[0]! + 1;
    const scale = spec.sign * normScale(gradients);
    const rule = ruleAt(t, rate, prepared ? 1 : scale);
    const kept = averageDecay(spec.ema ?? 0, t - 1);
    spec.targets.forEach((target, i) => {
      const w = regions.state(target.weight);
      step(rule, target, w, gradients[i]!, scale);
      constrain(target, w);
      if (target.ema !== null && spec.ema !== null) kernels.average(regions.state(target.ema).address, w.address, w.size, kept, 1 - kept);
    });
    counter[0] = t;
  };

  const normScale = (gradients: readonly Region[]): number => {
    if (spec.clipNorm === null) return 1;
    const norm = Math.sqrt(gradients.reduce((sum, g) => sum + kernels.squares(g.address, g.size, limit), 0));
    return spec.clipNorm / Math.max(norm, spec.clipNorm);
  };

  /** One rule over n elements: addresses of the weight, the gradient, the slots. */
  type Rule = (w: number, g: number, slots: readonly number[], n: number) => void;

  /** The rule for gradients that are still to be multiplied by `scale`. */
  const ruleAt = (t: number, rate: number, scale: number): Rule => {
    switch (spec.rule) {
      case "sgd":
        return (w, g, _slots, n) => kernels.sgd(w, g, n, scale, rate);
      case "momentum":
        return (w, g, [m], n) => kernels.momentum(w, g, m!, n, scale, rate, constant("momentum"), constant("nesterov") === 0 ? 0 : 1);
      case "adam":
      case "adamw": {
        const [b1, b2] = [constant("beta1"), constant("beta2")];
        const root = Math.sqrt(correction(b2, t));
        const scaled = (rate * root) / correction(b1, t);
        const keep = spec.rule === "adamw" ? 1 - rate * spec.weightDecay : 1;
        return (w, g, [m, v], n) => kernels.adam(w, g, m!, v!, n, scale, scaled, keep, constant("epsilon") * root, b1, 1 - b1, b2, 1 - b2);
      }
      case "rmsprop": {
        const [rho, epsilon] = [constant("decay"), constant("epsilon")];
        return (w, g, [v, m], n) =>
          m === undefined
            ? kernels.rmsprop(w, g, v!, n, scale, rate, epsilon, rho, 1 - rho)
            : kernels.rmspropMomentum(w, g, v!, m, n, scale, rate, epsilon, rho, 1 - rho, constant("momentum"));
      }
      case "adamax": {
        const b1 = constant("beta1");
        return (w, g, [m, u], n) =>
          kernels.adamax(w, g, m!, u!, n, scale, rate / correction(b1, t), constant("epsilon"), b1, 1 - b1, constant("beta2"));
      }
    }
  };

  /** The rule over a whole weight, or, where gradients are clipped or weights decay into them, block by block over prepared gradients. */
  const step = (rule: Rule, target: UpdateTarget, w: Region, g: Region, scale: number): void => {
    const slots = target.slots.map((name) => regions.state(name).address);
    if (!prepared) return rule(w.address, g.address, slots, w.size);
    for (let start = 0; start < w.size; start += block) {
      const n = Math.min(block, w.size - start);
      const at = (address: number): number => address + 4 * start;
      kernels.prepare(scratch.address, at(g.address), at(decay === 0 ? g.address : w.address), n, scale, limit, decay);
      rule(at(w.address), scratch.address, slots.map(at), n);
    }
  };

  const constrain = (target: UpdateTarget, w: Region): void => {
    if (target.clip !== null) kernels.clamp(w.address, w.size, target.clip[0], target.clip[1]);
    if (target.maxNorm !== null) limitNorms(w, target.maxNorm.axis, target.maxNorm.limit);
  };

  return { run, dispose: () => scratch.free() };
}

/** 1 - β^t, with its digits kept where β is near 1. */
function correction(beta: number, t: number): number {
  return beta === 0 ? 1 : -Math.expm1(t * Math.log(beta));
}

/** Brings the 2-norm of each line of `w` along `axis` to at most `limit`. */
function limitNorms(w: Region, axis: number, limit: number): void {
  const along = axis < 0 ? axis + w.shape.length : axis;
  const n = w.shape[along]!;
  const post = w.shape.slice(along + 1).reduce((size, extent) => size * extent, 1);
  const data = w.data();
  for (let line = 0; line < data.length / n; line++) {
    const start = Math.floor(line / post) * n * post + (line % post);
    let squares = 0;
    for (let j = 0; j < n; j++) squares += data[start + j * post]! ** 2;
    const norm = Math.sqrt(squares);
    if (norm <= limit) continue;
    for (let j = 0; j < n; j++) data[start + j * post]! *= limit / norm;
  }
}
