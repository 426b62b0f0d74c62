/** NumPy's .npz: a zip archive of .npy members. */
import { GmcError } from "../graph/errors.js";
import type { DataArray, NamedArrays } from "./array.js";
import { corrupt, type ByteSource } from "./bytes.js";
import type { Inflate } from "./inflate.js";
import { parseNpy } from "./npy.js";
import { suggestion } from "./suggest.js";
import { zipMembers, zipRead } from "./zip.js";

/** Names of the arrays, without `.npy`. */
export function npzNames(source: ByteSource): readonly string[] {
  return zipMembers(source)
    .filter((member) => member.name.endsWith(".npy"))
    .map((member) => member.name.slice(0, -4));
}

/** One array by name. GM5007 where there is none. */
export async function parseNpzArray(source: ByteSource, name: string, inflate: Inflate): Promise<DataArray> {
  const member = zipMembers(source).find((candidate) => candidate.name === `${name}.npy`);
  if (member === undefined) {
    throw new GmcError("GM5007", `${source.path} has no array named ${name}`, suggestion(name, npzNames(source)));
  }
  return parseNpy(await zipRead(source, member, inflate));
}

/** All arrays, in the archive's order. */
export async function parseNpz(source: ByteSource, inflate: Inflate): Promise<NamedArrays> {
  const names = npzNames(source);
  if (names.length === 0) throw corrupt(source.path, 0, "at least one .npy member", "none");
  const arrays: [string, DataArray][] = [];
  for (const name of names) arrays.push([name, await parseNpzArray(source, name, inflate)]);
  return Object.fromEntries(arrays);
}
