/** GM3741-GM3778, GM3867: draws from the data, gradients as values, and the players of a game. */
import { code, type CodeEntry } from "./entry.js";

export const gm3Players = {
  GM3741: code<{ rows: number; most: number }>(
    "error",
    "Family of too many rows of the data",
    (a) =>
      `a family of ${a.rows.toLocaleString("en-US")} rows of the data is drawn for each row, and ${a.most.toLocaleString("en-US")} are the most`,
  ),
  GM3742: code<{ what: string }>(
    "error",
    "Quantity of a whole batch in an evaluation",
    (a) => `${a.what} couples the rows of a batch: it is no mean over rows, which is what \`evaluate\` measures`,
  ),
  GM3743: code<{ problem: string }>(
    "error",
    "Gradient of what is estimated",
    (a) => `\`grad[…]\` is taken of what is known exactly, and ${a.problem}`,
  ),
  GM3744: code<{ objective: string; a: string; b: string; way: string }>(
    "warning",
    "Players that pull the same way",
    (a) => `\`${a.a}\` and \`${a.b}\` both ${a.way} \`${a.objective}\`: a generator and its critic play against each other`,
  ),
  GM3745: code<{ objective: string }>(
    "warning",
    "Objective that no player moves",
    (a) => `no statement of \`train\` and no line of \`evaluate\` uses \`${a.objective}\``,
  ),
  GM3746: code<{ net: string; found: string }>(
    "error",
    "Discriminator whose output is no scalar",
    (a) => `a discriminator gives one number per example, and \`${a.net}\` gives ${a.found}`,
  ),
  GM3747: code<{ net: string; a: string; domainA: string; b: string; domainB: string }>(
    "error",
    "Streams of different domains",
    (a) => `\`${a.net}\` reads \`${a.a}\`, which is ${a.domainA}, and \`${a.b}\`, which is ${a.domainB}, as values of one kind`,
  ),
  GM3748: code<{ net: string }>(
    "warning",
    "Wasserstein objective without a Lipschitz control",
    (a) => `nothing keeps \`${a.net}\` Lipschitz: the difference of its means over data and samples grows without end`,
  ),
  GM3749: code<{ fn: string; where: string }>(
    "error",
    "Function of a whole batch outside of an objective",
    (a) => `\`${a.fn}\` couples the rows of a batch, and a ${a.where} is about one example`,
  ),
  GM3750: code<{ density: string; why: string }>(
    "error",
    "Density that is not drawn row by row",
    (a) => `a sample of \`${a.density}\` for each row of the data cannot be drawn: ${a.why}`,
  ),
  GM3751: code<{ variable: string; fn: string }>(
    "error",
    "Function of a whole batch inside of a sum over states",
    (a) => `\`${a.variable}\` is summed over its states, and \`${a.fn}\` compares samples: a batch of all states is no sample`,
  ),
  GM3752: code<{ net: string; symmetry: string; points: string; reason: string }>(
    "error",
    "Net that depends on the order of a set",
    (a) => `\`${a.net}\` is declared ${a.symmetry} to the order of the points of ${a.points}, and ${a.reason}`,
  ),
  GM3753: code<{ net: string; symmetry: string; problem: string }>(
    "error",
    "Set that a net does not have",
    (a) => `\`${a.net}\` is declared ${a.symmetry} to the order of a set's points, and ${a.problem}`,
  ),
  GM3754: code<{ layer: string; density: string }>(
    "error",
    "Layer in a density that reads the batch",
    (a) => `\`${a.layer}\` reads the other rows of the batch, and \`${a.density}\` is the density of one example`,
  ),
  GM3755: code<{ layer: string }>(
    "error",
    "Gradient through a layer that reads the batch",
    (a) =>
      `\`grad[…]\` is one gradient per example, and \`${a.layer}\` makes the value of an example depend on the other rows of the batch`,
  ),
  GM3756: code<{ of: string }>(
    "warning",
    "Penalty that is rewarded",
    (a) => `the penalty on the slopes of ${a.of} has the wrong sign: the statement rewards steep slopes, which grow without end`,
  ),
  GM3757: code<{ of: string }>(
    "warning",
    "Penalty that trains nothing",
    (a) => `the penalty on the slopes of ${a.of} trains nothing: no gradient comes from it`,
  ),
  GM3758: code<{ fn: string; net: string; range: string; so: string }>(
    "warning",
    "Sigmoid of what is squashed already",
    (a) => `\`${a.fn}\` is applied to \`${a.net}\`, which gives numbers ${a.range} alone: ${a.so}`,
  ),
  GM3759: code<{ objective: string; way: string; net: string; numbers: string; to: string }>(
    "warning",
    "Objective without a bound",
    (a) => `\`${a.objective}\` ${a.way} without end as \`${a.net}\` gives ${a.numbers} numbers to ${a.to}`,
  ),
  GM3760: code<{ a: string; b: string }>(
    "warning",
    "Values of one row that are drawn apart",
    (a) => `\`${a.a}\` and \`${a.b}\` are of one \`data\` statement, and here of different rows: each \`~ data\` draws a row of its own`,
  ),
  GM3761: code<{ net: string; way: string }>(
    "warning",
    "Critic that does not tell data from samples",
    (a) => `the statement ${a.way} \`${a.net}\` on data and on samples alike: it does not tell them apart`,
  ),
  GM3867: code<{ a: string; b: string; critic: string; verdict: string; way: string; other: string }>(
    "warning",
    "Critic that is moved both ways",
    (a) =>
      `\`${a.b}\` moves \`${a.critic}\` too, and ${a.other} \`${a.verdict}\`, which \`${a.a}\` ${a.way}: the two steps undo each other`,
  ),
  GM3776: code<{ evaluator: string; why: string }>(
    "error",
    "More than an evaluator can measure",
    (a) => `\`${a.evaluator}\` cannot measure this: ${a.why}`,
  ),
  GM3777: code<{ evaluator: string; needs: string; why: string }>(
    "error",
    "Labels that a classifier cannot learn",
    (a) => `\`${a.evaluator}\` needs ${a.needs}, and ${a.why}`,
  ),
  GM3778: code<{ evaluator: string; why: string }>(
    "error",
    "Codes that cannot be counted",
    (a) => `\`${a.evaluator}\` counts codes: ${a.why}`,
  ),
} as const satisfies Record<`GM37${string}` | "GM3867", CodeEntry<never>>;
