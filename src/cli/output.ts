/**
 * What the command line prints and how: results on stdout, everything about the way there on stderr; with --json nothing but JSON on stdout.
 */
import picocolors from "picocolors";
import { cannotWrite } from "../runtime/node/file-errors.js";
import { FINE } from "./exit.js";

/**
 * What happens when stdout takes no more: a reader that has gone (`gmc explain vae.gm | head -1`) ends the command quietly, a run after saving;
 * a full disk is an error. What stderr does not take is lost.
 */
export function guardStreams(fail: (error: Error) => number): void {
  process.stderr.on("error", () => undefined);
  let broken = false;
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (broken) return;
    broken = true;
    if (error.code !== "EPIPE") process.exit(fail(cannotWrite("standard output", error).placed(() => "send it elsewhere")));
    if (process.listenerCount("SIGTERM") === 0) process.exit(FINE);
    process.emit("SIGTERM");
  });
}

export function stdout(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function stderr(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** One line of JSON. NaN and infinities become null. */
export function json(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Whether a stream takes colours: a terminal, unless NO_COLOR says no; FORCE_COLOR says yes. */
export function colors(stream: NodeJS.WriteStream): boolean {
  if (process.env["NO_COLOR"]) return false;
  if (process.env["FORCE_COLOR"] !== undefined && process.env["FORCE_COLOR"] !== "0") return true;
  return stream.isTTY === true && process.env["TERM"] !== "dumb";
}

export function paint(stream: NodeJS.WriteStream = process.stdout): ReturnType<typeof picocolors.createColors> {
  return picocolors.createColors(colors(stream));
}

/** 12345678 -> "12,345,678" */
export function grouped(n: number): string {
  return Math.round(n).toLocaleString("en-US");
}

/** 95 -> "1 min 35 s" */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** 1.5e9 -> "1.5 GB", in powers of ten */
export function bytes(n: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = n;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value >= 99.5 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? ""}`;
}

/** Rows of cells as lines, columns aligned; numbers right where `right` says so. */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => (right.includes(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Text in lines of at most `width` letters where its words allow, after the first one indented; `indent` letters stand before the first already. */
export function wrapped(text: string, indent: number, width = 80): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && indent + line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].join(`\n${" ".repeat(indent)}`);
}
