/**
 * Optimisers as plain data: the rule, its constants and what is done to gradients before and to weights after.
 * The rules themselves are graphs in ../graph/updates.ts; engines read `constants` by these names.
 */
import type { UpdateRule } from "../engines/engine.js";
import { GmcError } from "../graph/errors.js";
import type { Schedule } from "./schedules.js";

export interface OptimizerSpec {
  readonly rule: UpdateRule;
  /** By rule: momentum, nesterov (0 or 1); beta1, beta2, epsilon; decay, momentum, epsilon. */
  readonly constants: Readonly<Record<string, number>>;
  readonly lr: number | Schedule;
  /** Scale the gradients so that their global 2-norm is at most this (Pascanu et al. 2013). */
  readonly clipNorm: number | null;
  /** Clip each entry of the gradients to [-v, v]. */
  readonly clipValue: number | null;
  /** L2 added to the gradient; decoupled for adamw. */
  readonly weightDecay: number;
  /** Decay of an exponential moving average of the weights that this optimiser moves. */
  readonly ema: number | null;
}

export interface OptimizerOptions {
  readonly lr?: number | Schedule;
  readonly clipNorm?: number | null;
  readonly clipValue?: number | null;
  readonly weightDecay?: number;
  readonly ema?: number | null;
}

/** w <- w - lr g. Default lr 0.01. */
export function sgd(options: OptimizerOptions = {}): OptimizerSpec {
  return build("sgd", {}, 0.01, 0, options);
}

/** m <- momentum m + g; w <- w - lr m, or, nesterov, w <- w - lr (g + momentum m) (Sutskever et al. 2013). Default lr 0.01, momentum 0.9. */
export function momentum(options: OptimizerOptions & { readonly momentum?: number; readonly nesterov?: boolean } = {}): OptimizerSpec {
  return build("momentum", { momentum: decay("momentum", options.momentum ?? 0.9), nesterov: options.nesterov ? 1 : 0 }, 0.01, 0, options);
}

type AdamOptions = OptimizerOptions & { readonly beta1?: number; readonly beta2?: number; readonly epsilon?: number };

function adamConstants(o: AdamOptions): Readonly<Record<string, number>> {
  return {
    beta1: decay("beta1", o.beta1 ?? 0.9),
    beta2: decay("beta2", o.beta2 ?? 0.999),
    epsilon: positive("epsilon", o.epsilon ?? 1e-8),
  };
}

/** Kingma & Ba 2015, algorithm 1. Default lr 0.001, beta1 0.9, beta2 0.999, epsilon 1e-8. */
export function adam(options: AdamOptions = {}): OptimizerSpec {
  return build("adam", adamConstants(options), 0.001, 0, options);
}

/** Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2). Default weightDecay 0.01. */
export function adamw(options: AdamOptions = {}): OptimizerSpec {
  return build("adamw", adamConstants(options), 0.001, 0.01, options);
}

/** Kingma & Ba 2015, algorithm 2: Adam by the infinity norm. Default lr 0.002. */
export function adamax(options: AdamOptions = {}): OptimizerSpec {
  return build("adamax", adamConstants(options), 0.002, 0, options);
}

/** v <- decay v + (1 - decay) g^2; w <- w - lr g / (sqrt(v) + epsilon), with momentum over that step where asked (Tieleman & Hinton 2012). */
export function rmsprop(
  options: OptimizerOptions & { readonly decay?: number; readonly momentum?: number; readonly epsilon?: number } = {},
): OptimizerSpec {
  const constants = {
    decay: decay("decay", options.decay ?? 0.99),
    momentum: decay("momentum", options.momentum ?? 0),
    epsilon: positive("epsilon", options.epsilon ?? 1e-8),
  };
  return build("rmsprop", constants, 0.001, 0, options);
}

function build(
  rule: UpdateRule,
  constants: Readonly<Record<string, number>>,
  lr: number,
  weightDecay: number,
  options: OptimizerOptions,
): OptimizerSpec {
  const spec: OptimizerSpec = {
    rule,
    constants,
    lr: options.lr ?? lr,
    clipNorm: options.clipNorm ?? null,
    clipValue: options.clipValue ?? null,
    weightDecay: options.weightDecay ?? weightDecay,
    ema: options.ema ?? null,
  };
  if (typeof spec.lr === "number") positive("lr", spec.lr);
  if (spec.clipNorm !== null) positive("clipNorm", spec.clipNorm);
  if (spec.clipValue !== null) positive("clipValue", spec.clipValue);
  if (!(spec.weightDecay >= 0 && Number.isFinite(spec.weightDecay))) throw wrong("weightDecay", "0 or more", spec.weightDecay);
  if (spec.ema !== null) decay("ema", spec.ema);
  return spec;
}

function positive(name: string, value: number): number {
  if (!(value > 0 && Number.isFinite(value))) throw wrong(name, "a positive number", value);
  return value;
}

function decay(name: string, value: number): number {
  if (!(value >= 0 && value < 1)) throw wrong(name, "in [0, 1)", value);
  return value;
}

function wrong(name: string, expected: string, found: number): GmcError {
  return new GmcError("GM4010", `optimizer option ${name} must be ${expected}, found ${found}`);
}
