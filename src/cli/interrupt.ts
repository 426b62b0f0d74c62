/** SIGINT and SIGTERM: the first asks the command to save and end, the second ends at once. */
import { INTERRUPTED } from "./exit.js";
import { stderr } from "./output.js";

export interface Interrupt {
  readonly signal: AbortSignal;
  /** Stops listening. */
  release(): void;
}

export function onInterrupt(saving: string): Interrupt {
  const controller = new AbortController();
  const handle = (): void => {
    if (controller.signal.aborted) process.exit(INTERRUPTED);
    controller.abort();
    stderr(`\n${saving} (once more to end at once)`);
  };
  process.on("SIGINT", handle);
  process.on("SIGTERM", handle);
  return {
    signal: controller.signal,
    release: () => {
      process.off("SIGINT", handle);
      process.off("SIGTERM", handle);
    },
  };
}
