/** Registered data sets of word counts. */
import type { DataArray } from "../data/array.js";
import { takeRows } from "../data/array.js";
import { drawBars } from "../data/bars.js";
import { parseNpz } from "../data/npz.js";
import { csrArrays, csrMatrix, filledRows, keepColumns } from "../data/sparse.js";
import { stopWords } from "../data/stop-words.js";
import { dataFile, hasDataFile, makeField, type RegisteredSet } from "./dataset-types.js";
import { nodeInflate } from "./inflate.js";

const COUNTS = "wordcounts_20news/20news_counts.npz";
const VOCABULARY = "wordcounts_20news/vocabulary.txt.gz";
const WORDS = 2000;

const elsewhere: readonly string[] = [
  "the documents are at qwone.com/~jason/20Newsgroups (20news-bydate); the file holds {train,test}_{indptr,indices,counts,labels} of scipy.sparse",
  "other documents: --data v=counts.npz:vocabulary=words.txt, written by scipy.sparse.save_npz",
  "bars are documents with known topics that need no file: --data bars --set V=25",
];

const news: RegisteredSet = {
  title:
    "20 newsgroups: word counts of 11,269 + 7,505 documents over the 2,000 most frequent words (words=N) but stop words (stopwords=keep); x counts, y groups",
  options: ["words", "stopwords"],
  available: (context) => hasDataFile(context, COUNTS) && hasDataFile(context, VOCABULARY),
  load: async (context) => {
    const source = await dataFile(context, "20news", COUNTS, elsewhere);
    const text = await dataFile(context, "20news", VOCABULARY, elsewhere);
    const vocabulary = new TextDecoder().decode(text.bytes).trimEnd().split(/\r?\n/);
    const arrays = await parseNpz(source, nodeInflate);
    const whole = (split: string): DataArray =>
      csrMatrix(
        `${source.path} (${split})`,
        csrArrays(source.path, arrays, [`${split}_indptr`, `${split}_indices`, `${split}_counts`]),
        vocabulary.length,
      );
    const train = whole("train");
    const keepAll = context.options.stopwords === "keep";
    const kept = frequentWords(train, vocabulary, context.options.words ?? WORDS, keepAll);
    const entries = kept.map((word) => vocabulary[word]!);
    const cut = (split: string, array: DataArray): { readonly x: DataArray; readonly y: DataArray; readonly all: number } => {
      const x = keepColumns(array, kept, entries);
      const labels = Int32Array.from(csrLabels(arrays, split), (label) => label - 1);
      const y: DataArray = { shape: [labels.length], dtype: "i32", data: labels };
      // a document without any of the words has no distribution over them
      const full = filledRows(x);
      return { x: takeRows(x, full), y: takeRows(y, full), all: labels.length };
    };
    const [training, test] = [cut("train", train), cut("test", whole("test"))];
    const left = ({ x, all }: { readonly x: DataArray; readonly all: number }): string => `${x.shape[0]} of ${all}`;
    return {
      fields: {
        x: makeField("values", { train: training.x, test: test.x }, "20news counts", context.options),
        y: makeField("labels", { train: training.y, test: test.y }, "20news groups"),
      },
      notes: [
        `20 newsgroups, split by date; the ${kept.length} words most frequent in the training documents${keepAll ? "" : `, ${stopWords.size} English stop words left out`}, no stemming`,
        `${left(training)} training and ${left(test)} test documents hold one of the words`,
      ],
      splits: { split: "random" },
    };
  },
};

function csrLabels(arrays: Readonly<Record<string, DataArray>>, split: string): ArrayLike<number> {
  return arrays[`${split}_labels`]?.data ?? [];
}

/** Columns by how often they occur; equal ones in the order of the vocabulary. */
function frequentWords(counts: DataArray, vocabulary: readonly string[], most: number, keepAll: boolean): readonly number[] {
  const frequency = new Float64Array(vocabulary.length);
  counts.sparse?.columns.forEach((column, i) => (frequency[column]! += counts.data[i]!));
  return Array.from(frequency.keys())
    .filter((word) => frequency[word]! > 0 && (keepAll || !stopWords.has(vocabulary[word]!)))
    .sort((a, b) => frequency[b]! - frequency[a]! || a - b)
    .slice(0, most);
}

const bars: RegisteredSet = {
  title: "synthetic: documents over the 5 x 5 pixels of a square, 10 topics: its rows and columns (width=SIDE, rows=2000, seed=); x counts",
  options: ["width", "rows", "seed"],
  available: () => true,
  load: ({ options }) => {
    const settings = { seed: options.seed ?? 0, side: options.width ?? 5, mean: 50 };
    const rows = options.rows ?? 2000;
    const held = Math.max(1, Math.round(rows / 10));
    const draw = (split: string, count: number): DataArray => drawBars(split, { ...settings, rows: count });
    return Promise.resolve({
      fields: {
        x: makeField(
          "values",
          { train: draw("train", rows), validation: draw("validation", held), test: draw("test", held) },
          "bars",
          options,
        ),
      },
      notes: [
        `bars (Griffiths & Steyvers 2004): ${settings.side ** 2} words, ${2 * settings.side} topics mixed by Dirichlet(1), 1 to ${2 * settings.mean - 1} words a document, drawn by seed ${settings.seed}; ${rows} training, ${held} validation and ${held} test documents`,
      ],
      splits: {},
    });
  },
};

export const wordSets: Readonly<Record<string, RegisteredSet>> = { "20news": news, bars };
