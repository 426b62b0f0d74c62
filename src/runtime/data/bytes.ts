/**
 * Reading bytes with bounds: every read past the end and every wrong value is a GmcError that names the file, the byte offset,
 * what was expected there and what was found.
 */
import { GmcError } from "../graph/errors.js";

/** A file's content with the path that messages show. */
export interface ByteSource {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** GM5002: the file ends too early. */
export function truncated(path: string, offset: number, expected: string, found: string): GmcError {
  return new GmcError("GM5002", `${path}: cut short at byte ${offset}: expected ${expected}, found ${found}`, [
    "the file is incomplete: copy, download or write it again",
  ]);
}

const DAMAGED = ["the file is damaged, or of another format than its name says: copy or write it again"];

/** GM5003: the bytes are not what the format says. */
export function corrupt(path: string, offset: number, expected: string, found: string, help: readonly string[] = DAMAGED): GmcError {
  return new GmcError("GM5003", `${path}: wrong content at byte ${offset}: expected ${expected}, found ${found}`, help);
}

/** GM5004: a legal file of a kind that is not read. */
export function unsupported(path: string, what: string, help: readonly string[]): GmcError {
  return new GmcError("GM5004", `${path}: ${what}`, help);
}

/** `93 4e 55`, at most eight bytes. */
export function showBytes(bytes: Uint8Array): string {
  if (bytes.length === 0) return "nothing";
  const shown = [...bytes.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return bytes.length > 8 ? `${shown} …` : shown;
}

/** A place in a file that moves as it is read. */
export class ByteCursor {
  readonly path: string;
  readonly bytes: Uint8Array;
  private readonly view: DataView;
  offset: number;

  constructor(source: ByteSource, offset = 0) {
    this.path = source.path;
    this.bytes = source.bytes;
    this.view = new DataView(source.bytes.buffer, source.bytes.byteOffset, source.bytes.byteLength);
    this.offset = offset;
  }

  get left(): number {
    return this.bytes.length - this.offset;
  }

  /** The next `count` bytes, without a copy. `what` is the field that a message names. */
  take(count: number, what: string): Uint8Array {
    this.need(count, what);
    const bytes = this.bytes.subarray(this.offset, this.offset + count);
    this.offset += count;
    return bytes;
  }

  u8(what: string): number {
    this.need(1, what);
    return this.view.getUint8(this.offset++);
  }

  u16(what: string, littleEndian: boolean): number {
    this.need(2, what);
    const value = this.view.getUint16(this.offset, littleEndian);
    this.offset += 2;
    return value;
  }

  u32(what: string, littleEndian: boolean): number {
    this.need(4, what);
    const value = this.view.getUint32(this.offset, littleEndian);
    this.offset += 4;
    return value;
  }

  /** A 64-bit size; one past 2^53 is no size of a real file and reads as Infinity. */
  u64(what: string, littleEndian: boolean): number {
    this.need(8, what);
    const value = this.view.getBigUint64(this.offset, littleEndian);
    this.offset += 8;
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.POSITIVE_INFINITY : Number(value);
  }

  /** Refuses bytes after the last field. */
  end(what: string): void {
    if (this.left > 0)
      throw corrupt(
        this.path,
        this.offset,
        `the end of the file after ${what}`,
        this.left === 1 ? "1 more byte" : `${this.left} more bytes`,
        ["its header does not count them: write the file again with the sizes of all that it holds, or cut it off there"],
      );
  }

  private need(count: number, what: string): void {
    if (count > this.left) {
      throw truncated(
        this.path,
        this.offset,
        `${what} (${count} ${count === 1 ? "byte" : "bytes"})`,
        this.left === 0 ? "the end of the file" : `${this.left} left`,
      );
    }
  }
}
