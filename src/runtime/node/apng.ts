/**
 * Frames as an animated PNG (W3C PNG, third edition, section 11.3.8): a file that shows its first frame where animation is not known. Frames have one
 * size; grey where all pixels are. It is written here since pngjs knows single pictures alone.
 */
import { deflateSync } from "node:zlib";
import { crc32 } from "../data/zip.js";
import type { Raster } from "./raster.js";

const signature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** Shown in turn, for so many milliseconds each, again and again. */
export function encodeAnimation(frames: readonly Raster[], milliseconds: number): Uint8Array {
  const { height = 1, width = 1 } = frames[0] ?? {};
  const grey = frames.every(({ data }) => {
    for (let i = 0; i < data.length; i += 3) if (data[i] !== data[i + 1] || data[i] !== data[i + 2]) return false;
    return true;
  });
  const chunks = [
    chunk("IHDR", [...u32(width), ...u32(height), 8, grey ? 0 : 2, 0, 0, 0]),
    // how many frames, and how often: 0 is without end
    chunk("acTL", [...u32(frames.length), ...u32(0)]),
  ];
  let sequence = 0;
  frames.forEach((frame, i) => {
    const place = [...u32(width), ...u32(height), ...u32(0), ...u32(0)];
    // each frame replaces the one before as a whole
    chunks.push(chunk("fcTL", [...u32(sequence++), ...place, ...u16(milliseconds), ...u16(1000), 0, 0]));
    const pixels = deflateSync(scanlines(frame, grey ? 1 : 3), { level: 9 });
    if (i === 0) chunks.push(chunk("IDAT", pixels));
    else {
      const numbered = new Uint8Array(4 + pixels.length);
      numbered.set(u32(sequence++));
      numbered.set(pixels, 4);
      chunks.push(chunk("fdAT", numbered));
    }
  });
  chunks.push(chunk("IEND", []));
  const out = new Uint8Array(signature.length + chunks.reduce((n, c) => n + c.length, 0));
  out.set(signature);
  let at = signature.length;
  for (const each of chunks) {
    out.set(each, at);
    at += each.length;
  }
  return out;
}

/** Rows of pixels, each after a byte that says how it was filtered: not. */
function scanlines({ height, width, data }: Raster, channels: 1 | 3): Uint8Array {
  const line = 1 + width * channels;
  const out = new Uint8Array(height * line);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < channels; c++) out[y * line + 1 + x * channels + c] = data[3 * (y * width + x) + c]!;
    }
  }
  return out;
}

function chunk(name: string, body: ArrayLike<number>): Uint8Array {
  const out = new Uint8Array(12 + body.length);
  out.set(u32(body.length));
  out.set(
    Array.from(name, (letter) => letter.charCodeAt(0)),
    4,
  );
  out.set(body, 8);
  out.set(u32(crc32(out.subarray(4, 8 + body.length))), 8 + body.length);
  return out;
}

function u32(value: number): readonly number[] {
  return [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

function u16(value: number): readonly number[] {
  return [(value >>> 8) & 255, value & 255];
}
