/**
 * Every code that gmc can report, each with its severity, a title and a message that is typed by its arguments.
 * One table per hundred: GM1 syntax, GM2 names and shapes, GM3 densities, objectives and estimators, GM4 training,
 * GM5 command line, data and configuration. A code is never reused; each has a page in `docs/errors/`.
 */
import { gm1 } from "./codes/gm1.js";
import { gm2 } from "./codes/gm2.js";
import { gm3 } from "./codes/gm3.js";
import { gm3Autoregressive } from "./codes/gm3-autoregressive.js";
import { gm3Missing } from "./codes/gm3-missing.js";
import { gm3Derivation } from "./codes/gm3-derivation.js";
import { gm3Map } from "./codes/gm3-map.js";
import { gm3Nets } from "./codes/gm3-nets.js";
import { gm3Estimators } from "./codes/gm3-estimators.js";
import { gm3Players } from "./codes/gm3-players.js";
import { gm3Energy } from "./codes/gm3-energy.js";
import { gm2Flows, gm3Flows } from "./codes/gm3-flows.js";
import { gm4 } from "./codes/gm4.js";
import { gm5 } from "./codes/gm5.js";

export const registry = {
  ...gm1,
  ...gm2,
  ...gm2Flows,
  ...gm3,
  ...gm3Derivation,
  ...gm3Energy,
  ...gm3Flows,
  ...gm3Autoregressive,
  ...gm3Missing,
  ...gm3Players,
  ...gm3Map,
  ...gm3Nets,
  ...gm3Estimators,
  ...gm4,
  ...gm5,
};

export type Code = keyof typeof registry;

type MessageArgs<C extends Code> = Parameters<(typeof registry)[C]["message"]>[0];

/** The arguments that the message of a code takes; `{}` for a message without any. */
export type CodeArgs<C extends Code> = [MessageArgs<C>] extends [never] ? object : MessageArgs<C>;
