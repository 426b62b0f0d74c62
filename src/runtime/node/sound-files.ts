/** Recordings as fields: a wave file, a zip archive of such, or a folder, whose subfolders label what lies in them. */
import * as fs from "node:fs";
import { join } from "node:path";
import { audioRows, type AudioOptions, type Recording } from "../data/audio.js";
import { corrupt, type ByteSource } from "../data/bytes.js";
import { parseWav } from "../data/wav.js";
import { zipMembers, zipRead } from "../data/zip.js";
import { cannotRead } from "./file-errors.js";
import { readBytes } from "./files.js";
import { nodeInflate } from "./inflate.js";
import type { FolderFields, ReadField, ReadFields } from "./readers.js";

const isWave = (name: string): boolean => /(^|[\\/])[^.\\/][^\\/]*\.wav$/i.test(name);
const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** `x`, [rows, samples]. */
export function readWave(source: ByteSource, options: AudioOptions): ReadFields {
  return { x: sound(source.path, [{ path: source.path, wave: parseWav(source) }], options) };
}

/** All wave files of an archive in the order of their names. GM5003 where it holds none. */
export async function readWaveZip(source: ByteSource, options: AudioOptions): Promise<ReadFields> {
  return { x: sound(source.path, await zipRecordings(source), options) };
}

export async function zipRecordings(source: ByteSource): Promise<readonly Recording[]> {
  const members = [...zipMembers(source)].filter((member) => isWave(member.name)).sort((a, b) => byName(a.name, b.name));
  if (members.length === 0) throw corrupt(source.path, 0, "an archive of .wav files", "none in it");
  const found: Recording[] = [];
  for (const member of members) found.push({ path: member.name, wave: parseWav(await zipRead(source, member, nodeInflate)) });
  return found;
}

/** Wave files of a folder and of its subfolders, by name; undefined where there are none. */
export function waveFiles(folder: string): readonly { readonly path: string; readonly label: string }[] | undefined {
  let entries: fs.Dirent[];
  try {
    entries = fs.readdirSync(folder, { withFileTypes: true }).sort((a, b) => byName(a.name, b.name));
  } catch (error) {
    throw cannotRead(folder, error);
  }
  const of = (path: string, names: readonly string[], label: string): { path: string; label: string }[] =>
    names.filter(isWave).map((name) => ({ path: join(path, name), label }));
  const files = entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name);
  const below = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith("."));
  const found = [
    ...of(folder, files, ""),
    ...below.flatMap(({ name }) => of(join(folder, name), fs.readdirSync(join(folder, name)).sort(byName), name)),
  ];
  return found.length === 0 ? undefined : found;
}

/** `x`, and `y` where the files lie in subfolders. */
export function readWaveFolder(
  path: string,
  files: readonly { readonly path: string; readonly label: string }[],
  options: AudioOptions,
): FolderFields {
  const recordings = files.map((file) => ({ path: file.path, wave: parseWav({ path: file.path, bytes: readBytes(file.path) }) }));
  const { array, recordings: of, note } = audioRows(path, recordings, options);
  const x: ReadField = { array, role: "values", notes: [note] };
  if (files.every(({ label }) => label === "")) return { x };
  const labels = [...new Set(files.map(({ label }) => label))].sort(byName);
  const codes = Int32Array.from(of, (i) => labels.indexOf(files[i]!.label));
  return { x, y: { array: { shape: [codes.length], dtype: "i32", data: codes, labels }, role: "labels" } };
}

function sound(path: string, recordings: readonly Recording[], options: AudioOptions): ReadField {
  const { array, note } = audioRows(path, recordings, options);
  return { array, role: "values", notes: [note] };
}
