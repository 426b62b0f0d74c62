/**
 * How many steps go to an engine together, where it takes several: as many as keep it busy for a twentieth of a second. More would gain nothing and make
 * interruptions, progress and the screen of the machine wait. Two such groups are on their way: one computes while the other is recorded.
 */
const SECONDS = 0.05;
const MOST = 64;

export class Pace {
  private group = 1;
  private seconds = 0;
  private steps = 0;
  private since = 0;

  /** Without `starts`, each step is over before the next begins. */
  constructor(private readonly starts: boolean) {}

  /** Steps that are begun before the first of them is waited for. */
  get window(): number {
    return this.starts ? 2 * this.group : 1;
  }

  /** A step was begun: whether what is begun should be sent. */
  begun(): boolean {
    this.since++;
    if (this.since < this.group) return false;
    this.since = 0;
    return true;
  }

  /** So long passed until a step was over, since the one before it was. */
  took(seconds: number): void {
    this.seconds += seconds;
    this.steps++;
    // the times of a group come all at once: over two groups they even out
    if (this.steps < 2 * this.group) return;
    const each = this.seconds / this.steps;
    this.group = Math.min(MOST, Math.max(1, Math.floor(SECONDS / Math.max(each, 1e-6))));
    this.seconds = 0;
    this.steps = 0;
  }
}
