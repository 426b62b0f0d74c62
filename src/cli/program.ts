/**
 * The commands, their options and their help. Each command's code is loaded when it runs, so that `gmc compile` does not pay for engines.
 */
import { Command, CommanderError, Option } from "commander";
import { didYouMean } from "../base/suggest.js";
import { PlaceError } from "../runtime/node/file-errors.js";
import { version } from "../version.js";
import { reportFailure, UsageError } from "./errors.js";
import { FINE, USAGE } from "./exit.js";
import { stderr } from "./output.js";
import type { CompileFlags } from "./commands/compile.js";
import type { InterpolateFlags, PictureFlags, SampleFlags } from "./commands/pictures.js";
import type { FilterFlags, UnitFlags } from "./commands/units.js";
import {
  addClosingOptions,
  addEngineOptions,
  addMeasureOptions,
  addModelOptions,
  addTrainingOptions,
  held,
  positiveNumber,
  seeds,
  wholeNumber,
} from "./options.js";

/** Runs a command line and gives its exit code: 0 fine, 1 the model or the run is wrong, 2 wrong usage, 130 interrupted. */
export async function runCli(args: readonly string[]): Promise<number> {
  let code = FINE;
  const asJson = args.includes("--json");
  const program = buildProgram((result) => (code = result));
  try {
    await program.parseAsync(args as string[], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) {
      // help and version end the parse by design
      if (error.exitCode === 0) return FINE;
      if (error.code === "commander.help") {
        const [first, wanted] = args.filter((arg) => !arg.startsWith("-"));
        if (first === "help" && wanted !== undefined) return reportFailure(unknownCommand(program, wanted), asJson);
        stderr(program.helpInformation().trimEnd());
        return USAGE;
      }
      return reportFailure(usageError(error, program, args), asJson);
    }
    return reportFailure(error instanceof PlaceError ? fitted(error, commandOf(program, args)) : error, asJson);
  }
}

function commandOf(program: Command, args: readonly string[]): Command | undefined {
  return program.commands.find((c) => c.name() === args.find((a) => !a.startsWith("-")));
}

/** A place that takes no file, in the words of the command: another is named by the option that it has for it, else by what it works on. */
function fitted(error: PlaceError, command: Command | undefined): PlaceError {
  const option = ["--out", "--svg"].find((name) => command?.options.some(({ long }) => long === name));
  if (option !== undefined) return error.placed((elsewhere) => elsewhere.replace("--out", option));
  const [argument] = command?.registeredArguments ?? [];
  // a copy of a folder that is locked is locked too
  if (argument === undefined || error.code === "GM5208") return error.placed(() => undefined);
  return error.placed(() => `copy the ${argument.name() === "run" ? "run folder" : "file"} to a place that takes it, and name the copy`);
}

type Finish = (code: number) => void;

function buildProgram(finish: Finish): Command {
  const program = new Command("gmc")
    .description("Compiles a declarative model (.gm) into readable TypeScript, trains it and measures it.")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .helpCommand("help [command]", "show help for a command")
    .exitOverride()
    .showSuggestionAfterError(false)
    .configureOutput({ writeErr: () => undefined })
    .addHelpText(
      "after",
      examples(
        ["gmc train examples/vae.gm", "train on the model's default data, ends with the test likelihood"],
        ["gmc compile vae.gm", "write vae.gm.ts"],
        ["gmc explain vae.gm", "what was derived, and why"],
        ["gmc doctor", "which engines and data are here"],
      ) + "\nExit codes: 0 fine, 1 the model or the run is wrong, 2 wrong usage,\n130 interrupted.",
    );

  const add = (name: string, summary: string): Command =>
    program
      .command(name)
      .description(summary)
      .summary(summary)
      .helpOption("-h, --help", "show help")
      .exitOverride()
      .allowExcessArguments(false);

  addModelOptions(add("compile", "compile models to TypeScript").argument("<files...>", ".gm files"))
    .addOption(new Option("--out <PATH>", "output file, or folder (with / at its end); - for stdout"))
    .addOption(new Option("--emit <KIND>", "ts: FILE.ts; js: FILE.js and FILE.d.ts").choices(["ts", "js"]).default("ts"))
    .addOption(new Option("--model <NAME>", "which model of a file with several"))
    .option("--check", "write nothing; exit 1 where a generated file is stale")
    .option("--watch", "compile again whenever a file changes")
    .option("--verify", "type-check what was generated")
    .addOption(new Option("--dump <PASS>", "print what a pass made: ast, ir, derived, js").choices(["ast", "ir", "derived", "js"]))
    .addHelpText(
      "after",
      examples(
        ["gmc compile vae.gm", "write vae.gm.ts next to it"],
        ["gmc compile --check examples/*.gm", "for CI: fail on stale files"],
        ["gmc compile --emit js vae.gm", "for Node before 22.18, which does not import TypeScript"],
        ["gmc compile vae.gm --set H=400 --out build/", "another width, into a folder"],
      ),
    )
    .action(async (files: string[], flags: CompileFlags) =>
      finish(await (await import("./commands/compile.js")).compileCommand(files, flags)),
    );

  addModelOptions(add("check", "report errors and warnings, write nothing").argument("<files...>", ".gm files"))
    .addOption(new Option("--model <NAME>", "which model of a file with several; each of them unless told"))
    .addOption(new Option("--strict", "exit 1 for warnings too"))
    .addHelpText(
      "after",
      examples(
        ["gmc check vae.gm", "all independent errors in one run"],
        ["gmc check --strict *.gm", "for continuous integration"],
        ["gmc check --json vae.gm", "for an editor"],
      ),
    )
    .action(async (files: string[], flags: object) => finish(await (await import("./commands/check.js")).checkCommand(files, flags)));

  addModelOptions(add("explain", "what was derived: objective, surrogate, estimators, cost").argument("<file>", ".gm file"))
    .addOption(new Option("--model <NAME>", "which model of a file with several"))
    .addOption(new Option("--batch <N>", "rows of a batch, for the cost").argParser(wholeNumber(1)))
    .addOption(
      new Option("--svg <FILE>", "draw which variables interact, a picture for each energy; a file, or a folder (with / at its end)"),
    )
    .addOption(new Option("--kernels", "print instead what the webgpu engine runs: its kernels, their lines and costs").conflicts("svg"))
    .addOption(
      new Option("--buffers <N>", "with --kernels: storage buffers that a kernel may bind; those of the device here, else 16")
        .argParser(wholeNumber(8))
        .implies({ kernels: true }),
    )
    .addOption(
      new Option("--measure", "with --kernels: compile for the device that is here, and time on it; a graphics card unless told").implies({
        kernels: true,
      }),
    )
    .addOption(new Option("--no-measure", "with --kernels: ask no device"))
    .addHelpText(
      "after",
      examples(
        ["gmc explain vae.gm", "text and LaTeX"],
        ["gmc explain --json vae.gm", "for a program"],
        ["gmc explain dbm.gm --svg dbm.svg", "and the interaction graph of its energies"],
        ["gmc explain --kernels vae.gm", "each dispatch of a training step, with its WGSL"],
      ),
    )
    .action(async (file: string, flags: object) => finish(await (await import("./commands/explain.js")).explainCommand(file, flags)));

  addClosingOptions(
    addTrainingOptions(
      addEngineOptions(
        addModelOptions(add("train", "train a model; ends with its evaluation").argument("<file>", ".gm file")).addOption(
          new Option("--model <NAME>", "which model of a file with several"),
        ),
        seeds.train,
      ),
      "rows of a batch, in place of the model's",
    ).addOption(new Option("--out <DIR>", "run folder; runs/NAME unless told")),
  )
    .addHelpText(
      "after",
      examples(
        ["gmc train examples/vae.gm", "on MNIST, into runs/vae"],
        ["gmc train vae.gm --epochs 5 --lr 3e-4 --seed 7", "other settings"],
        ["gmc train vae.gm --data x=train.npy,x.test=test.npy", "your own data"],
        ["gmc train vae.gm --json > result.jsonl", "the last line holds the results"],
      ),
    )
    .action(async (file: string, flags: object) => finish(await (await import("./commands/train.js")).trainCommand(file, flags)));

  addClosingOptions(
    addTrainingOptions(
      addEngineOptions(
        add("resume", "go on with a run that was stopped, bitwise; its batch size and seed stay").argument("[run]", whichRun),
        seeds.resume,
      ),
      "the run's own rows of a batch; any other number is refused",
    ).option("--json", "print JSON for programs"),
  )
    .addHelpText("after", examples(["gmc resume", "the newest run"], ["gmc resume runs/vae --epochs 100", "train a finished run further"]))
    .action(async (run: string | undefined, flags: object) =>
      finish(await (await import("./commands/resume.js")).resumeCommand(run, flags)),
    );

  const ofRun = (name: string, summary: string, seed?: typeof seeds.draws): Command =>
    addEngineOptions(add(name, summary).argument("[run]", whichRun), seed).option("--json", "print JSON for programs");

  addMeasureOptions(ofRun("eval", "measure a trained model", seeds.draws))
    .addOption(splitOption(`which rows; ${usualSplit}`))
    .addOption(new Option("--rows <N>", "only the first so many rows").argParser(wholeNumber(1)))
    .addOption(new Option("--batch <N>", "rows at once; changes no result").argParser(wholeNumber(1)))
    .addOption(new Option("--metric <NAME...>", "measure only these lines of the evaluate block, and the log Z that they read"))
    .addOption(
      new Option("--gradients <N>", "also how much gradients vary over N draws of their noise, on one batch").argParser(wholeNumber(2)),
    )
    .addHelpText(
      "after",
      examples(
        ["gmc eval runs/vae --k 5000", "the protocol of Burda et al. 2016"],
        ["gmc eval runs/rbm --temperatures 30000", "log Z by a finer annealing"],
        ["gmc eval runs/sbn --gradients 200", "the variance of its estimator"],
        ["gmc eval --split train --rows 1000", "a quick look at the training rows"],
      ),
    )
    .action(async (run: string | undefined, flags: object) => finish(await (await import("./commands/eval.js")).evalCommand(run, flags)));

  const ofPictures = (name: string, summary: string, seed?: typeof seeds.draws, files = "picture to write"): Command =>
    ofRun(name, summary, seed).addOption(
      new Option("--out <FILE>", `${files}, or folder (with / at its end); a new name in the run folder unless told`),
    );
  const withSound = "picture to write (of sound .wav, too)";

  ofPictures("sample", "draw from a trained model", seeds.draws, withSound)
    .addOption(new Option("--count <N>", "how many; 64 unless told, 10 with --every or --known").argParser(wholeNumber(1)))
    .addOption(
      new Option(
        "--given <NAME=VALUE>",
        "hold a variable at a number, or at rows of the data (x=data); of a family one (z[1]=1) or all (z=0), one before all; may be given again",
      ).argParser(held),
    )
    .addOption(new Option("--sweeps <N>", "of an energy model: sweeps of the chains, in place of the model's").argParser(wholeNumber(1)))
    .addOption(new Option("--start <KIND>", "what the chains begin with: at random unless told").choices(["random", "data", "chains"]))
    .addOption(new Option("--every <N>", "draw the chains over time: a row each, a picture every N sweeps").argParser(wholeNumber(1)))
    .addOption(
      new Option(
        "--temperature <T>",
        "below 1 samples are less varied, above 1 more: of an autoregressive model, or of a flow, where it scales all Normal noise that data are drawn from",
      ).argParser(positiveNumber),
    )
    .addOption(
      new Option(
        "--known <REGION>",
        "of an autoregressive or energy model: hold a half of rows of the data and draw the rest; top, bottom, left, right (of a sequence left is its first half), or an .npy FILE that is 1 where entries are held. Of an energy all else follows it, by clamped chains; else entries, variables and latents that are drawn before a held one do not, which is told",
      ),
    )
    .addOption(splitOption(`with --known or --given x=data: which rows; ${usualSplit}`))
    .addHelpText(
      "after",
      examples(
        ["gmc sample", "64 samples of the newest run"],
        ["gmc sample runs/vae --count 100 --seed 3 --out grid.png", ""],
        ["gmc sample runs/cvae --given y=7", "sevens"],
        ["gmc sample runs/glow --temperature 0.7", "of a flow, closer to its most likely pictures"],
        ["gmc sample runs/rbm --start chains --sweeps 2000 --every 100", "chains over time, from those of the training"],
        ["gmc sample runs/nade --known top --count 16", "lower halves of test images, given their upper ones"],
      ),
    )
    .action(async (run: string | undefined, flags: SampleFlags) =>
      finish(await (await import("./commands/pictures.js")).sampleCommand(run, flags)),
    );

  ofPictures("reconstruct", "show rows of the data beside what the model makes of them", seeds.draws, withSound)
    .addOption(new Option("--count <N>", "how many rows; 32 unless told, or all where there are fewer").argParser(wholeNumber(1)))
    .addOption(splitOption(`which rows; ${usualSplit}`))
    .addHelpText("after", examples(["gmc reconstruct runs/vae", "the first 32 test rows"]))
    .action(async (run: string | undefined, flags: PictureFlags) =>
      finish(await (await import("./commands/pictures.js")).reconstructCommand(run, flags)),
    );

  ofPictures(
    "interpolate",
    "walk through the latent space between rows of the data, or between draws where nothing infers latents",
    seeds.draws,
  )
    .addOption(new Option("--count <N>", "how many pairs; 8 unless told, or as many as there are").argParser(wholeNumber(1)))
    .addOption(new Option("--points <N>", "pictures from one end to the other").argParser(wholeNumber(2)).default(10))
    .addOption(new Option("--path <KIND>", "along lines, or along great circles").choices(["linear", "spherical"]).default("linear"))
    .addOption(splitOption(`which rows; ${usualSplit}`))
    .addHelpText("after", examples(["gmc interpolate runs/vae --path spherical", ""]))
    .action(async (run: string | undefined, flags: InterpolateFlags) =>
      finish(await (await import("./commands/pictures.js")).interpolateCommand(run, flags)),
    );

  ofPictures("filters", "draw what units respond to: weights over an image, one picture a unit")
    .addOption(new Option("--weight <PATH...>", "this weight alone; of a deeper layer all weights up to it, multiplied"))
    .addOption(new Option("--count <N>", "how many units").argParser(wholeNumber(1)).default(100))
    .addOption(new Option("--scale <KIND>", "full contrast for each unit, or one for all").choices(["each", "joint"]).default("each"))
    .addHelpText(
      "after",
      examples(["gmc filters runs/rbm --scale joint", ""], ["gmc filters runs/dbn --weight W1 W2", "units of the second layer"]),
    )
    .action(async (run: string | undefined, flags: FilterFlags) =>
      finish(await (await import("./commands/units.js")).filtersCommand(run, flags)),
    );

  ofRun("topics", "list the words that units respond to: weights over entries with names")
    .addOption(new Option("--weight <PATH...>", "this weight alone; of a deeper layer all weights up to it, multiplied"))
    .addOption(new Option("--count <N>", "how many words of each").argParser(wholeNumber(1)).default(10))
    .addOption(new Option("--out <FILE>", "text file to write, in place of standard output"))
    .addHelpText("after", examples(["gmc topics runs/replicated_softmax", ""]))
    .action(async (run: string | undefined, flags: UnitFlags) =>
      finish(await (await import("./commands/units.js")).topicsCommand(run, flags)),
    );

  add("doctor", "engines, data sets and versions that gmc finds here")
    .option("--json", "print JSON for programs")
    .addHelpText("after", examples(["gmc doctor", ""]))
    .action(async (flags: object) => finish(await (await import("./commands/doctor.js")).doctorCommand(flags)));

  add("fmt", "format models in place")
    .argument("<files...>", ".gm files")
    .option("--check", "write nothing; exit 1 where a file is not formatted")
    .option("--json", "print JSON for programs")
    .addHelpText("after", examples(["gmc fmt *.gm", ""], ["gmc fmt --check examples/*.gm", "for CI"]))
    .action(async (files: string[], flags: object) => finish(await (await import("./commands/fmt.js")).fmtCommand(files, flags)));

  return program;
}

const whichRun = "run folder, or a .gm file for its newest run; the newest run unless told";
const usualSplit = "test unless told, or validation, or train, as there are";

function splitOption(what: string): Option {
  return new Option("--split <NAME>", what).choices(["train", "validation", "test"]);
}

/** Commands with what they do beside them, or below where a terminal of 80 columns could not hold both. */
function examples(...lines: readonly (readonly [command: string, what: string])[]): string {
  const width = Math.max(...lines.map(([command]) => command.length));
  const beside = lines.every(([, what]) => 2 + width + 2 + what.length <= 80);
  const shown = lines.map(([command, what]) =>
    what === "" ? `  ${command}` : beside ? `  ${command.padEnd(width)}  ${what}` : `  ${command}\n      ${what}`,
  );
  return `\nExamples:\n${shown.join("\n")}\n`;
}

/** commander's finding in the words of a diagnostic. */
function usageError(error: CommanderError, program: Command, args: readonly string[]): UsageError {
  const command = commandOf(program, args);
  const names = (of: Command): string[] => of.options.flatMap((o) => (o.long ? [o.long] : []));
  const help = command ? [`gmc ${command.name()} --help shows its options`] : ["gmc --help shows the commands"];
  switch (error.code) {
    case "commander.unknownOption": {
      const name = /'(--?[^'=]*)/.exec(error.message)?.[1] ?? "";
      const meant = didYouMean(name, names(command ?? program));
      return new UsageError("GM5301", `unknown option \`${name}\``, meant === undefined ? help : [`did you mean \`${meant}\`?`]);
    }
    case "commander.unknownCommand":
      return unknownCommand(program, /'([^']*)'/.exec(error.message)?.[1] ?? "");
    default:
      return new UsageError("GM5302", error.message.replace(/^error: /, "").replaceAll("'", "`"), help);
  }
}

function unknownCommand(program: Command, name: string): UsageError {
  const meant = didYouMean(
    name,
    program.commands.map((c) => c.name()),
  );
  return new UsageError("GM5301", `unknown command \`${name}\``, [
    meant === undefined ? "gmc --help shows the commands" : `did you mean \`gmc ${meant}\`?`,
  ]);
}
