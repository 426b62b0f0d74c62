/** GM4: training. The runtime throws these as errors with a message of their own; the entries here hold titles for lists and pages. */
import { code, type CodeEntry } from "./entry.js";

/** The message of an error that the runtime has worded. */
const worded = (title: string) => code("error", title, (a: { message: string }) => a.message);

export const gm4 = {
  GM4001: worded("A schedule of no length"),
  GM4002: worded("A condition without a value"),
  GM4003: worded("A value is not finite"),
  GM4004: worded("Data that training or evaluation needs are missing"),
  GM4005: worded("Unknown metric"),
  GM4007: worded("Nothing to train"),
  GM4008: worded("A run option out of range"),
  GM4009: worded("The model cannot do this"),
  GM4010: worded("An optimiser option out of range"),
  GM4011: worded("A constraint that does not fit its weight"),
  GM4012: worded("Too few rows for independent draws"),
  GM4013: worded("Too few rows for a discrepancy"),
  GM4020: worded("A bijection without a closed form in this direction"),
  GM4021: worded("A bijection that does not fit its event"),
  GM4023: worded("An inverse that does not undo its flow"),
  GM4022: worded("A sequential direction too long to unroll"),
  GM4024: worded("Curvature that is not positive"),
  GM4025: worded("Joint curvature that is not positive"),
  GM4030: worded("Entries or a temperature that a draw cannot take"),
  GM4031: worded("A temperature that the distribution has no use for"),
  GM4040: worded("Rows to judge that are no rows of the variable"),
  GM4041: worded("Too few rows to judge samples by"),
  GM4501: worded("An initialiser that does not fit its weight"),
  GM4502: worded("A start from data without data"),
  GM4503: worded("A start outside the domain"),
  GM4901: worded("Tensor shapes do not fit"),
  GM4902: worded("Tensor dtypes do not fit"),
  GM4903: worded("A tensor outside its stage"),
  GM4904: worded("A key that already follows an iteration"),
  GM4905: worded("A write that does not fit the state"),
  GM4906: worded("A value is missing or of another shape"),
  GM4907: worded("An index out of range"),
  GM4908: worded("An update that does not fit its rule"),
  GM4909: worded("Not differentiable"),
  GM4910: worded("Unknown engine"),
  GM4911: worded("An engine cannot run here"),
} as const satisfies Record<`GM4${string}`, CodeEntry<never>>;
