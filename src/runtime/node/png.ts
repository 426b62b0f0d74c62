/**
 * PNG pictures to arrays. The chunk structure is checked here first, so that damage is named with its byte offset; pngjs decodes the rest.
 */
import { PNG } from "pngjs";
import { checkedCount } from "../data/array.js";
import { ByteCursor, corrupt, showBytes, unsupported, type ByteSource } from "../data/bytes.js";
import { crc32 } from "../data/zip.js";

export interface Picture {
  readonly height: number;
  readonly width: number;
  /** 1 grey, 3 red, green, blue. */
  readonly channels: 1 | 3;
  /** [height, width, channels], 0..255. Transparent pixels lie on white. */
  readonly data: Uint8Array;
}

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

export function parsePng(source: ByteSource): Picture {
  const { width, height, grey, dataAt } = checkChunks(source);
  const channels = grey ? 1 : 3;
  const count = checkedCount(source.path, [height, width, channels]);
  let rgba: Uint8Array;
  try {
    rgba = PNG.sync.read(Buffer.from(source.bytes.buffer, source.bytes.byteOffset, source.bytes.byteLength)).data;
  } catch (error) {
    throw corrupt(source.path, dataAt, "pixel data of a PNG", error instanceof Error ? error.message : String(error));
  }
  const data = new Uint8Array(count);
  for (let pixel = 0, to = 0; pixel < width * height; pixel++) {
    const alpha = rgba[4 * pixel + 3]! / 255;
    for (let c = 0; c < channels; c++) data[to++] = Math.round(rgba[4 * pixel + c]! * alpha + 255 * (1 - alpha));
  }
  return { height, width, channels, data };
}

/** Walks the chunks: lengths, checksums, IHDR first, IEND last. */
function checkChunks(source: ByteSource): { width: number; height: number; grey: boolean; dataAt: number } {
  const { path } = source;
  const cursor = new ByteCursor(source);
  const head = cursor.take(8, "the PNG signature");
  if (!signature.every((byte, i) => head[i] === byte))
    throw corrupt(path, 0, "the PNG signature (89 50 4e 47 0d 0a 1a 0a)", showBytes(head));
  let header: { width: number; height: number; grey: boolean } | undefined;
  let dataAt: number | undefined;
  for (;;) {
    const at = cursor.offset;
    const length = cursor.u32("the length of a chunk", false);
    const name = new TextDecoder("latin1").decode(cursor.take(4, "the name of a chunk"));
    if (!/^[A-Za-z]{4}$/.test(name)) throw corrupt(path, at + 4, "the name of a chunk", showBytes(source.bytes.subarray(at + 4, at + 8)));
    const body = cursor.take(length, `chunk ${name}`);
    const crcAt = cursor.offset;
    const stored = cursor.u32(`the checksum of chunk ${name}`, false);
    const found = crc32(source.bytes.subarray(at + 4, crcAt));
    if (stored !== found)
      throw corrupt(path, crcAt, `checksum ${found.toString(16)} of chunk ${name}`, stored.toString(16), [
        "the file is changed: copy or download it again",
      ]);
    if (header === undefined) {
      if (name !== "IHDR" || length !== 13) throw corrupt(path, at + 4, "chunk IHDR of 13 bytes", `${name} of ${length}`);
      const fields = new ByteCursor({ path, bytes: body });
      const width = fields.u32("the width", false);
      const height = fields.u32("the height", false);
      fields.u8("the bit depth");
      const colour = fields.u8("the colour type");
      if (width === 0 || height === 0 || width > 65_535 || height > 65_535)
        throw unsupported(path, `a picture of ${width} x ${height} pixels is not read`, ["sides of 1 to 65535 pixels are"]);
      header = { width, height, grey: colour === 0 || colour === 4 };
    }
    if (name === "IDAT") dataAt ??= at;
    if (name === "IEND") break;
  }
  if (dataAt === undefined) throw corrupt(path, cursor.offset, "pixel data (chunk IDAT)", "none before IEND");
  return { ...header, dataAt };
}
