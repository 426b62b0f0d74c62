/** Temporary folders and expected errors for the tests of files. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";
import { GmcError } from "../../src/runtime/graph/errors.js";

const folders: string[] = [];

/** A folder that is removed after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "gmc-test-"));
  folders.push(folder);
  return folder;
}

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

export function write(folder: string, name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** The GmcError that a call throws or a promise rejects with; anything else fails the test. */
export async function mistake(run: () => unknown): Promise<GmcError> {
  try {
    await run();
  } catch (error) {
    if (error instanceof GmcError) return error;
    throw error;
  }
  throw new Error("expected a GmcError");
}

/** An .npy file of version 1. */
export function npy(descr: string, shape: readonly number[], values: Uint8Array): Uint8Array {
  const text =
    `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.map((size) => `${size},`).join(" ")}), }`.padEnd(117) + "\n";
  return Uint8Array.of(0x93, ...Buffer.from("NUMPY"), 1, 0, text.length, 0, ...Buffer.from(text), ...values);
}
