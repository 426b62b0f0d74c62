/** Property tests draw the same cases in every run, unless FUZZ_SEED asks for others: a landing does not hang on luck, and a search does. */
import fc from "fast-check";

fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(process.env["FUZZ_SEED"] ?? 1) });
