/**
 * A folder of PNG pictures as arrays: all files in the order of their names. Pictures in subfolders are labelled by the subfolder's name.
 */
import * as fs from "node:fs";
import { join } from "node:path";
import { GmcError } from "../graph/errors.js";
import { checkedCount, type DataArray } from "../data/array.js";
import { resizePictures } from "../data/resize.js";
import { cannotRead } from "./file-errors.js";
import { readBytes } from "./files.js";
import { parsePng, type Picture } from "./png.js";

export interface PictureFolder {
  /** [N, H, W] where all are grey, else [N, H, W, 3]. */
  readonly pictures: DataArray;
  /** Codes of the subfolders, in alphabetical order; absent without subfolders. */
  readonly labels: DataArray | undefined;
  /** Where pictures in colour and in grey lie side by side: which are the fewer, and what was made of the grey ones. */
  readonly mixed: string | undefined;
}

const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** `size` brings all pictures to one height and width; without it they must be equal (GM5027). */
export function readPictureFolder(folder: string, size?: readonly [number, number]): PictureFolder {
  const files = listPictures(folder);
  if (files.length === 0)
    throw new GmcError("GM5001", `${folder}: the folder holds no .png file`, ["pictures of other kinds are converted first"]);
  const pictures = files.map((file) => {
    const picture = parsePng({ path: file.path, bytes: readBytes(file.path) });
    return size === undefined ? picture : resize(picture, size);
  });
  const first = pictures[0]!;
  const other = pictures.findIndex((picture) => picture.height !== first.height || picture.width !== first.width);
  if (other >= 0) {
    const show = (i: number): string => `${files[i]!.path} is ${pictures[i]!.height} x ${pictures[i]!.width}`;
    throw new GmcError("GM5027", `the pictures of a folder must have one size: ${show(0)}, ${show(other)} (height x width)`, [
      `bring them to one size with :size=${commonestSize(pictures)}`,
    ]);
  }
  const channels = pictures.some((picture) => picture.channels === 3) ? 3 : 1;
  const shape = [files.length, first.height, first.width, ...(channels === 3 ? [3] : [])];
  const data = new Uint8Array(checkedCount(folder, shape));
  const width = first.height * first.width * channels;
  pictures.forEach((picture, i) => data.set(picture.channels === channels ? picture.data : repeatGrey(picture.data), i * width));
  return { pictures: { shape, dtype: "u8", data }, labels: labelsOf(files.map((file) => file.label)), mixed: mixedOf(files, pictures) };
}

function mixedOf(files: readonly { readonly path: string }[], pictures: readonly Picture[]): string | undefined {
  const colour = pictures.flatMap((p, i) => (p.channels === 3 ? [files[i]!.path] : []));
  const grey = pictures.flatMap((p, i) => (p.channels === 3 ? [] : [files[i]!.path]));
  if (colour.length === 0 || grey.length === 0) return undefined;
  const [few, kind] = colour.length <= grey.length ? [colour, "in colour"] : [grey, "grey"];
  const which = `${few.slice(0, 2).join(", ")}${few.length > 2 ? ` and ${few.length - 2} more` : ""}`;
  return `${few.length} of ${pictures.length} pictures ${few.length === 1 ? "is" : "are"} ${kind} (${which}), so the grey ones were given 3 equal channels`;
}

/** `28x28`: the height and width that most pictures have; of several, those of the first. */
function commonestSize(pictures: readonly Picture[]): string {
  const counts = new Map<string, number>();
  for (const { height, width } of pictures) counts.set(`${height}x${width}`, (counts.get(`${height}x${width}`) ?? 0) + 1);
  return [...counts].reduce((most, each) => (each[1] > most[1] ? each : most))[0];
}

function listPictures(folder: string): readonly { readonly path: string; readonly label: string }[] {
  const list = (path: string): fs.Dirent[] => {
    try {
      return fs.readdirSync(path, { withFileTypes: true }).sort((a, b) => byName(a.name, b.name));
    } catch (error) {
      throw cannotRead(path, error);
    }
  };
  const pngs = (path: string, label: string): { path: string; label: string }[] =>
    list(path)
      .filter((entry) => !entry.isDirectory() && /^[^.].*\.png$/i.test(entry.name))
      .map((entry) => ({ path: join(path, entry.name), label }));
  const below = list(folder).filter((entry) => entry.isDirectory() && !entry.name.startsWith("."));
  return [...pngs(folder, ""), ...below.flatMap((entry) => pngs(join(folder, entry.name), entry.name))];
}

function labelsOf(names: readonly string[]): DataArray | undefined {
  if (names.every((name) => name === "")) return undefined;
  const labels = [...new Set(names)].sort(byName);
  const codes = new Map(labels.map((label, code) => [label, code]));
  return { shape: [names.length], dtype: "i32", data: Int32Array.from(names, (name) => codes.get(name)!), labels };
}

function resize(picture: Picture, [height, width]: readonly [number, number]): Picture {
  const one: DataArray = { shape: [1, picture.height, picture.width, picture.channels], dtype: "u8", data: picture.data };
  return { ...picture, height, width, data: resizePictures(one, height, width).data as Uint8Array };
}

function repeatGrey(grey: Uint8Array): Uint8Array {
  const colour = new Uint8Array(3 * grey.length);
  for (let i = 0; i < grey.length; i++) colour.fill(grey[i]!, 3 * i, 3 * i + 3);
  return colour;
}
