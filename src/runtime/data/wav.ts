/**
 * Wave files (RIFF): PCM of 8, 16, 24 and 32 bits and floats of 32 and 64 bits, any rate, any number of channels, which become their mean.
 * Samples are numbers in [-1, 1); floats may lie outside.
 */
import { GmcError } from "../graph/errors.js";
import { ByteCursor, corrupt, showBytes, unsupported, type ByteSource } from "./bytes.js";

export interface Wave {
  /** Samples a second. */
  readonly rate: number;
  readonly samples: Float32Array;
  /** Of PCM: what the whole numbers in the file were divided by, 32768 for 16 bits. */
  readonly over?: number;
  /** Channels of the file, of which samples are the mean; 1 where it is absent. */
  readonly channels?: number;
  /** Samples are the file's whole numbers, of one channel, and no mean of several. */
  readonly whole?: boolean;
}

interface Format {
  readonly rate: number;
  readonly channels: number;
  /** Bytes of one sample of one channel. */
  readonly size: number;
  readonly over: number | undefined;
  readonly read: (view: DataView, at: number) => number;
}

const PCM = 1;
const FLOAT = 3;
/** The format stands in an extension of the chunk (WAVE_FORMAT_EXTENSIBLE). */
const EXTENDED = 0xfffe;
/** The size of what is written as it arises, to a pipe: as much as there is. */
const OPEN_END = 0xffffffff;

const encodings: Readonly<Record<string, Format["read"]>> = {
  [`${PCM}:8`]: (view, at) => (view.getUint8(at) - 128) / 2 ** 7,
  [`${PCM}:16`]: (view, at) => view.getInt16(at, true) / 2 ** 15,
  [`${PCM}:24`]: (view, at) => (view.getUint8(at) + view.getInt16(at + 1, true) * 256) / 2 ** 23,
  [`${PCM}:32`]: (view, at) => view.getInt32(at, true) / 2 ** 31,
  [`${FLOAT}:32`]: (view, at) => view.getFloat32(at, true),
  [`${FLOAT}:64`]: (view, at) => view.getFloat64(at, true),
};

/** GM5002 where it is cut short, GM5003 where it is damaged, GM5004 for compressed samples. */
export function parseWav(source: ByteSource): Wave {
  const { path } = source;
  const cursor = new ByteCursor(source);
  const text = (bytes: Uint8Array): string => new TextDecoder("latin1").decode(bytes);
  const riff = cursor.take(4, "the RIFF signature");
  if (text(riff) !== "RIFF") throw corrupt(path, 0, "the RIFF signature (52 49 46 46)", showBytes(riff));
  cursor.u32("the file's size", true);
  const wave = cursor.take(4, "the WAVE signature");
  if (text(wave) !== "WAVE") throw corrupt(path, 8, "the WAVE signature", showBytes(wave));
  let format: Format | undefined;
  for (;;) {
    const name = text(cursor.take(4, "the name of a chunk"));
    const told = cursor.u32(`the size of chunk ${name}`, true);
    const size = name === "data" && told === OPEN_END ? cursor.left : told;
    const body = cursor.take(size, `chunk ${name}`);
    if (size % 2 === 1 && cursor.left > 0) cursor.take(1, "a padding byte");
    if (name === "fmt ") format = parseFormat({ path, bytes: body });
    else if (name === "data") {
      if (format === undefined) throw corrupt(path, cursor.offset, "chunk 'fmt ' before chunk data", "none");
      const { rate, channels, over } = format;
      return {
        rate,
        samples: mono(body, format),
        ...(channels === 1 ? {} : { channels }),
        ...(over === undefined ? {} : { over, whole: channels === 1 }),
      };
    }
  }
}

function parseFormat(source: ByteSource): Format {
  const { path } = source;
  const body = new ByteCursor(source);
  const told = body.u16("the format", true);
  const channels = body.u16("the number of channels", true);
  const rate = body.u32("the sampling rate", true);
  body.take(6, "the block size");
  const bits = body.u16("the bits of a sample", true);
  let code = told;
  if (told === EXTENDED) {
    body.take(8, "the extension of the format");
    code = body.u16("the format", true);
  }
  if (channels === 0 || rate === 0) throw corrupt(path, 0, "a sampling rate and a number of channels", `${rate} and ${channels}`);
  const read = encodings[`${code}:${bits}`];
  if (read === undefined)
    throw unsupported(path, `waves of format ${code} and ${bits} bits are not read`, [
      "convert it to PCM of 8, 16, 24 or 32 bits, or to floats: ffmpeg -i FILE -c:a pcm_s16le OUT.wav",
    ]);
  return { rate, channels, size: bits / 8, over: code === PCM ? 2 ** (bits - 1) : undefined, read };
}

function mono(bytes: Uint8Array, { channels, size, read }: Format): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const samples = new Float32Array(Math.floor(bytes.length / (size * channels)));
  for (let i = 0; i < samples.length; i++) {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += read(view, (i * channels + c) * size);
    samples[i] = sum / channels;
  }
  return samples;
}

/** PCM of 16 bits, one channel; what is past the ends of [-1, 1) is clipped. */
export function encodeWav({ rate, samples }: { readonly rate: number; readonly samples: ArrayLike<number> }): Uint8Array {
  const bytes = new Uint8Array(44 + 2 * samples.length);
  const view = new DataView(bytes.buffer);
  const text = (at: number, name: string): void => bytes.set(new TextEncoder().encode(name), at);
  text(0, "RIFF");
  view.setUint32(4, bytes.length - 8, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, PCM, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  for (let i = 0; i < samples.length; i++) {
    const value = Math.round(samples[i]! * 2 ** 15);
    view.setInt16(44 + 2 * i, Math.min(2 ** 15 - 1, Math.max(-(2 ** 15), value)), true);
  }
  return bytes;
}

/** Zero crossings of the sinc on either side. */
const CROSSINGS = 32;
/** Of the Kaiser window: about 80 dB below in the stop band. */
const KAISER = 8;

/**
 * The same sound at another rate, by a sinc under a Kaiser window (Smith 2002, "Digital audio resampling"): what is above the lower of both
 * Nyquist frequencies is taken out. Beyond its ends the sound is silent.
 */
export function resample(wave: Wave, to: number): Wave {
  const { rate, samples } = wave;
  if (rate === to) return wave;
  if (!(to > 0)) throw new GmcError("GM5013", `a sampling rate is above 0, found ${to}`);
  // the transition band of the filter lies below the Nyquist frequency
  const cutoff = Math.min(1, to / rate) * (1 - 2.5 / CROSSINGS);
  const reach = CROSSINGS / cutoff;
  const out = new Float32Array(Math.round((samples.length * to) / rate));
  for (let i = 0; i < out.length; i++) {
    const at = (i * rate) / to;
    const first = Math.max(0, Math.ceil(at - reach));
    const last = Math.min(samples.length - 1, Math.floor(at + reach));
    let sum = 0;
    for (let j = first; j <= last; j++) {
      const x = at - j;
      const turn = Math.PI * cutoff * x;
      const sinc = x === 0 ? 1 : Math.sin(turn) / turn;
      sum += samples[j]! * cutoff * sinc * (bessel(KAISER * Math.sqrt(1 - (x / reach) ** 2)) / bessel(KAISER));
    }
    out[i] = sum;
  }
  return { rate: to, samples: out };
}

/** The modified Bessel function of the first kind, order 0, by its series. */
function bessel(x: number): number {
  let term = 1;
  let sum = 1;
  for (let k = 1; term > 1e-12 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}
