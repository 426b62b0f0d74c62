/**
 * Tables of text: RFC 4180 (quotes, embedded newlines), other delimiters, columns set apart by spaces. Takes bytes; gives columns, each of
 * numbers or of labels. A cell that is empty, NA, NaN or ? is missing: NaN among numbers, code -1 among labels.
 */
import { GmcError } from "../graph/errors.js";
import { checkedCount, type DataArray, type TextCell } from "./array.js";
import { corrupt, type ByteSource } from "./bytes.js";
import { splitNames } from "./dataset.js";
import { quoted } from "./spec.js";
import { suggestion } from "./suggest.js";

export interface CsvOptions {
  /** Whether the first row names the columns; absent: where its cells are text above numbers. */
  readonly header?: boolean;
  /** One character, or "space" for runs of blanks; absent: found from the first line. */
  readonly delimiter?: string;
}

export interface Table {
  readonly path: string;
  readonly rows: number;
  /** Whether the columns have names of their own, from a header. */
  readonly named: boolean;
  readonly columns: readonly TableColumn[];
}

export type TableColumn =
  | { readonly kind: "numbers"; readonly name: string; readonly values: Float64Array }
  | {
      readonly kind: "labels";
      readonly name: string;
      readonly codes: Int32Array;
      readonly labels: readonly string[];
      /** The first cell that is no number. */
      readonly text: TextCell;
      /** Whether the cells are numbers for the most part, so that text among them is a slip. */
      readonly mostlyNumbers: boolean;
    };

type LabelColumn = Extract<TableColumn, { readonly kind: "labels" }>;

interface Row {
  readonly line: number;
  readonly cells: readonly string[];
}

const missing = new Set(["", "na", "nan", "?"]);

export function parseCsv(source: ByteSource, options: CsvOptions = {}): Table {
  const { path } = source;
  const text = decodeText(source);
  const rows = splitRows(path, text, options.delimiter ?? findDelimiter(text));
  const first = rows[0];
  if (first === undefined)
    throw new GmcError("GM5006", `${path}: the table is empty`, [
      "a table holds a line of cells for each row, names of the columns above them if you like",
    ]);
  const width = first.cells.length;
  for (const row of rows) {
    if (row.cells.length !== width) {
      throw new GmcError("GM5006", `${path}:${row.line}: expected ${width} cells as in line ${first.line}, found ${row.cells.length}`, [
        row.cells.length > width
          ? "a text cell that holds the delimiter needs double quotes around it"
          : "an empty cell is still a cell: the delimiter stands before and after it",
      ]);
    }
  }
  const header = options.header ?? looksLikeHeader(rows);
  const names = header ? first.cells.map((cell, j) => cell.trim() || `${j + 1}`) : first.cells.map((_, j) => `${j + 1}`);
  const repeated = names.find((name, j) => names.indexOf(name) !== j);
  if (repeated !== undefined)
    throw new GmcError("GM5006", `${path}:${first.line}: two columns are named ${repeated}`, ["give each column its own name"]);
  const body = header ? rows.slice(1) : rows;
  if (body.length === 0)
    throw new GmcError("GM5006", `${path}: the table has a header and no rows`, ["a row of text alone is read with :header=no"]);
  checkedCount(path, [body.length, width]);
  const columns = names.map((name, j) => readColumn(path, name, body, j));
  for (const [j, column] of columns.entries()) refuseDecimalCommas(path, column, body, j);
  return { path, rows: body.length, named: header, columns };
}

/** GM5006 for a column whose cells are numbers as `1,5`, or whole ones among such. */
function refuseDecimalCommas(path: string, column: TableColumn, rows: readonly Row[], j: number): void {
  if (column.kind === "numbers") return;
  const isDecimal = (row: Row): boolean => /^[+-]?(?:\d+|\d*,\d+)(?:e[+-]?\d+)?$/i.test(row.cells[j]!.trim());
  // names of columns may stand above such numbers, and count as a row since below them no cell is a number
  const numbers = rows.length > 1 && !isDecimal(rows[0]!) ? rows.slice(1) : rows;
  const row = numbers.find(({ cells }) => cells[j]!.includes(","));
  if (row === undefined || !numbers.every((each) => isDecimal(each) || isMissing(each.cells[j]!))) return;
  const cell = row.cells[j]!.trim();
  throw new GmcError(
    "GM5006",
    `${path}:${row.line}, column ${j + 1}: expected a decimal point, found the comma of ${JSON.stringify(cell)}`,
    [`write numbers with points, ${cell.replace(",", ".")}: a spreadsheet saves them so where its language is English`],
  );
}

/**
 * Columns as one array [rows, n], or [rows] for one column picked alone; n labels or numbers, not both.
 * `pick` names them by header or 1-based number, `+` between, ranges `2-5`; absent: all of them.
 */
export function tableArray(table: Table, pick?: string): DataArray {
  const columns = pick === undefined ? table.columns : pick.split("+").flatMap((part) => findColumns(table, part.trim()));
  const alone = columns.length === 1 && pick !== undefined;
  const only = columns[0]!;
  if (columns.length === 1 && only.kind === "labels") {
    return { shape: alone ? [table.rows] : [table.rows, 1], dtype: "i32", data: only.codes, labels: only.labels, text: only.text };
  }
  const data = new Float64Array(table.rows * columns.length);
  columns.forEach((column, j) => {
    if (column.kind === "labels") throw textAmongNumbers(table, column);
    for (let i = 0; i < table.rows; i++) data[i * columns.length + j] = column.values[i]!;
  });
  const entries = table.named ? { entries: columns.map((column) => column.name) } : {};
  return { shape: alone ? [table.rows] : [table.rows, columns.length], dtype: "f64", data, ...entries };
}

/** A column in a specification: by its name, or by its number where no quotes let the name through. */
function specOf(path: string, name: string, number: number): string {
  return `${quoted(path)}#${/["+]/.test(name) ? number : quoted(name)}`;
}

/** GM5006 for text in what is read as numbers, with the ways out: its cell, the columns of numbers, a category of its own. */
export function textAmongNumbers(table: Table, { name, text, mostlyNumbers, labels }: LabelColumn): GmcError {
  const numbers = table.columns.flatMap((column, j) => (column.kind === "numbers" ? [j + 1] : []));
  const only = numbers.length === 1 ? numbers[0] : undefined;
  const columns =
    only === undefined ? `${quoted(table.path)}#${inRanges(numbers)}` : specOf(table.path, table.columns[only - 1]!.name, only);
  const [where, shown] = [cellOf(text), shownText(text)];
  const message = mostlyNumbers
    ? `${where}: expected a number as in most of the column, found ${shown}`
    : `${where}: expected a number, found ${shown}; column ${name} holds text (${labels.slice(0, 3).join(", ")})`;
  return new GmcError("GM5006", message, [
    ...(mostlyNumbers ? [mendCell] : []),
    ...(numbers.length > 0 ? [`columns of numbers alone: x=${columns}`] : []),
    `a column of categories feeds a category variable of its own: y=${specOf(table.path, name, text.column)}`,
  ]);
}

/** GM5006 for labels that are given to a variable of numbers: the codes of labels are no values. */
export function labelsForNumbers(path: string, variable: string, { text, labels = [] }: DataArray, category: string): GmcError {
  const found = text === undefined ? `labels (${labels.slice(0, 3).join(", ")})` : shownText(text);
  return new GmcError("GM5006", `${text ? cellOf(text) : path}: expected numbers for ${variable}, found ${found}`, [
    ...(text === undefined ? [] : [mendCell]),
    `text that stands for categories feeds a category variable: data ${category}`,
  ]);
}

const mendCell =
  "write the number there or leave the row out; a value that is missing, where the variable may lack some, is an empty cell, NA or ?";

const cellOf = ({ path, line, column }: TextCell): string => `${path}:${line}, column ${column}`;

const shownText = ({ text }: TextCell): string => JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);

/** Ascending numbers as a specification writes them, `1-4+6`. */
function inRanges(numbers: readonly number[]): string {
  const starts = numbers.filter((n, i) => i === 0 || n !== numbers[i - 1]! + 1);
  const ends = numbers.filter((n, i) => n + 1 !== numbers[i + 1]);
  return starts.map((start, i) => (start === ends[i] ? `${start}` : `${start}-${ends[i]}`)).join("+");
}

function findColumns(table: Table, part: string): readonly TableColumn[] {
  const named = table.columns.find((column) => column.name === part);
  if (named !== undefined) return [named];
  const range = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(part);
  if (range !== null) {
    const from = Number(range[1]);
    const to = range[2] === undefined ? from : Number(range[2]);
    if (from >= 1 && to >= from && to <= table.columns.length) return table.columns.slice(from - 1, to);
    throw new GmcError("GM5007", `${table.path} has columns 1 to ${table.columns.length}, not ${part}`, [
      `name columns that it has: ${quoted(table.path)}#1${table.columns.length > 1 ? `-${table.columns.length}` : ""}`,
    ]);
  }
  throw new GmcError(
    "GM5007",
    `${table.path} has no column ${part}`,
    splitNames.some((name) => name === part)
      ? [`the ${part} rows are cut from ${table.rows} rows by ${quoted(table.path)}:${part}=0.1, or are a file: x.${part}=FILE`]
      : suggestion(
          part,
          table.columns.map((column) => column.name),
        ),
  );
}

function decodeText(source: ByteSource): string {
  const text = new TextDecoder().decode(source.bytes);
  // A NUL is no text; U+FFFD stands where bytes were no UTF-8.
  const wrong = Math.min(...["\0", "\ufffd"].map((char) => text.indexOf(char)).map((found) => (found < 0 ? Infinity : found)));
  if (wrong === Infinity) return text;
  const offset = new TextEncoder().encode(text.slice(0, wrong)).length;
  throw corrupt(source.path, offset, "UTF-8 text", `byte ${source.bytes[offset]?.toString(16).padStart(2, "0") ?? "at the end"}`, [
    "an .npy or .npz file is read by its ending",
  ]);
}

function findDelimiter(text: string): string {
  const end = text.search(/\r|\n/);
  const line = (end < 0 ? text : text.slice(0, end)).replace(/"[^"]*"/g, "").trim();
  return ["\t", ";", ","].find((char) => line.includes(char)) ?? (/\s/.test(line) ? "space" : ",");
}

function splitRows(path: string, text: string, delimiter: string): readonly Row[] {
  if (delimiter === "space" || !text.includes('"')) {
    const separator = delimiter === "space" ? /\s+/ : delimiter;
    return text.split(/\r\n|\n|\r/).flatMap((line, i) => {
      const trimmed = line.trim();
      return trimmed === "" ? [] : [{ line: i + 1, cells: (delimiter === "space" ? trimmed : line).split(separator) }];
    });
  }
  return splitQuoted(path, text, delimiter);
}

function splitQuoted(path: string, text: string, delimiter: string): readonly Row[] {
  const rows: Row[] = [];
  let cells: string[] = [];
  let line = 1;
  let rowLine = 1;
  let at = 0;
  const endRow = (): void => {
    if (cells.length > 1 || cells[0]?.trim() !== "") rows.push({ line: rowLine, cells });
    cells = [];
    rowLine = line;
  };
  while (at < text.length) {
    let cell = "";
    if (text[at] === '"') {
      const opened = line;
      for (at++; ; at++) {
        if (at >= text.length) throw new GmcError("GM5006", `${path}:${opened}: the quote opened here is never closed`);
        if (text[at] === '"') {
          if (text[at + 1] !== '"') break;
          at++;
        }
        if (text[at] === "\n") line++;
        cell += text[at];
      }
      at++;
      if (at < text.length && text[at] !== delimiter && text[at] !== "\n" && text[at] !== "\r") {
        throw new GmcError(
          "GM5006",
          `${path}:${line}: expected ${JSON.stringify(delimiter)} or the end of the line after a closing quote, found ${JSON.stringify(text[at])}`,
        );
      }
    } else {
      const start = at;
      while (at < text.length && text[at] !== delimiter && text[at] !== "\n" && text[at] !== "\r") at++;
      cell = text.slice(start, at);
    }
    cells.push(cell);
    if (text[at] === delimiter) {
      at++;
      if (at === text.length) cells.push("");
    } else {
      if (text[at] === "\r" && text[at + 1] === "\n") at++;
      at++;
      line++;
      endRow();
    }
  }
  if (cells.length > 0) endRow();
  return rows;
}

function isMissing(cell: string): boolean {
  return missing.has(cell.trim().toLowerCase());
}

function isNumber(cell: string): boolean {
  const trimmed = cell.trim();
  return trimmed !== "" && Number.isFinite(Number(trimmed));
}

/** Neither a number, infinite ones included, nor missing. */
const isText = (cell: string): boolean => !isMissing(cell) && Number.isNaN(Number(cell.trim()));

/** Whether numbers outnumber the texts of a column. */
function mostlyNumbers(rows: readonly Row[], j: number): boolean {
  let surplus = 0;
  for (const { cells } of rows) surplus += isNumber(cells[j]!) ? 1 : isText(cells[j]!) ? -1 : 0;
  return surplus > 0;
}

/** Text above numbers in some column, or above nothing at all, and no number in the first row. */
function looksLikeHeader(rows: readonly Row[]): boolean {
  const [first, ...body] = rows;
  if (first === undefined || first.cells.some(isNumber)) return false;
  if (body.length === 0) return !first.cells.some(isMissing);
  // a slip or a missing value in the second row makes no row of the names above it
  return body[0]!.cells.some(isNumber) || first.cells.some((_, j) => mostlyNumbers(body, j));
}

function readColumn(path: string, name: string, rows: readonly Row[], j: number): TableColumn {
  const cells = rows.map((row) => row.cells[j]!.trim());
  const at = cells.findIndex(isText);
  if (at < 0) return { kind: "numbers", name, values: Float64Array.from(cells, (cell) => (isMissing(cell) ? NaN : Number(cell))) };
  const labels = [...new Set(cells.filter((cell) => !isMissing(cell)))].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const codes = new Map(labels.map((label, code) => [label, code]));
  return {
    kind: "labels",
    name,
    labels,
    codes: Int32Array.from(cells, (cell) => codes.get(cell) ?? -1),
    text: { path, line: rows[at]!.line, column: j + 1, text: cells[at]! },
    mostlyNumbers: mostlyNumbers(rows, j),
  };
}
