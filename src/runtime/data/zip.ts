/**
 * Zip archives, as much as .npz files need: stored and deflated members, zip64, checked CRC-32. The central directory is believed only
 * after each of its numbers was checked against the file.
 */
import { GmcError } from "../graph/errors.js";
import { ByteCursor, corrupt, showBytes, truncated, unsupported, type ByteSource } from "./bytes.js";
import { inflateSource, maxUnpacked, type Inflate } from "./inflate.js";

export interface ZipMember {
  readonly name: string;
  readonly method: number;
  readonly flags: number;
  readonly crc: number;
  readonly compressed: number;
  readonly size: number;
  /** Of the local header. */
  readonly offset: number;
}

const endSignature = 0x06054b50;
const directorySignature = 0x02014b50;
const localSignature = 0x04034b50;

/** Lists the members. */
export function zipMembers(source: ByteSource): readonly ZipMember[] {
  const { path, bytes } = source;
  if (bytes.length < 4 || new DataView(bytes.buffer, bytes.byteOffset, 4).getUint16(0, true) !== 0x4b50) {
    throw corrupt(path, 0, "a zip archive (50 4b)", showBytes(bytes.subarray(0, 4)));
  }
  const end = findEnd(source);
  const cursor = new ByteCursor(source, end + 4);
  cursor.take(6, "the disk numbers");
  let entries = cursor.u16("the number of members", true);
  cursor.u32("the size of the directory", true);
  let start = cursor.u32("the place of the directory", true);
  if (entries === 0xffff || start === 0xffffffff) ({ entries, start } = zip64End(source, end));
  if (start > end) throw corrupt(path, end + 16, `a directory before byte ${end}`, `a directory at byte ${start}`);
  cursor.offset = start;
  const members: ZipMember[] = [];
  for (let i = 0; i < entries; i++) members.push(readEntry(cursor, i, entries));
  return members;
}

/** Unpacks one member and checks its size and CRC-32. */
export async function zipRead(source: ByteSource, member: ZipMember, inflate: Inflate): Promise<ByteSource> {
  const path = `${source.path}#${member.name}`;
  if ((member.flags & 1) !== 0) throw unsupported(path, "the member is encrypted", ["save the archive without a password"]);
  const cursor = new ByteCursor(source, Math.min(member.offset, source.bytes.length));
  const signature = cursor.u32("a member's header", true);
  if (signature !== localSignature)
    throw corrupt(source.path, member.offset, "a member's header (50 4b 03 04)", `0x${signature.toString(16)}`);
  cursor.take(22, "a member's header");
  const nameLength = cursor.u16("the name length", true);
  const extraLength = cursor.u16("the extra length", true);
  cursor.take(nameLength + extraLength, "the member's name");
  const packed = cursor.take(member.compressed, `member ${member.name}`);
  const unpacked = member.method === 0 ? packed : await inflateMember(path, packed, member, inflate);
  if (unpacked.length !== member.size) throw truncated(path, unpacked.length, `${member.size} unpacked bytes`, `${unpacked.length}`);
  const crc = crc32(unpacked);
  if (crc !== member.crc) {
    throw new GmcError(
      "GM5005",
      `${path}: the checksum of the unpacked bytes is ${crc.toString(16)}, the archive says ${member.crc.toString(16)}`,
      ["the file is changed: copy or download it again"],
    );
  }
  return { path, bytes: unpacked };
}

function inflateMember(path: string, bytes: Uint8Array, member: ZipMember, inflate: Inflate): Promise<Uint8Array> {
  if (member.method !== 8) {
    throw unsupported(path, `compression method ${member.method} is not read`, ["save with np.savez or np.savez_compressed"]);
  }
  if (member.size > maxUnpacked) throw new GmcError("GM5008", `${path}: unpacks to ${member.size} bytes, past the limit of ${maxUnpacked}`);
  return inflateSource({ path, bytes }, "deflate-raw", inflate, member.size);
}

function findEnd(source: ByteSource): number {
  const { bytes } = source;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // The comment after the record is at most 65,535 bytes long.
  for (let at = bytes.length - 22; at >= 0 && at >= bytes.length - 22 - 65_535; at--) {
    if (view.getUint32(at, true) === endSignature && at + 22 + view.getUint16(at + 20, true) === bytes.length) return at;
  }
  throw truncated(source.path, bytes.length, "the archive's directory (50 4b 05 06)", "the end of the file");
}

function zip64End(source: ByteSource, end: number): { entries: number; start: number } {
  const cursor = new ByteCursor(source, Math.max(0, end - 20));
  const locatorAt = cursor.offset;
  if (cursor.u32("the zip64 locator", true) !== 0x07064b50)
    throw corrupt(source.path, locatorAt, "a zip64 locator (50 4b 06 07)", "other bytes");
  cursor.u32("a disk number", true);
  const at = cursor.u64("the place of the zip64 record", true);
  if (at > locatorAt) throw corrupt(source.path, locatorAt + 8, `a place before byte ${locatorAt}`, String(at));
  cursor.offset = at;
  if (cursor.u32("the zip64 record", true) !== 0x06064b50) throw corrupt(source.path, at, "a zip64 record (50 4b 06 06)", "other bytes");
  cursor.take(28, "the zip64 record");
  const entries = cursor.u64("the number of members", true);
  cursor.u64("the size of the directory", true);
  return { entries, start: cursor.u64("the place of the directory", true) };
}

function readEntry(cursor: ByteCursor, index: number, count: number): ZipMember {
  const what = `entry ${index + 1} of ${count} of the directory`;
  const at = cursor.offset;
  const signature = cursor.u32(what, true);
  if (signature !== directorySignature) throw corrupt(cursor.path, at, `${what} (50 4b 01 02)`, `0x${signature.toString(16)}`);
  cursor.take(4, what);
  const flags = cursor.u16(what, true);
  const method = cursor.u16(what, true);
  cursor.take(4, what);
  const crc = cursor.u32(what, true);
  let compressed = cursor.u32(what, true);
  let size = cursor.u32(what, true);
  const nameLength = cursor.u16(what, true);
  const extraLength = cursor.u16(what, true);
  const commentLength = cursor.u16(what, true);
  cursor.take(8, what);
  let offset = cursor.u32(what, true);
  const name = new TextDecoder().decode(cursor.take(nameLength, what));
  const extra = new ByteCursor({ path: cursor.path, bytes: cursor.take(extraLength, what) });
  while (extra.left >= 4) {
    const tag = extra.u16(what, true);
    const field = new ByteCursor({ path: cursor.path, bytes: extra.take(extra.u16(what, true), what) });
    if (tag !== 1) continue;
    if (size === 0xffffffff) size = field.u64(what, true);
    if (compressed === 0xffffffff) compressed = field.u64(what, true);
    if (offset === 0xffffffff) offset = field.u64(what, true);
  }
  cursor.take(commentLength, what);
  return { name, method, flags, crc, compressed, size, offset };
}

let crcTables: readonly Uint32Array[] | undefined;

/** CRC-32 as zip, gzip and PNG use it (reflected, polynomial 0xEDB88320), four bytes at a time (Kounavis & Berry 2005). */
export function crc32(bytes: Uint8Array): number {
  crcTables ??= makeCrcTables();
  const [t0, t1, t2, t3] = crcTables as [Uint32Array, Uint32Array, Uint32Array, Uint32Array];
  let crc = 0xffffffff;
  const even = bytes.length - (bytes.length % 4);
  let i = 0;
  for (; i < even; i += 4) {
    crc ^= bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    crc = t3[crc & 255]! ^ t2[(crc >>> 8) & 255]! ^ t1[(crc >>> 16) & 255]! ^ t0[crc >>> 24]!;
  }
  for (; i < bytes.length; i++) crc = t0[(crc ^ bytes[i]!) & 255]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** Table k: the remainder of a byte that k more zero bytes follow. */
function makeCrcTables(): readonly Uint32Array[] {
  const tables = [0, 1, 2, 3].map(() => new Uint32Array(256));
  for (let i = 0; i < 256; i++) {
    let word = i;
    for (let bit = 0; bit < 8; bit++) word = (word & 1) === 1 ? (word >>> 1) ^ 0xedb88320 : word >>> 1;
    tables[0]![i] = word;
  }
  for (let k = 1; k < 4; k++)
    for (let i = 0; i < 256; i++) tables[k]![i] = tables[0]![tables[k - 1]![i]! & 255]! ^ (tables[k - 1]![i]! >>> 8);
  return tables;
}
