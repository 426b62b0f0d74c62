/** How long measures, draws and the tuning of kernels tell where they stand, on stderr: one line that is rewritten on a terminal, a plain line now and then when piped. */
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
/** Seconds of tuning that nobody is told of. */
const SHORT = 1;

/** `patience`: seconds before the first line. */
export function openWorkProgress(
  stream: Stream,
  quiet = false,
  now: () => number = () => performance.now(),
  patience?: number,
): WorkProgress {
  const live = stream.isTTY === true && process.env["TERM"] !== "dumb";
  const pace = live ? 0.1 : SELDOM;
  let task: { readonly what: string; readonly began: number } | undefined;
  let next = now() + (patience ?? pace) * 1000;
  let width = 0;
  return {
    report: ({ what, done, total }) => {
      const time = now();
      if (task?.what !== what) task = { what, began: time };
      if (quiet || time < next) return;
      next = time + pace * 1000;
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

/** What an engine calls while it tunes kernels, one program after the other; `stopped` ends it. */
export function tuningProgress(
  stream: Stream,
  quiet: boolean,
  stopped: () => boolean,
  now: () => number = () => performance.now(),
): (done: number, total: number) => boolean {
  let line: WorkProgress | undefined;
  return (done, total) => {
    const ends = done === total || stopped();
    line ??= openWorkProgress(stream, quiet, now, SHORT);
    if (!ends) line.report({ what: "kernels tuned", done, total });
    else {
      line.done();
      line = undefined;
    }
    return !ends;
  };
}
