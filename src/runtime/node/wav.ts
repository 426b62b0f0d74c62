/** PCM wave files of 16 bits, one channel; and the mu-law codes that WaveNet models. */
import { ByteCursor, corrupt, showBytes, unsupported, type ByteSource } from "../data/bytes.js";

export interface Wave {
  readonly rate: number;
  readonly samples: Int16Array;
}

export function parseWav(source: ByteSource): Wave {
  const { path } = source;
  const cursor = new ByteCursor(source);
  const text = (bytes: Uint8Array): string => new TextDecoder("latin1").decode(bytes);
  const riff = cursor.take(4, "the RIFF signature");
  if (text(riff) !== "RIFF") throw corrupt(path, 0, "the RIFF signature (52 49 46 46)", showBytes(riff));
  cursor.u32("the file's size", true);
  const wave = cursor.take(4, "the WAVE signature");
  if (text(wave) !== "WAVE") throw corrupt(path, 8, "the WAVE signature", showBytes(wave));
  let rate: number | undefined;
  for (;;) {
    const name = text(cursor.take(4, "the name of a chunk"));
    const size = cursor.u32(`the size of chunk ${name}`, true);
    const body = new ByteCursor({ path, bytes: cursor.take(size, `chunk ${name}`) });
    if (size % 2 === 1 && cursor.left > 0) cursor.take(1, "a padding byte");
    if (name === "fmt ") {
      const format = body.u16("the format", true);
      const channels = body.u16("the number of channels", true);
      rate = body.u32("the sampling rate", true);
      body.take(6, "the block size");
      const bits = body.u16("the bits of a sample", true);
      if (format !== 1 || channels !== 1 || bits !== 16)
        throw unsupported(path, "only PCM waves of 16 bits and one channel are read", ["convert it to 16-bit mono PCM"]);
    } else if (name === "data") {
      if (rate === undefined) throw corrupt(path, cursor.offset, "chunk 'fmt ' before chunk data", "none");
      const samples = new Int16Array(Math.floor(size / 2));
      for (let i = 0; i < samples.length; i++) samples[i] = (body.u16("a sample", true) << 16) >> 16;
      return { rate, samples };
    }
  }
}

/** Code 0..255 of a sample in [-1, 1]: ITU-T G.711's companding curve with mu = 255, in 256 equal steps (van den Oord et al. 2016). */
export function muLaw(sample: number): number {
  const companded = (Math.sign(sample) * Math.log1p(255 * Math.abs(sample))) / Math.log(256);
  return Math.min(255, Math.max(0, Math.floor(((companded + 1) / 2) * 256)));
}
