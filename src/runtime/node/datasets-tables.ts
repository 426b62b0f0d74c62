/** Registered data sets of tables, word counts, speech, point clouds, and the synthetic ones. */
import { takeRows, type DataArray } from "../data/array.js";
import { corrupt } from "../data/bytes.js";
import { parseCsv, tableArray } from "../data/csv.js";
import type { SplitName } from "../data/dataset.js";
import { parseMat4 } from "../data/mat.js";
import { parseNpz, parseNpzArray } from "../data/npz.js";
import { describeSynthetic, drawSynthetic, syntheticNames, type SyntheticName } from "../data/synthetic.js";
import { zipMembers, zipRead } from "../data/zip.js";
import { dataFile, hasDataFile, makeField, type RegisteredSet } from "./dataset-types.js";
import { nodeInflate } from "./inflate.js";
import { muLaw, parseWav } from "./wav.js";

const digits: RegisteredSet = {
  title: "Digits: 1,797 handwritten digits, 8 x 8, grey 0..16; x pictures, y digits",
  available: (context) => hasDataFile(context, "small/digits.csv.gz"),
  load: async (context) => {
    const table = parseCsv(await dataFile(context, "digits", "small/digits.csv.gz"), { header: false });
    const x = tableArray(table, "1-64");
    return {
      fields: {
        x: makeField("values", { train: { ...x, shape: [table.rows, 8, 8] } }, "digits pictures", { maximum: 16, ...context.options }),
        y: makeField("labels", { train: tableArray(table, "65") }, "digits labels"),
      },
      notes: ["optical digits (Alpaydin & Kaynak 1998, the 1,797 of scikit-learn)"],
      splits: { test: 0.2, split: "random" },
    };
  },
};

const iris: RegisteredSet = {
  title: "Iris: 150 flowers, 4 lengths in cm; x lengths, y species",
  available: (context) => hasDataFile(context, "small/iris.csv"),
  load: async (context) => {
    // The first line counts rows and columns and names the species; the table begins below it.
    const source = await dataFile(context, "iris", "small/iris.csv");
    const table = parseCsv({ path: source.path, bytes: source.bytes.subarray(source.bytes.indexOf(0x0a) + 1) }, { header: false });
    return {
      fields: {
        x: makeField("values", { train: tableArray(table, "1-4") }, "iris lengths", context.options),
        y: makeField("labels", { train: tableArray(table, "5") }, "iris species"),
      },
      notes: ["Iris (Fisher 1936): setosa = 0, versicolor = 1, virginica = 2"],
      splits: { test: 0.2, split: "random" },
    };
  },
};

const faithful: RegisteredSet = {
  title: "Old Faithful: 272 eruptions, duration and waiting time in minutes; x",
  available: (context) => hasDataFile(context, "small/faithful.txt"),
  load: async (context) => ({
    fields: {
      x: makeField(
        "values",
        { train: tableArray(parseCsv(await dataFile(context, "faithful", "small/faithful.txt"), { header: false })) },
        "faithful",
        {
          scale: "standardize",
          ...context.options,
        },
      ),
    },
    notes: ["Old Faithful (Azzalini & Bowman 1990), 272 eruptions"],
    splits: { test: 0.2, split: "random" },
  }),
};

const oilflow: RegisteredSet = {
  title: "Oil flow: 3 x 1,000 measurements of 12 beams; x measurements, y flow pattern",
  available: (context) => hasDataFile(context, "small/oilFlow3Class.mat"),
  load: async (context) => {
    const source = await dataFile(context, "oilflow", "small/oilFlow3Class.mat");
    const arrays = parseMat4(source);
    const get = (name: string): DataArray => {
      const array = arrays[name];
      if (array === undefined) throw corrupt(source.path, 0, `a matrix named ${name}`, Object.keys(arrays).join(", "));
      return array;
    };
    const classes = (name: string): DataArray => {
      const oneHot = get(name);
      const [rows = 0, width = 0] = oneHot.shape;
      return {
        shape: [rows],
        dtype: "i32",
        data: Int32Array.from({ length: rows }, (_, i) => oneHot.data.subarray(i * width, (i + 1) * width).indexOf(1)),
      };
    };
    return {
      fields: {
        x: makeField("values", { train: get("DataTrn"), validation: get("DataVdn"), test: get("DataTst") }, "oilflow", context.options),
        y: makeField(
          "labels",
          { train: classes("DataTrnLbls"), validation: classes("DataVdnLbls"), test: classes("DataTstLbls") },
          "oilflow patterns",
        ),
      },
      notes: ["oil flow (Bishop & James 1993), official split of 1,000 training, validation and test rows"],
      splits: {},
    };
  },
};

const VOCABULARY = "wordcounts_20news/vocabulary.txt.gz";

const news: RegisteredSet = {
  title:
    "20 newsgroups: word counts of 11,269 + 7,505 documents over the 2,000 most frequent words (width=N for others); x counts, y groups",
  available: (context) => hasDataFile(context, "wordcounts_20news/20news_counts.npz"),
  load: async (context) => {
    const source = await dataFile(context, "news20", "wordcounts_20news/20news_counts.npz");
    const arrays = await parseNpz(source, nodeInflate);
    const get = (name: string): DataArray["data"] => {
      const array = arrays[name];
      if (array === undefined) throw corrupt(source.path, 0, `an array named ${name}`, Object.keys(arrays).join(", "));
      return array.data;
    };
    const words = context.options.width ?? 2000;
    // Frequency over the training documents alone; equal words in the order of the vocabulary.
    const frequency = new Float64Array(65_536);
    const [indices, counts] = [get("train_indices"), get("train_counts")];
    for (let i = 0; i < indices.length; i++) frequency[indices[i]!]! += counts[i]!;
    const kept = Array.from(frequency.keys())
      .sort((a, b) => frequency[b]! - frequency[a]! || a - b)
      .slice(0, words);
    const column = new Int32Array(65_536).fill(-1);
    kept.forEach((word, j) => (column[word] = j));
    // one word a line, as many as the counts have; without the file topics go by numbers
    const vocabulary = hasDataFile(context, VOCABULARY)
      ? new TextDecoder().decode((await dataFile(context, "news20", VOCABULARY)).bytes).split(/\r?\n/)
      : undefined;
    const entries = vocabulary && { entries: kept.map((word) => vocabulary[word] ?? `${word}`) };
    const dense = (split: string): { x: DataArray; y: DataArray } => {
      const [starts, which, how] = [get(`${split}_indptr`), get(`${split}_indices`), get(`${split}_counts`)];
      const rows = starts.length - 1;
      const data = new Uint16Array(rows * words);
      for (let row = 0; row < rows; row++) {
        for (let i = starts[row]!; i < starts[row + 1]!; i++) {
          const j = column[which[i]!]!;
          if (j >= 0) data[row * words + j] = how[i]!;
        }
      }
      const x: DataArray = { shape: [rows, words], dtype: "u16", data, ...entries };
      const y: DataArray = { shape: [rows], dtype: "i32", data: Int32Array.from(get(`${split}_labels`), (label) => label - 1) };
      // A document without any of the words has no distribution over them.
      const full = Array.from({ length: rows }, (_, row) => row).filter((row) =>
        data.subarray(row * words, (row + 1) * words).some((count) => count > 0),
      );
      return { x: takeRows(x, full), y: takeRows(y, full) };
    };
    const [train, test] = [dense("train"), dense("test")];
    return {
      fields: {
        x: makeField("values", { train: train.x, test: test.x }, "news20 counts", context.options),
        y: makeField("labels", { train: train.y, test: test.y }, "news20 groups"),
      },
      notes: [
        `20 newsgroups, by date, the ${words} most frequent words of the training documents, ${train.x.shape[0]} training and ${test.x.shape[0]} test documents that hold one of them`,
      ],
      splits: { split: "random" },
    };
  },
};

const speech: RegisteredSet = {
  title: "Spoken digits: 500 recordings of one speaker, 8 kHz, as mu-law codes in pieces of 2,000 samples (width=N); x codes, y digits",
  available: (context) => hasDataFile(context, "speech/fsdd_jackson_500.zip"),
  load: async (context) => {
    const width = context.options.width ?? 2000;
    const source = await dataFile(context, "spoken_digits", "speech/fsdd_jackson_500.zip");
    const pieces: Uint8Array[] = [];
    const labels: number[] = [];
    for (const member of zipMembers(source)) {
      const name = /^(?:.*\/)?(\d)_[^/]*\.wav$/.exec(member.name);
      if (name === null) continue;
      const { samples } = parseWav(await zipRead(source, member, nodeInflate));
      for (let start = 0; start + width <= samples.length; start += width) {
        pieces.push(Uint8Array.from(samples.subarray(start, start + width), (sample) => muLaw(sample / 32_768)));
        labels.push(Number(name[1]));
      }
    }
    const data = new Uint8Array(pieces.length * width);
    pieces.forEach((piece, i) => data.set(piece, i * width));
    return {
      fields: {
        x: makeField("values", { train: { shape: [pieces.length, width], dtype: "u8", data } }, "spoken_digits", context.options, [
          "mu-law codes, 256 steps",
        ]),
        y: makeField("labels", { train: { shape: [labels.length], dtype: "u8", data: Uint8Array.from(labels) } }, "spoken_digits"),
      },
      notes: [`Free Spoken Digit Dataset (CC BY-SA 4.0), speaker jackson, pieces of ${width} samples at 8 kHz`],
      splits: { test: 0.1, split: "random" },
    };
  },
};

const pointclouds: RegisteredSet = {
  title: "Point clouds: 820 furniture models, 1,024 surface points each (width=N for fewer); x points",
  available: (context) => hasDataFile(context, "pointclouds/furniture_points_f16.npz"),
  load: async (context) => {
    const source = await dataFile(context, "pointclouds", "pointclouds/furniture_points_f16.npz");
    const all = await parseNpzArray(source, "points", nodeInflate);
    const [rows = 0, points = 0] = all.shape;
    const kept = Math.min(points, context.options.width ?? points);
    const data = new Float32Array(rows * kept * 3);
    for (let row = 0; row < rows; row++) data.set(all.data.subarray(row * points * 3, (row * points + kept) * 3), row * kept * 3);
    return {
      fields: { x: makeField("values", { train: { shape: [rows, kept, 3], dtype: "f32", data } }, "pointclouds", context.options) },
      notes: [`furniture point clouds (Sweet Home 3D models, CC0 and CC BY 3.0), ${kept} points of each surface, centred, unit radius`],
      splits: { test: 0.1, split: "random" },
    };
  },
};

function synthetic(name: SyntheticName): RegisteredSet {
  return {
    title: `synthetic: ${describeSynthetic(name, { rows: 0, seed: 0 })} (rows=10000, noise=, seed=); x points in the plane`,
    available: () => true,
    load: async ({ options }) => {
      const rows = options.rows ?? 10_000;
      const settings = { seed: options.seed ?? 0, noise: options.noise };
      const held = Math.max(1, Math.round(rows / 10));
      const draw = (split: SplitName, count: number): DataArray => drawSynthetic(name, split, { rows: count, ...settings });
      return {
        fields: {
          x: makeField(
            "values",
            { train: draw("train", rows), validation: draw("validation", held), test: draw("test", held) },
            name,
            options,
          ),
        },
        notes: [`${name}: ${describeSynthetic(name, { rows, ...settings })}; ${rows} training, ${held} validation and ${held} test rows`],
        splits: {},
      };
    },
  };
}

export const tableSets: Readonly<Record<string, RegisteredSet>> = {
  digits,
  iris,
  faithful,
  oilflow,
  news20: news,
  spoken_digits: speech,
  pointclouds,
  ...Object.fromEntries(syntheticNames.map((name) => [name, synthetic(name)])),
};
