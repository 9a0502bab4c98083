/** What a server reports otherwise than it was deployed. */
export interface Difference {
  what: string;
  expected: string;
  actual: string;
  /** What mends it: RDS, which applies dynamic parameters in its own time; a reboot; or, by default, only a person. */
  settles?: "by itself" | "by reboot" | "never";
  /** The bare values where both are known: expected, actual. */
  values?: readonly [string, string];
}
