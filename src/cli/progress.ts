/**
 * How a run tells where it stands, on stderr: one line that is rewritten on a terminal, plain lines when piped.
 */
import type { MetricRecord, StepReport } from "../runtime/train/loop.js";
import { duration } from "./output.js";

export interface Progress {
  step(report: () => StepReport): void;
  /** `watched`: the metric of early stopping, shown as one with a term that it is another name of. */
  record(record: MetricRecord, watched?: string): void;
  /** Ends the line. */
  done(): void;
}

/** 0.0012345 -> "0.00123", 123.456 -> "123.46" */
export function number(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  return size !== 0 && (size < 0.01 || size >= 1e6) ? value.toExponential(2) : value.toFixed(size < 10 ? 3 : 2);
}

/** 9.5, 120: steps a second */
export function stepSpeed(speed: number): string {
  return speed >= 10 ? speed.toFixed(0) : speed.toFixed(1);
}

/** `elbo = ELBO(p, q)` where a term and the metric that is watched have one value. */
function named(values: Readonly<Record<string, number>>, watched: string | undefined): readonly (readonly [name: string, value: number])[] {
  const entries = Object.entries(values);
  const value = watched === undefined ? undefined : values[watched];
  const twin = entries.find(([name, v]) => name !== watched && Object.is(v, value))?.[0];
  if (watched === undefined || twin === undefined) return entries;
  return entries.flatMap(([name, v]) => (name === watched ? [] : [[name === twin ? `${watched} = ${name}` : name, v] as const]));
}

interface Stream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export function openProgress(stream: Stream, now: () => number = () => performance.now()): Progress {
  const live = stream.isTTY === true && process.env["TERM"] !== "dumb";
  const began = now();
  /** The first step that was seen, and when: what came before it (staging, compiling) says nothing of the speed. */
  let first: { readonly step: number; readonly at: number } | undefined;
  let shownAt = -Infinity;
  let width = 0;
  let latest: MetricRecord | undefined;
  let lastEpoch = 0;
  /** The phase that `lastEpoch` is of. */
  let phase: number | undefined;
  /** Of the newest step, where the line does not show it yet. */
  let unshown: (() => StepReport) | undefined;

  /** The line in as much detail as `columns` hold: on a narrow terminal the value stays, and then what is left. */
  const line = (report: StepReport, columns = Infinity): string => {
    const done = report.total - (first?.step ?? report.total);
    // what is left takes checkpoints and validation too, which the speed of the steps leaves out
    const left = (((report.steps - report.step) / done) * (now() - (first?.at ?? now()))) / 1000;
    const recorded = latest?.phase === report.phase ? latest : undefined;
    const [label, value] = Object.entries(recorded?.values ?? report.values)[0] ?? ["", NaN];
    const named = report.phase === "train" ? "" : `${report.phase}:`;
    const epoch = `epoch ${Math.max(1, Math.ceil(report.epoch - 1e-9))}/${Math.ceil(report.epochs)}`;
    const step = `step ${report.step}/${report.steps}`;
    const speed = done > 0 ? `${stepSpeed(report.stepsPerSecond)} steps/s` : "";
    const remains = done > 0 ? `${duration(left)} left` : "";
    const short = label.length > 14 ? `${label.slice(0, 13)}…` : label;
    const forms = [
      [named, epoch, step, `${label} ${number(value)}`, speed, remains],
      [named, epoch, step, `${short} ${number(value)}`, speed, remains],
      [epoch, `${short} ${number(value)}`, speed, remains],
      [epoch, `${short} ${number(value)}`, remains],
      [`${short} ${number(value)}`, remains],
    ].map((parts) => parts.filter((part) => part !== "").join("  "));
    return forms.find((form) => form.length <= columns) ?? forms.at(-1) ?? "";
  };
  // a terminal that does not know its width says 0
  const columns = (): number => Math.max(20, (stream.columns || 100) - 1);
  const show = (text: string): void => {
    const cut = text.slice(0, columns());
    stream.write(`\r${cut.padEnd(width)}`);
    width = cut.length;
  };
  return {
    step: (report) => {
      const at = now();
      first ??= { step: report().total, at };
      if (live) {
        unshown = report;
        if (at - shownAt < 100) return;
        unshown = undefined;
        shownAt = at;
        show(line(report(), columns()));
        return;
      }
      const r = report();
      if (r.phaseIndex !== phase) lastEpoch = 0;
      phase = r.phaseIndex;
      const whole = Math.floor(r.epoch + 1e-9);
      // a line at the end of each epoch, and every 10 seconds in between
      if (whole > lastEpoch || r.step === r.steps || at - Math.max(shownAt, began) > 10_000) {
        lastEpoch = whole;
        shownAt = at;
        stream.write(`${line(r)}\n`);
      }
    },
    record: (record, watched) => {
      if (record.split === "train") {
        latest = record;
        return;
      }
      const text = `  ${record.split}: ${named(record.values, watched)
        .map(([name, v]) => `${name} ${number(v)}`)
        .join("  ")}`;
      stream.write(live ? `\r${text.padEnd(width)}\n` : `${text}\n`);
      width = 0;
    },
    done: () => {
      if (live && unshown !== undefined) show(line(unshown(), columns()));
      unshown = undefined;
      if (live && width > 0) stream.write("\n");
      width = 0;
    },
  };
}
