/**
 * Programs as plain data: a schedule of stages over named state, and the host values that go in and out. Engines run them.
 * A write of one stage is visible to the next.
 */
import type { DType, Graph, Shape } from "./types.js";

export type TypedArray = Float32Array | Int32Array | Uint32Array | Uint8Array;

/** A host value; bool is held as Uint8Array of 0 and 1. */
export interface HostTensor {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly data: TypedArray;
}

export type HostTensors = Readonly<Record<string, HostTensor>>;

export interface StateSpec {
  readonly dtype: DType;
  readonly shape: Shape;
}

export type Stage =
  /** Runs a graph once: reads its `input` and `state` nodes, then applies its `writes`. Outputs become values of the run. */
  | { readonly kind: "call"; readonly name: string; readonly graph: Graph }
  /**
   * Runs a graph `count` times (a number, or the name of an i32 scalar feed). State carries from iteration to iteration;
   * the graph's input `iteration` (i32[]) is first, first + 1, … (0 unless told): a long loop that is cut into several runs draws and
   * computes what it would have in one. Outputs are those of the last iteration.
   */
  | {
      readonly kind: "repeat";
      readonly name: string;
      readonly graph: Graph;
      readonly count: number | string;
      readonly first?: number | string;
    }
  /** One optimiser step over many weights; gradients are outputs of an earlier stage of this program. */
  | { readonly kind: "update"; readonly name: string; readonly update: UpdateSpec };

/** Update rules, defined once as graphs in optim/optimizers.ts; an engine may have a fused kernel for one. */
export type UpdateRule = "sgd" | "momentum" | "adam" | "adamw" | "rmsprop" | "adamax";

export interface UpdateSpec {
  readonly rule: UpdateRule;
  /** beta1, beta2, epsilon, momentum, decay …: fixed for the run. */
  readonly constants: Readonly<Record<string, number>>;
  /** Name of the f32 scalar feed with the learning rate of this step. */
  readonly learningRate: string;
  /** Name of the i32 state that counts the updates done so far (0 before the first); the stage increments it. */
  readonly counter: string;
  /** +1 descends the gradient, -1 ascends it. */
  readonly sign: 1 | -1;
  readonly targets: readonly UpdateTarget[];
  /** Scale the gradients so that their global norm is at most this. */
  readonly clipNorm: number | null;
  /** Clip each gradient entry to [-v, v]. */
  readonly clipValue: number | null;
  /** L2 added to the gradient (decoupled for adamw). */
  readonly weightDecay: number;
  /** Exponential moving average of the weights: its decay once warm (`averageDecay`); targets name the state that holds it. */
  readonly ema: number | null;
  /**
   * Name of the i32 state that is 0 while all was finite. Where a gradient is not finite, it is set to 1 and nothing is updated;
   * once it is not 0, nothing is updated any more, so the last good weights survive.
   */
  readonly fault: string;
}

export interface UpdateTarget {
  /** state name of the weight */
  readonly weight: string;
  /** output of an earlier stage */
  readonly gradient: string;
  /** state names of the slots, in the rule's order: momentum [m]; adam, adamw [m, v]; rmsprop [v] or [v, m]; adamax [m, u] */
  readonly slots: readonly string[];
  readonly ema: string | null;
  /** after the update: the weight is clipped to [low, high] */
  readonly clip: readonly [number, number] | null;
  /** after the update: its 2-norm along `axis` is brought to at most `limit` */
  readonly maxNorm: { readonly axis: number; readonly limit: number } | null;
}

export interface Program {
  readonly name: string;
  readonly stages: readonly Stage[];
  /** Names of stage outputs that the caller wants back; a name that is none is a state, as the last stage left it. */
  readonly fetch: readonly string[];
}
