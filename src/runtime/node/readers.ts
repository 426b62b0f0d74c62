/**
 * Data files by their endings, gzip'd or not: IDX (.idx, -ubyte), .npy, .npz, tables (.csv, .tsv, .txt, .data), MATLAB 4 (.mat), packed bits (.bits),
 * waves (.wav, or a .zip of them), folders of .png or .wav. Each path gives one or more fields; errors name the path as the user gave it.
 */
import * as fs from "node:fs";
import { resolve } from "node:path";
import { GmcError } from "../graph/errors.js";
import type { DataArray } from "../data/array.js";
import type { AudioOptions } from "../data/audio.js";
import { parseBits } from "../data/bits.js";
import { unsupported, type ByteSource } from "../data/bytes.js";
import { parseCsv, tableArray, textAmongNumbers } from "../data/csv.js";
import { parseIdx } from "../data/idx.js";
import { inflateSource, isGzip } from "../data/inflate.js";
import { parseMat4 } from "../data/mat.js";
import { parseNpy } from "../data/npy.js";
import { npzNames, parseNpz, parseNpzArray } from "../data/npz.js";
import { resizePictures } from "../data/resize.js";
import type { ItemOptions } from "../data/spec.js";
import { csrArrays, csrMatrix, withVocabulary } from "../data/sparse.js";
import { suggestion } from "../data/suggest.js";
import { zipMembers, zipRead } from "../data/zip.js";
import { readBytes } from "./files.js";
import { nodeInflate } from "./inflate.js";
import { readPictureFolder } from "./picture-folder.js";
import type { ReadingOption } from "./source-options.js";
import { readWave, readWaveFolder, readWaveZip, waveFiles } from "./sound-files.js";

/** Of an item, and how many entries a row of its variable has: sound is cut so where no width is told. */
export type ReadOptions = ItemOptions & Pick<AudioOptions, "rowLength">;

export interface ReadField {
  readonly array: DataArray;
  readonly role: "values" | "labels";
  /** What was done to the values, for the protocol. */
  readonly notes?: readonly string[];
}

export type ReadFields = Readonly<Record<string, ReadField>>;

/** Of a folder: what its files hold, and the subfolders that they lie in. */
export type FolderFields = { readonly x: ReadField; readonly y?: ReadField };

type Kind = "idx" | "npy" | "npz" | "csv" | "mat" | "bits" | "wav" | "zip";

const endings: readonly (readonly [RegExp, Kind])[] = [
  [/(\.idx|[.-]ubyte|\.idx\d-ubyte)$/i, "idx"],
  [/\.npy$/i, "npy"],
  [/\.npz$/i, "npz"],
  [/\.(csv|tsv|txt|data)$/i, "csv"],
  [/\.mat$/i, "mat"],
  [/\.(bits|packbits)$/i, "bits"],
  [/\.wav$/i, "wav"],
  [/\.zip$/i, "zip"],
];

/** Options on how a file is read that its kind has a use for. */
const optionsOfKind: Readonly<Record<Kind, readonly ReadingOption[]>> = {
  idx: ["vocabulary"],
  npy: ["vocabulary"],
  npz: ["vocabulary"],
  mat: ["vocabulary"],
  csv: ["header", "delimiter", "vocabulary"],
  bits: ["width", "vocabulary"],
  wav: ["width", "rate"],
  zip: ["width", "rate"],
};

export function optionsOfFile(base: string, path: string): readonly ReadingOption[] {
  const absolute = resolve(base, path);
  if (!isFolderPath(path, absolute)) return optionsOfKind[kindOf(path)];
  return waveFiles(absolute) === undefined ? [] : optionsOfKind.wav;
}

/** The one array of a file, or the `part` of it that is named; of a folder its pictures or its sound. `path` is relative to `base`. */
export async function readArray(base: string, path: string, part: string | undefined, options: ReadOptions): Promise<ReadField> {
  const fields = await fieldsOf(base, path, part, options, true);
  if (part === undefined && isFolderPath(path, resolve(base, path))) return fields["x"]!;
  const names = Object.keys(fields);
  if (names.length > 1) {
    throw new GmcError("GM5007", `${path} holds several arrays: ${names.join(", ")}`, [`name one, for example ${path}#${names[0]}`]);
  }
  return fields[names[0]!]!;
}

/** All arrays of a file by name. A table offers its numbers as `x` and each text column under its own name; a folder `x` and, of subfolders, `y`. */
export function readFields(base: string, path: string, part: string | undefined, options: ReadOptions): Promise<ReadFields> {
  return fieldsOf(base, path, part, options, false);
}

/** `asOne`: one array is asked for. */
async function fieldsOf(base: string, path: string, part: string | undefined, options: ReadOptions, asOne: boolean): Promise<ReadFields> {
  const absolute = resolve(base, path);
  if (isFolderPath(path, absolute)) return readFolder(absolute, path, part, options);
  const source = await unpacked({ path, bytes: readNamed(absolute, path) });
  const fields = named(base, path, await parseFields(kindOf(path), source, part, options, asOne), options);
  if (options.size === undefined) return fields;
  const [height, width] = options.size;
  if (!Object.values(fields).some(({ array }) => array.shape.length >= 3))
    throw new GmcError("GM5013", `${path}: size is for pictures, [rows, height, width] or [rows, height, width, channels]`);
  return Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [
      name,
      field.array.shape.length >= 3 ? { ...field, array: resizePictures(field.array, height, width) } : field,
    ]),
  );
}

/** With the words of a vocabulary as names of the entries. */
function named(base: string, path: string, fields: ReadFields, { vocabulary }: ItemOptions): ReadFields {
  if (vocabulary === undefined) return fields;
  const text = new TextDecoder().decode(readNamed(resolve(base, vocabulary), vocabulary));
  return Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [
      name,
      field.array.shape.length < 2 ? field : { ...field, array: withVocabulary(path, field.array, vocabulary, text) },
    ]),
  );
}

/** Reads the file at `absolute`; messages show `path`. */
function readNamed(absolute: string, path: string): Uint8Array {
  try {
    return readBytes(absolute);
  } catch (error) {
    throw error instanceof GmcError ? new GmcError(error.code, error.message.replace(absolute, path), error.help) : error;
  }
}

/** A file's bytes, unpacked where they are gzip'd. */
export async function unpacked(source: ByteSource): Promise<ByteSource> {
  return isGzip(source.bytes) ? { path: source.path, bytes: await inflateSource(source, "gzip", nodeInflate) } : source;
}

function isFolder(path: string): boolean {
  return fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function kindOf(path: string): Kind {
  const plain = path.replace(/\.gz$/i, "");
  const kind = endings.find(([ending]) => ending.test(plain))?.[1];
  if (kind === undefined) {
    throw unsupported(path, "no reader for files of this ending", [
      "read are .idx and -ubyte, .npy, .npz, .csv, .tsv, .txt, .mat, .bits, .wav, each with or without .gz, .zip of .wav, and folders of .png or .wav",
    ]);
  }
  return kind;
}

const values = (array: DataArray): ReadField => ({ array, role: array.labels === undefined ? "values" : "labels" });
const asFields = (arrays: Readonly<Record<string, DataArray>>): ReadFields =>
  Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, values(array)]));

async function parseFields(
  kind: Kind,
  source: ByteSource,
  part: string | undefined,
  options: ReadOptions,
  asOne: boolean,
): Promise<ReadFields> {
  switch (kind) {
    case "npz": {
      if (part === undefined && isScipy(npzNames(source))) return { x: values(await readScipy(source)) };
      if (part !== undefined) return { [part]: values(await parseNpzArray(source, part, nodeInflate)) };
      const names = npzNames(source);
      return names.length === 1
        ? { [names[0]!]: values(await parseNpzArray(source, names[0]!, nodeInflate)) }
        : asFields(await parseNpz(source, nodeInflate));
    }
    case "csv": {
      const table = parseCsv(source, options);
      if (part !== undefined) return { x: values(tableArray(table, part)) };
      const labels = table.columns.filter((column) => column.kind === "labels");
      if (labels.length === 0) return { x: values(tableArray(table)) };
      const numbers = table.columns.filter((column) => column.kind === "numbers");
      // A table that is asked for one array is all numbers, or one column; else columns of text are fields of their own, but for slips.
      const wrong = labels.find((column) => column.mostlyNumbers || (asOne && numbers.length > 0));
      if (wrong !== undefined) throw textAmongNumbers(table, wrong);
      return {
        ...(numbers.length > 0 ? { x: values(tableArray({ ...table, columns: numbers })) } : {}),
        ...Object.fromEntries(
          labels.map((column) => [
            /^\d+$/.test(column.name) && labels.length === 1 ? "y" : column.name,
            values(tableArray(table, column.name)),
          ]),
        ),
      };
    }
    case "mat": {
      const arrays = parseMat4(source);
      if (part === undefined) return asFields(arrays);
      const array = Object.hasOwn(arrays, part) ? arrays[part] : undefined;
      if (array === undefined)
        throw new GmcError("GM5007", `${source.path} has no array named ${part}`, suggestion(part, Object.keys(arrays)));
      return { [part]: values(array) };
    }
    default:
      if (part !== undefined)
        throw new GmcError("GM5007", `${source.path} holds one array, so #${part} names nothing`, ["leave the # and what follows out"]);
      if (kind === "wav") return readWave(source, options);
      if (kind === "zip") return readWaveZip(source, options);
      return { x: values(parseSingle(kind, source, options)) };
  }
}

/** The members of a file of SciPy's `save_npz`. */
const scipyNames = ["indptr", "indices", "data", "shape"] as const;
const isScipy = (names: readonly string[]): boolean => scipyNames.every((name) => names.includes(name));

async function readScipy(source: ByteSource): Promise<DataArray> {
  const arrays: Record<string, DataArray> = {};
  for (const name of scipyNames) arrays[name] = await parseNpzArray(source, name, nodeInflate);
  const format = zipMembers(source).find((member) => member.name === "format.npy");
  const kind = format === undefined ? "csr" : new TextDecoder().decode((await zipRead(source, format, nodeInflate)).bytes).slice(-3);
  if (kind !== "csr")
    throw unsupported(source.path, `a sparse matrix of the form ${kind} is not read`, [
      "save it row by row: scipy.sparse.save_npz(path, m.tocsr())",
    ]);
  const [, columns = 0] = arrays["shape"]!.data;
  return csrMatrix(source.path, csrArrays(source.path, arrays, ["indptr", "indices", "data"]), columns);
}

function parseSingle(kind: "idx" | "npy" | "bits", source: ByteSource, options: ReadOptions): DataArray {
  switch (kind) {
    case "idx":
      return parseIdx(source);
    case "npy":
      return parseNpy(source);
    case "bits":
      if (options.width === undefined)
        throw new GmcError("GM5013", `${source.path}: packed bits need the number of bits of a row`, [
          "add :width=784, or name the variable that they are for: `x=…`",
        ]);
      return parseBits(source, options.width);
  }
}

function isFolderPath(path: string, absolute: string): boolean {
  return /[\\/]$/.test(path) || isFolder(absolute);
}

/** `x`, and `y` of subfolders; GM5007 for a part that is neither what the folder holds nor its labels. */
function readFolder(absolute: string, path: string, part: string | undefined, options: ReadOptions): ReadFields {
  const waves = waveFiles(absolute);
  const kind = waves === undefined ? "pictures" : "sound";
  if (part !== undefined && part !== "labels" && part !== kind)
    throw new GmcError("GM5007", `${path} offers ${kind} and labels, not ${part}`, suggestion(part, [kind, "labels"]));
  const { x, y } = waves === undefined ? readPictures(absolute, part, options) : readWaveFolder(path, waves, options);
  if (part === kind) return { x };
  if (part === undefined) return y === undefined ? { x } : { x, y };
  if (y === undefined) throw new GmcError("GM5007", `${path} has no labels`, ["a file is labelled by the subfolder that it lies in"]);
  return { y };
}

function readPictures(absolute: string, part: string | undefined, options: ReadOptions): FolderFields {
  // labels do without the pictures' sizes
  const { pictures, labels, mixed } = readPictureFolder(absolute, options.size ?? (part === "labels" ? [1, 1] : undefined));
  const x: ReadField = { array: pictures, role: "values", ...(mixed === undefined ? {} : { notes: [mixed] }) };
  return labels === undefined ? { x } : { x, y: { array: labels, role: "labels" } };
}
