/**
 * Files: reading whole, and writing such that a reader sees the old content or the new, never a part, whatever moment the process or the machine dies.
 */
import * as fs from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { cannotRead, cannotWrite, hasCode, noFolder } from "./file-errors.js";

/** The calls that writing makes; tests replace some to let a disk fill up. Spelled out: types that users see name none of Node's, which a project of theirs may lack. */
export interface FileOps {
  openSync(path: string, flags: string | number, mode?: number): number;
  writeSync(descriptor: number, bytes: Uint8Array, offset: number, length: number): number;
  fsyncSync(descriptor: number): void;
  closeSync(descriptor: number): void;
  renameSync(from: string, to: string): void;
  rmSync(path: string, options: { readonly force: boolean }): void;
  rmdirSync(path: string): void;
  mkdirSync(path: string): unknown;
}

export const diskOps: FileOps = fs;

/** A file's bytes as a plain Uint8Array, whose methods copy where a Buffer's do not. GM5001. */
export function readBytes(path: string): Uint8Array {
  try {
    return plainBytes(fs.readFileSync(path));
  } catch (error) {
    throw cannotRead(path, error);
  }
}

export function plainBytes(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** GM5001 */
export function readText(path: string): string {
  return new TextDecoder().decode(readBytes(path));
}

let temporaries = 0;

/**
 * Writes to a temporary file beside `path`, syncs it, renames it over `path`, syncs the folder. GM5205, GM5206, GM5212; the old file stays.
 * A link stays a link, and a device or a named pipe (`/dev/stdout`, a shell's `>(command)`) is written into, not replaced.
 */
export function writeFileAtomic(path: string, content: string | Uint8Array, ops: FileOps = diskOps): void {
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  const before = existing(path);
  if (before?.isDirectory()) throw cannotWrite(path, Object.assign(new Error("is a folder"), { code: "EISDIR" }));
  if (before !== undefined && !before.isFile()) {
    writeInto(path, bytes, before.isFIFO(), ops);
    return;
  }
  const target = before === undefined ? path : fs.realpathSync(path);
  const folder = dirname(target);
  const temporary = join(folder, `.${basename(target)}.${process.pid}.${temporaries++}.tmp`);
  let descriptor: number | undefined;
  try {
    descriptor = ops.openSync(temporary, "wx", before === undefined ? 0o666 : before.mode & 0o777);
    writeAll(descriptor, bytes, ops);
    ops.fsyncSync(descriptor);
    ops.closeSync(descriptor);
    descriptor = undefined;
    ops.renameSync(temporary, target);
    syncFolder(folder, ops);
  } catch (error) {
    // The temporary file gives its space back; an error here would hide the one that matters.
    try {
      if (descriptor !== undefined) ops.closeSync(descriptor);
      ops.rmSync(temporary, { force: true });
    } catch {
      // Nothing more can be done for it.
    }
    throw cannotWrite(path, error);
  }
}

/** What lies at `path`, links followed; undefined where nothing does. */
function existing(path: string): fs.Stats | undefined {
  try {
    return fs.statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

/** Into what is there already. A pipe that nobody reads is an error; opening it as usual would wait for a reader for ever. */
function writeInto(path: string, bytes: Uint8Array, pipe: boolean, ops: FileOps): void {
  const descriptors: number[] = [];
  try {
    if (pipe) descriptors.push(ops.openSync(path, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK));
    const descriptor = ops.openSync(path, fs.constants.O_WRONLY);
    descriptors.push(descriptor);
    writeAll(descriptor, bytes, ops);
  } catch (error) {
    throw cannotWrite(path, error);
  } finally {
    for (const descriptor of descriptors) ops.closeSync(descriptor);
  }
}

/** A regular file whose content is `text`; what is no regular file has no content to compare. */
export function holdsText(path: string, text: string): boolean {
  try {
    return fs.statSync(path).isFile() && fs.readFileSync(path, "utf8") === text;
  } catch {
    return false;
  }
}

/** Names of temporary files that a killed writer left. */
export function isTemporary(name: string): boolean {
  return /^\..+\.\d+\.\d+\.tmp$/.test(name);
}

function writeAll(descriptor: number, bytes: Uint8Array, ops: FileOps): void {
  for (let at = 0; at < bytes.length;) at += ops.writeSync(descriptor, bytes, at, bytes.length - at);
}

/** A rename is durable once its folder is; some systems (Windows) cannot sync folders and need not. */
function syncFolder(folder: string, ops: FileOps): void {
  let descriptor: number;
  try {
    descriptor = ops.openSync(folder, "r");
  } catch {
    return;
  }
  try {
    ops.fsyncSync(descriptor);
  } catch {
    // The file itself is synced.
  } finally {
    ops.closeSync(descriptor);
  }
}

/**
 * With the folders above it. GM5205, GM5206, GM5212. One after another, from the first that is not there: Node's own `recursive` tries for ever where a
 * file system that makes no folders (/proc) answers that the folder above is missing.
 */
export function makeFolder(path: string, ops: FileOps = diskOps): void {
  const missing: string[] = [];
  for (let folder = resolve(path); !isFolder(folder) && folder !== dirname(folder); folder = dirname(folder)) missing.push(folder);
  try {
    for (const folder of missing.reverse()) {
      try {
        ops.mkdirSync(folder);
      } catch (error) {
        // another process may have been quicker
        if (!isFolder(folder)) throw error;
      }
    }
  } catch (error) {
    throw hasCode(error, "ENOENT") ? noFolder(path) : cannotWrite(path, error);
  }
}

function isFolder(path: string): boolean {
  try {
    return fs.statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** The nearest folder at or above `start` that holds package.json or .git; `start` itself where there is none. */
export function projectRoot(start: string): string {
  for (let folder = start; ;) {
    if (fs.existsSync(join(folder, "package.json")) || fs.existsSync(join(folder, ".git"))) return folder;
    const parent = dirname(folder);
    if (parent === folder) return start;
    folder = parent;
  }
}
