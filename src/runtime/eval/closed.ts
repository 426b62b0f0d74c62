/** Models that were closed: their weights are gone with the engine's memory. */
import type { EngineSession } from "../engines/engine.js";
import { GmcError } from "../graph/errors.js";
import type { TrainedSession } from "./session.js";

const closed = new WeakSet<EngineSession>();

/** GM4009 after `close`. */
export function expectOpen({ session, model }: Pick<TrainedSession, "session" | "model">): void {
  if (closed.has(session))
    throw new GmcError("GM4009", `${model.name} is closed: its weights are gone`, ["close it once nothing more is asked of it"]);
}

/** What asks for weights says so once they are gone. */
export function untilClosed(opened: TrainedSession): TrainedSession {
  const open =
    <A extends readonly unknown[], R>(run: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      expectOpen(opened);
      return run(...args);
    };
  return {
    ...opened,
    weights: open(opened.weights),
    evaluate: open(opened.evaluate),
    sample: open(opened.sample),
    reconstruct: open(opened.reconstruct),
    interpolate: open(opened.interpolate),
    translate: open(opened.translate),
    logDensity: open(opened.logDensity),
    judge: open(opened.judge),
    close: () => {
      if (closed.has(opened.session)) return;
      closed.add(opened.session);
      opened.close();
    },
  };
}
