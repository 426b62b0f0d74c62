/** Registered data sets of tables, word counts, speech, point clouds, and the synthetic ones. */
import { sliceRows, type DataArray } from "../data/array.js";
import { audioRows } from "../data/audio.js";
import { corrupt } from "../data/bytes.js";
import { parseCsv, tableArray } from "../data/csv.js";
import type { SplitName } from "../data/dataset.js";
import { parseMat4 } from "../data/mat.js";
import { parseNpzArray } from "../data/npz.js";
import { describeSynthetic, drawSynthetic, syntheticLogDensity, syntheticNames, type SyntheticName } from "../data/synthetic.js";
import { dataFile, hasDataFile, makeField, type RegisteredSet } from "./dataset-types.js";
import { wordSets } from "./datasets-words.js";
import { nodeInflate } from "./inflate.js";
import { zipRecordings } from "./sound-files.js";

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

const fsdd: RegisteredSet = {
  title:
    "Spoken digits: 500 recordings of one speaker, 8 kHz, windows of 2,000 samples (width=N, rate=N); x sound (category[256][N]: mu-law codes), y digits",
  options: ["width", "rate"],
  available: (context) => hasDataFile(context, "speech/fsdd_jackson_500.zip"),
  load: async (context) => {
    const options = { width: 2000, ...context.options };
    const source = await dataFile(context, "fsdd", "speech/fsdd_jackson_500.zip");
    const x: Partial<Record<SplitName, DataArray>> = {};
    const y: Partial<Record<SplitName, DataArray>> = {};
    const notes: string[] = [];
    const all = (await zipRecordings(source)).flatMap(({ path, wave }) => {
      const name = /(?:^|\/)(\d)_[^/]*_(\d+)\.wav$/.exec(path);
      return name === null ? [] : [{ path, wave, digit: Number(name[1]), number: Number(name[2]) }];
    });
    for (const split of ["train", "test"] as const) {
      // The set's own split: the first five recordings of each digit are for test.
      const recordings = all.filter(({ number }) => (split === "test") === number < 5);
      const { array, recordings: of, note } = audioRows(`${source.path}, ${split}`, recordings, options);
      x[split] = array;
      y[split] = { shape: [of.length], dtype: "u8", data: Uint8Array.from(of, (i) => recordings[i]!.digit) };
      notes.push(`${split}: ${note}`);
    }
    return {
      fields: { x: makeField("values", x, "fsdd", context.options, notes), y: makeField("labels", y, "fsdd") },
      notes: ["Free Spoken Digit Dataset (CC BY-SA 4.0), speaker jackson; recordings 0 to 4 of each digit for test, as the set has it"],
      splits: {},
    };
  },
};

const pointclouds: RegisteredSet = {
  title: "Point clouds: 820 furniture models, 1,024 surface points each (width=N for fewer); x points",
  options: ["width"],
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

/** What a model that knew the density would reach on the test rows. */
function bestPossible(name: SyntheticName, test: DataArray, settings: { readonly noise: number | undefined }): readonly string[] {
  const values = syntheticLogDensity(name, sliceRows(test, 0, Math.min(1000, test.shape[0] ?? 0)).data, settings);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (!Number.isFinite(mean)) return [];
  return [`under the density that they are drawn from, the first ${values.length} test rows have ${mean.toFixed(3)} nats each in the mean`];
}

function synthetic(name: SyntheticName): RegisteredSet {
  return {
    title: `synthetic: ${describeSynthetic(name, { rows: 0, seed: 0 })} (rows=10000, noise=, seed=); x points in the plane`,
    options: ["rows", "noise", "seed"],
    available: () => true,
    load: async ({ options }) => {
      const rows = options.rows ?? 10_000;
      const settings = { seed: options.seed ?? 0, noise: options.noise };
      const held = Math.max(1, Math.round(rows / 10));
      const draw = (split: SplitName, count: number): DataArray => drawSynthetic(name, split, { rows: count, ...settings });
      const test = draw("test", held);
      return {
        fields: {
          x: makeField("values", { train: draw("train", rows), validation: draw("validation", held), test }, name, options),
        },
        notes: [
          `${name}: ${describeSynthetic(name, { rows, ...settings })}; ${rows} training, ${held} validation and ${held} test rows`,
          ...bestPossible(name, test, settings),
        ],
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
  fsdd,
  pointclouds,
  ...wordSets,
  ...Object.fromEntries(syntheticNames.map((name) => [name, synthetic(name)])),
};
