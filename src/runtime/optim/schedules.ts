/**
 * Schedules: a number that changes as training goes (a learning rate, the weight of a KL term).
 * Builders give plain data, which travels in the resolved configuration; `valueAt` reads it. Pure and the same on every machine.
 */
import { assertNever, GmcError } from "../graph/errors.js";

/** Lengths are given in one of two units. */
export type Span = { readonly epochs: number; readonly steps?: undefined } | { readonly steps: number; readonly epochs?: undefined };

export type Schedule =
  | { readonly kind: "constant"; readonly value: number }
  /** from -> to along a straight line over `over`, `to` from then on */
  | { readonly kind: "linear"; readonly from: number; readonly to: number; readonly over: Span }
  /** from -> to along half a cosine over `over`, `to` from then on */
  | { readonly kind: "cosine"; readonly from: number; readonly to: number; readonly over: Span }
  /** start * rate^(t / every) */
  | { readonly kind: "exponential"; readonly start: number; readonly rate: number; readonly every: Span }
  /** start * factor^floor(t / every) */
  | { readonly kind: "stepDecay"; readonly start: number; readonly factor: number; readonly every: Span }
  /** `pieces` one after another, each `for` its length; the last value stays */
  | { readonly kind: "piecewise"; readonly pieces: readonly { readonly value: number; readonly for: Span }[] }
  /** `then`, scaled along a straight line over `over`: by 1/n in the first of n steps, by 1 in the last and from then on */
  | { readonly kind: "warmup"; readonly over: Span; readonly then: Schedule };

/** Where training stands. */
export interface Progress {
  /** Steps of this phase done so far, 0 before the first. */
  readonly step: number;
  readonly stepsPerEpoch: number;
}

export function constantSchedule(value: number): Schedule {
  return { kind: "constant", value };
}

/** `linear(0, 1, { epochs: 10 })`: KL warm-up (Bowman et al. 2016; Sønderby et al. 2016). */
export function linear(from: number, to: number, over: Span): Schedule {
  return { kind: "linear", from, to, over: checked(over, "linear(0, 1, { epochs: 10 })") };
}

/** `cosine(1e-3, 0, { epochs: 50 })`: to + (from - to) (1 + cos(pi t)) / 2 (Loshchilov & Hutter 2017, eq. 5, without restarts). */
export function cosine(from: number, to: number, over: Span): Schedule {
  return { kind: "cosine", from, to, over: checked(over, "cosine(1e-3, 0, { epochs: 50 })") };
}

/** `exponentialSchedule(1e-3, 0.95, { epochs: 1 })`: multiplied by 0.95 each epoch, smoothly. */
export function exponentialSchedule(start: number, rate: number, every: Span): Schedule {
  return { kind: "exponential", start, rate, every: checked(every, "exponentialSchedule(1e-3, 0.95, { epochs: 1 })") };
}

/** `stepDecay(0.1, 0.1, { epochs: 30 })`: divided by 10 every 30 epochs. */
export function stepDecay(start: number, factor: number, every: Span): Schedule {
  return { kind: "stepDecay", start, factor, every: checked(every, "stepDecay(0.1, 0.1, { epochs: 30 })") };
}

/** `piecewise([{ value: 1e-3, for: { epochs: 10 } }, { value: 1e-4, for: { epochs: 10 } }])` */
export function piecewise(pieces: readonly { readonly value: number; readonly for: Span }[]): Schedule {
  if (pieces.length === 0) throw new GmcError("GM4001", "piecewise needs at least one piece");
  pieces.forEach((p) => checked(p.for, "piecewise([{ value: 1e-3, for: { epochs: 10 } }])"));
  return { kind: "piecewise", pieces };
}

/** Of a learning rate (Goyal et al. 2017), for which 0 would waste a step; a weight of a KL starts at 0: `linear(0, 1, …)`. `warmup({ steps: 500 }, cosine(…))` or `warmup({ steps: 500 }, 1e-3)` */
export function warmup(over: Span, then: Schedule | number): Schedule {
  return {
    kind: "warmup",
    over: checked(over, "warmup({ steps: 500 }, 1e-3)"),
    then: typeof then === "number" ? constantSchedule(then) : then,
  };
}

/**
 * The schedule of Burda, Grosse & Salakhutdinov 2016, section 5: stage i = 1..8 has learning rate
 * 1e-4 round(10^(1 - (i - 1) / 7), 1) for 3^(i - 1) passes over the data, 3,280 in all.
 * `epochs` shrinks or stretches the stages in proportion to that many passes; `lr` is the first stage's rate.
 */
export function iwaeSchedule(options: { readonly lr?: number; readonly stages?: number; readonly epochs?: number } = {}): Schedule {
  const { lr = 1e-3, stages = 8 } = options;
  if (!(Number.isInteger(stages) && stages >= 1))
    throw new GmcError("GM4001", `iwaeSchedule: its stages must be a whole number from 1 on, found ${stages}`);
  const total = (3 ** stages - 1) / 2;
  const scale = (options.epochs ?? total) / total;
  const pieces = Array.from({ length: stages }, (_, i) => ({
    value: (lr / 10) * (Math.round(10 ** (1 - i / 7) * 10) / 10),
    for: { epochs: 3 ** i * scale },
  }));
  return piecewise(pieces);
}

/** The value for the step that comes next. */
export function valueAt(schedule: Schedule, at: Progress): number {
  switch (schedule.kind) {
    case "constant":
      return schedule.value;
    case "linear":
      return schedule.from + (schedule.to - schedule.from) * fraction(schedule.over, at);
    case "cosine":
      return schedule.to + ((schedule.from - schedule.to) * (1 + Math.cos(Math.PI * fraction(schedule.over, at)))) / 2;
    case "exponential":
      return schedule.start * schedule.rate ** (at.step / steps(schedule.every, at));
    case "stepDecay":
      return schedule.start * schedule.factor ** Math.floor(at.step / steps(schedule.every, at) + 1e-9);
    case "piecewise": {
      let end = 0;
      for (const piece of schedule.pieces) {
        end += steps(piece.for, at);
        // the band keeps a boundary that falls on a whole step there, whatever rounding did to the sum
        if (at.step < end - 1e-6) return piece.value;
      }
      return schedule.pieces[schedule.pieces.length - 1]?.value ?? NaN;
    }
    case "warmup":
      // step 0 is already a step: an update with rate 0 would be wasted
      return valueAt(schedule.then, at) * Math.min(1, (at.step + 1) / steps(schedule.over, at));
    default:
      return assertNever(schedule);
  }
}

/** Whether it goes on changing however long training takes. */
export function isEndless(schedule: Schedule): boolean {
  if (schedule.kind === "warmup") return isEndless(schedule.then);
  return schedule.kind === "exponential" || schedule.kind === "stepDecay";
}

/** Text for configuration, progress and `explain`: `linear(0, 1, epochs = 10)`. */
export function describeSchedule(schedule: Schedule | number): string {
  if (typeof schedule === "number") return String(schedule);
  switch (schedule.kind) {
    case "constant":
      return String(schedule.value);
    case "linear":
    case "cosine":
      return `${schedule.kind}(${schedule.from}, ${schedule.to}, ${spanText(schedule.over)})`;
    case "exponential":
      return `exponential(${schedule.start}, ${schedule.rate}, ${spanText(schedule.every)})`;
    case "stepDecay":
      return `step_decay(${schedule.start}, ${schedule.factor}, ${spanText(schedule.every)})`;
    case "piecewise":
      return `piecewise(${schedule.pieces.map((p) => `${p.value} for ${spanText(p.for)}`).join(", ")})`;
    case "warmup":
      return `warmup(${spanText(schedule.over)}, ${describeSchedule(schedule.then)})`;
    default:
      return assertNever(schedule);
  }
}

function spanText(span: Span): string {
  return span.epochs !== undefined ? `epochs = ${span.epochs}` : `steps = ${span.steps}`;
}

function fraction(over: Span, at: Progress): number {
  return Math.min(1, at.step / steps(over, at));
}

function steps(span: Span, at: Progress): number {
  return span.epochs !== undefined ? span.epochs * at.stepsPerEpoch : span.steps;
}

/** The span, where it has a length; `example`: a call as it should be. */
function checked(span: Span, example: string): Span {
  const length = span.epochs ?? span.steps;
  if (!(length !== undefined && Number.isFinite(length) && length > 0)) {
    const name = example.slice(0, example.indexOf("("));
    throw new GmcError("GM4001", `${name}: its length must be a positive number of epochs or steps, found ${String(length)}`, [
      `write for example ${example}`,
    ]);
  }
  return span;
}
