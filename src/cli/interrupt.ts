/** SIGINT and SIGTERM: the first asks the command to save and end, the second ends at once. */
import { INTERRUPTED } from "./exit.js";
import { stderr } from "./output.js";

export interface Interrupt {
  readonly signal: AbortSignal;
  /** Whether an error is what the signal stops work with, and no other that came after it (a checkpoint that could not be written). */
  ended(error: unknown): boolean;
  /** Stops listening. */
  release(): void;
}

let listening: AbortSignal | undefined;

/** Whether the command at hand was asked to end: for work that was set up before it began to listen. */
export const interrupted = (): boolean => listening?.aborted === true;

export function onInterrupt(saving: string): Interrupt {
  const controller = new AbortController();
  listening = controller.signal;
  const handle = (): void => {
    if (controller.signal.aborted) process.exit(INTERRUPTED);
    controller.abort();
    stderr(`\n${saving} (once more to end at once)`);
  };
  process.on("SIGINT", handle);
  process.on("SIGTERM", handle);
  return {
    signal: controller.signal,
    ended: (error) => controller.signal.aborted && error === controller.signal.reason,
    release: () => {
      process.off("SIGINT", handle);
      process.off("SIGTERM", handle);
      listening = undefined;
    },
  };
}
