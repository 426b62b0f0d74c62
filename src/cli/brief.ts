/**
 * For commands that are over in a moment. V8 makes optimised code of a function that has run for a while; in a compilation that code is ready
 * when the work is done, and making it takes a third of the processor's time. So a function has to run several times as long to be optimised,
 * which it does in a model of ten thousand lines.
 */
import { setFlagsFromString } from "node:v8";

/** By major version of V8: one that is not known here is left alone, as it would complain of an option that it does not know. */
const HINTS: Readonly<Record<string, string>> = {
  "11": "--interrupt-budget=500000",
  "12": "--invocation-count-for-turbofan=20000",
  "13": "--invocation-count-for-turbofan=20000",
};

/** To be called before the work. */
export function expectBriefRun(): void {
  const hint = HINTS[process.versions.v8.split(".")[0] ?? ""];
  if (hint !== undefined) setFlagsFromString(hint);
}
