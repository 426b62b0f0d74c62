/**
 * Which kernels are fastest on the device that is here: a dispatch with products is run with the cost model's choice and with a few others, and what
 * was fastest is kept by device and kernel in a file, so that it is measured once. Asked for with GMC_GPU_TUNE=1 or the option `tune`, never done
 * otherwise: sums in another order differ in their last bits, so that what a run computes would depend on what was measured.
 */
import { GmcError } from "../../graph/errors.js";
import { fnv1a32 } from "../../graph/random.js";
import type { EngineOptions } from "../engine.js";
import { pause } from "../pause.js";
import { inTurn } from "../shared.js";
import type { Assembled } from "./assemble.js";
import type { CompiledProgram, CompiledStage } from "./compile.js";
import { sizeOfBuffer } from "./need.js";
import type { Choices } from "./tuning-file.js";

const VARIABLE = "GMC_GPU_TUNE";
/** Kernels that are timed beside the cost model's choice. */
const OTHERS = 7;
/** Another kernel has to be faster by so much: what lies closer is noise. */
const CLEARLY = 0.95;

/** Milliseconds of a dispatch over buffers of so many bytes each. */
export type Timer = (dispatch: Assembled, bytes: readonly number[]) => Promise<number>;

/** Throws GM4008 where the variable says neither. */
export function wantsTuning({ tune }: EngineOptions): boolean {
  if (tune !== undefined) return tune;
  const { process } = globalThis as { readonly process?: { readonly env: Readonly<Record<string, string | undefined>> } };
  const told = process?.env[VARIABLE] ?? "";
  if (told !== "" && told !== "0" && told !== "1") throw new GmcError("GM4008", `${VARIABLE} must be 1 or 0, found ${told}`);
  return told === "1";
}

export class Tuning {
  private readonly queued = inTurn();

  constructor(
    readonly device: string,
    private readonly choices: Choices,
    private readonly onTuning?: EngineOptions["onTuning"],
  ) {}

  /** The program with the kernels that were found before; nothing is measured. */
  known(program: CompiledProgram): CompiledProgram {
    return withDispatches(program, (dispatch) => this.kept(dispatch) ?? dispatch);
  }

  /** The program with the fastest kernels; those not known yet are measured, one after the other. What was found until it failed is kept too. */
  fastest(program: CompiledProgram, time: Timer): Promise<CompiledProgram> {
    return this.queued(async () => {
      const unknown = this.unknown(program);
      let measured = false;
      try {
        for (const [done, { dispatch, stage }] of unknown.entries()) {
          // an interrupt is heard
          await pause();
          if (this.onTuning?.(done, unknown.length) === false) break;
          const bytes = (tried: Assembled): number[] => tried.slots.map(({ ref }) => sizeOfBuffer(program, stage, ref));
          try {
            await this.measure(dispatch, (tried) => time(tried, bytes(tried)));
            measured = true;
          } catch (error) {
            // no room for buffers to try it on: the cost model's choice stays
            if (!(error instanceof GmcError && error.code === "GM5427")) throw error;
          }
          if (done === unknown.length - 1) this.onTuning?.(unknown.length, unknown.length);
        }
      } finally {
        if (measured) await this.choices.save();
      }
      return this.known(program);
    });
  }

  /** What is to be measured, each kernel once. */
  private unknown(program: CompiledProgram): readonly { readonly dispatch: Assembled; readonly stage: CompiledStage }[] {
    const found = new Map<string, { readonly dispatch: Assembled; readonly stage: CompiledStage }>();
    for (const stage of program.stages)
      for (const step of stage.steps) {
        if (step.kind !== "dispatch" || step.dispatch.products === undefined || this.kept(step.dispatch) !== undefined) continue;
        const key = keyOf(step.dispatch);
        if (!found.has(key)) found.set(key, { dispatch: step.dispatch, stage });
      }
    return [...found.values()];
  }

  private async measure(dispatch: Assembled, time: (dispatch: Assembled) => Promise<number>): Promise<void> {
    const { choice, others } = dispatch.products!;
    const usual = await time(dispatch);
    let best = { choice, time: usual };
    for (const other of others().slice(0, OTHERS)) {
      const taken = await time(other.assemble());
      if (taken < Math.min(best.time, CLEARLY * usual)) best = { choice: other.choice, time: taken };
    }
    this.choices.set(this.device, keyOf(dispatch), { ...best, usual });
  }

  /** Nothing where none is kept, or what is kept is no kernel that this device could run. */
  private kept(dispatch: Assembled): Assembled | undefined {
    const { products } = dispatch;
    const found = products && this.choices.get(this.device, keyOf(dispatch));
    if (found === undefined) return undefined;
    const { choice, time, usual } = found;
    const taken =
      choice === products!.choice
        ? dispatch
        : products!
            .others()
            .find((other) => other.choice === choice)
            ?.assemble();
    return taken && { ...taken, products: { ...taken.products!, measured: { device: this.device, time, usual } } };
  }
}

/** The sizes, and the text of the cost model's kernel without its comments: another generator or another epilogue, another key. */
const keyOf = ({ products, wgsl }: Assembled): string => `${products!.sizes} ${fnv1a32(wgsl.replaceAll(/\/\/.*$/gmu, "")).toString(16)}`;

function withDispatches(program: CompiledProgram, change: (dispatch: Assembled) => Assembled): CompiledProgram {
  const stages = program.stages.map((stage) => ({
    ...stage,
    steps: stage.steps.map((step) => (step.kind === "dispatch" ? { ...step, dispatch: change(step.dispatch) } : step)),
  }));
  return { ...program, stages };
}
