/**
 * Decompression. The pure half uses the web's DecompressionStream; node/ passes zlib, which is faster.
 * Output is bounded: a small file that unpacks past the limit is refused, not swallowed.
 */
import { GmcError } from "../graph/errors.js";
import type { ByteSource } from "./bytes.js";

export type Compression = "gzip" | "deflate-raw" | "deflate";

/** Gives the unpacked bytes, or throws any Error where the data are damaged or unpack to more than `limit` bytes. */
export type Inflate = (bytes: Uint8Array, format: Compression, limit: number) => Promise<Uint8Array>;

/** Unpacked files past 4 GiB are refused. */
export const maxUnpacked = 2 ** 32;

export const webInflate: Inflate = async (bytes, format, limit) => {
  const stream = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream(format));
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream as unknown as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > limit) throw new Error(`unpacks to more than ${limit} bytes`);
    chunks.push(chunk);
  }
  const out = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
};

/** Unpacks a whole file; damage is GM5005 with the path. */
export async function inflateSource(source: ByteSource, format: Compression, inflate: Inflate, limit = maxUnpacked): Promise<Uint8Array> {
  try {
    return await inflate(source.bytes, format, limit);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new GmcError(
      "GM5005",
      `${source.path}: the ${format === "gzip" ? "gzip" : "deflate"} data are damaged (${reason}; ${source.bytes.length} compressed bytes read)`,
      ["the file is incomplete or changed: copy or download it again"],
    );
  }
}

export function isGzip(bytes: Uint8Array): boolean {
  return bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;
}
