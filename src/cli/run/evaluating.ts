/** How long measures and draws tell where they stand, on stderr: one line that is rewritten on a terminal, a plain line now and then when piped. */
import type { EvaluationProgress } from "../../runtime/eval/evaluate.js";
import { duration, grouped } from "../output.js";

export interface WorkProgress {
  readonly report: (progress: EvaluationProgress) => void;
  /** Clears the line. */
  done(): void;
}

interface Stream {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** Seconds between two lines of a pipe. */
const SELDOM = 10;

export function openWorkProgress(stream: Stream, quiet = false, now: () => number = () => performance.now()): WorkProgress {
  const live = stream.isTTY === true && process.env["TERM"] !== "dumb";
  let task: { readonly what: string; readonly began: number } | undefined;
  let shown = now();
  let width = 0;
  return {
    report: ({ what, done, total }) => {
      const time = now();
      if (task?.what !== what) task = { what, began: time };
      if (quiet || (time - shown) / 1000 < (live ? 0.1 : SELDOM)) return;
      shown = time;
      const left = ((time - task.began) / 1000 / Math.max(1, done)) * (total - done);
      const unit = what === "rows" ? " rows" : "";
      const text = `${what === "rows" ? "" : `${what}: `}${grouped(done)}/${grouped(total)}${unit}, ${duration(left)} left`;
      stream.write(live ? `\r${text.padEnd(width)}` : `${text}\n`);
      width = text.length;
    },
    done: () => {
      if (live && width > 0) stream.write(`\r${"".padEnd(width)}\r`);
      width = 0;
    },
  };
}
