/** What a health check and the ways to ask an engine know of each other. */

/** Where an engine listens, as `net.connect` wants it. */
export type Target = { readonly host: string; readonly port: number } | { readonly path: string };

export interface Answer {
  readonly healthy: boolean;
  /** For logs: what the engine said, or why it said nothing. */
  readonly reason: string;
  /** It decides alone, thresholds aside: an engine that tells each change of its state tells it only once. */
  readonly decisive: boolean;
}

export const answer = (healthy: boolean, reason: string): Answer => ({ healthy, reason, decisive: false });
/** From the engine that pushes its state. */
export const statement = (healthy: boolean, reason: string): Answer => ({ healthy, reason, decisive: true });
export const failed = (error: unknown): Answer => answer(false, error instanceof Error ? error.message : String(error));

/** One way to ask one endpoint. It has no clock: how long an answer may take is up to who asks. */
export interface Probe {
  /**
   * Asks; a question still open is given up, and its `report` not called any more. `report` is called once, or, where the engine
   * pushes its state, for each change until the next question. A throw is a failed probe.
   */
  ask(report: (answer: Answer) => void): void;
  /** Gives up the open question and closes every socket. It may be asked again, and then begins afresh. */
  drop(): void;
}
