import type { Settings } from "./table";

/** A rule that only shows in combination. One that reads a value which is itself wrong is not applied. */
export interface CrossCheck {
  /** The key that the problem is reported under. */
  key: string;
  /** The rule that is broken, with its numbers, or undefined. */
  broken: (settings: Settings) => string | undefined;
}
