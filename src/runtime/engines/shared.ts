/** What the sessions of engines have in common: runs in turn, and what a program reads. */
import type { Program } from "./engine.js";

/** Gives a function that does jobs one after the other, in the order in which it was called; one that fails holds up none after it. */
export function inTurn(): <T>(job: () => Promise<T>) => Promise<T> {
  let turn: Promise<unknown> = Promise.resolve();
  return (job) => {
    const next = turn.then(job);
    turn = next.catch(() => undefined);
    return next;
  };
}

/** Whether the caller, or a stage after stage `index`, asks for the output `name`. */
export function readAfter(program: Program, name: string, index: number): boolean {
  if (program.fetch.includes(name)) return true;
  return program.stages.slice(index + 1).some((stage) => {
    if (stage.kind === "update")
      return stage.update.learningRate === name || stage.update.targets.some((target) => target.gradient === name);
    return (
      (stage.kind === "repeat" && (stage.count === name || stage.first === name)) ||
      stage.graph.nodes.some((node) => node.prim === "input" && node.params.name === name)
    );
  });
}
