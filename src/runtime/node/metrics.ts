/**
 * The metrics of a run, row by row: `metrics.jsonl` (one JSON object a line) and `metrics.csv` (the same in columns). Rows are appended whole; on resume,
 * rows past the checkpoint's step and a line that a crash cut short are dropped from both, so the files read as if the run had never stopped.
 */
import * as fs from "node:fs";
import { join } from "node:path";
import { cannotRead, cannotWrite, isMissing } from "./file-errors.js";
import { writeFileAtomic } from "./files.js";

/** `step` orders the rows. Numbers that are not finite are null in JSONL and empty in CSV. */
export interface MetricRow {
  readonly step: number;
  readonly [column: string]: number | string | null;
}

export interface MetricsLog {
  /** GM5205, GM5206, GM5212 */
  append(row: MetricRow): void;
  /** All rows so far. */
  rows(): readonly MetricRow[];
  /** Makes what was appended durable; at each checkpoint. GM5205, GM5212 */
  sync(): void;
  close(): void;
}

/** Opens the metrics of a run folder; `resumeAt` is the step of the checkpoint that the run goes on from, absent for a new run. */
export function openMetrics(folder: string, resumeAt?: number): MetricsLog {
  const jsonl = join(folder, "metrics.jsonl");
  const csv = join(folder, "metrics.csv");
  const kept = resumeAt === undefined ? [] : readMetrics(folder).filter((row) => row.step <= resumeAt);
  const rows = [...kept];
  let columns = columnsOf(rows);
  const rewrite = (): void => {
    writeFileAtomic(jsonl, rows.map((row) => `${toJson(row)}\n`).join(""));
    writeCsv();
  };
  const writeCsv = (): void =>
    writeFileAtomic(csv, [columns.map(csvCell).join(","), ...rows.map((row) => csvLine(row, columns))].map((line) => `${line}\n`).join(""));
  if (columns.length === 0) columns = ["step"];
  rewrite();
  const descriptors = { jsonl: openAppend(jsonl), csv: openAppend(csv) };
  return {
    rows: () => rows,
    append: (row) => {
      rows.push(row);
      appendLine(jsonl, descriptors.jsonl, toJson(row));
      const fresh = Object.keys(row).filter((name) => !columns.includes(name));
      if (fresh.length === 0) {
        appendLine(csv, descriptors.csv, csvLine(row, columns));
        return;
      }
      // A new column needs a new header; this happens a few times in a run.
      columns = [...columns, ...fresh];
      fs.closeSync(descriptors.csv);
      writeCsv();
      descriptors.csv = openAppend(csv);
    },
    sync: () => {
      syncFile(jsonl, descriptors.jsonl);
      syncFile(csv, descriptors.csv);
    },
    close: () => {
      fs.closeSync(descriptors.jsonl);
      fs.closeSync(descriptors.csv);
    },
  };
}

/** The rows of a run folder; none where there is no file. A line cut short by a crash is left out. */
export function readMetrics(folder: string): readonly MetricRow[] {
  const path = join(folder, "metrics.jsonl");
  let text: string;
  try {
    text = fs.readFileSync(path, "utf8");
  } catch (error) {
    if (isMissing(error)) return [];
    throw cannotRead(path, error);
  }
  return text.split("\n").flatMap((line) => {
    try {
      const row = JSON.parse(line) as unknown;
      return typeof row === "object" && row !== null && typeof (row as MetricRow).step === "number" ? [row as MetricRow] : [];
    } catch {
      return [];
    }
  });
}

function columnsOf(rows: readonly MetricRow[]): string[] {
  return [...new Set(rows.flatMap((row) => Object.keys(row)))];
}

function toJson(row: MetricRow): string {
  return JSON.stringify(row);
}

function csvLine(row: MetricRow, columns: readonly string[]): string {
  return columns.map((name) => csvCell(row[name] ?? null)).join(",");
}

function csvCell(value: number | string | null): string {
  if (value === null || (typeof value === "number" && !Number.isFinite(value))) return "";
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

function openAppend(path: string): number {
  try {
    return fs.openSync(path, "a");
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

function appendLine(path: string, descriptor: number, line: string): void {
  try {
    fs.writeSync(descriptor, `${line}\n`);
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

function syncFile(path: string, descriptor: number): void {
  try {
    fs.fsyncSync(descriptor);
  } catch (error) {
    throw cannotWrite(path, error);
  }
}
