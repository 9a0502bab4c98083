/**
 * When a metric alarm changes its state, as CloudWatch documents it ("Alarm evaluation", "Configuring how CloudWatch alarms treat
 * missing data"). Decisions only: what the data points are is found elsewhere.
 */

export type State = "OK" | "ALARM" | "INSUFFICIENT_DATA";

export type MissingData = "missing" | "ignore" | "breaching" | "notBreaching";

const comparisons = {
  GreaterThanThreshold: (value: number, threshold: number) => value > threshold,
  GreaterThanOrEqualToThreshold: (value: number, threshold: number) => value >= threshold,
  LessThanThreshold: (value: number, threshold: number) => value < threshold,
  LessThanOrEqualToThreshold: (value: number, threshold: number) => value <= threshold,
} as const;

export type Comparison = keyof typeof comparisons;
export const isComparison = (text: string): text is Comparison => Object.hasOwn(comparisons, text);

export interface Condition {
  comparison: Comparison;
  threshold: number;
  evaluationPeriods: number;
  datapointsToAlarm: number;
  treatMissingData: MissingData;
}

/**
 * How many periods are looked at: more than are needed, in case some have no data. How many more is not documented; with three
 * evaluation periods the manual's examples have five.
 */
export const evaluationRange = (evaluationPeriods: number): number => evaluationPeriods + 2;

/**
 * @param points of the evaluation range, the newest last; undefined where a period has no data
 * @returns undefined where the state is to stay as it is
 */
export function evaluate(points: readonly (number | undefined)[], condition: Condition): State | undefined {
  const { comparison, threshold, evaluationPeriods, datapointsToAlarm, treatMissingData } = condition;
  const breaches = (value: number) => comparisons[comparison](value, threshold);
  const found = points.filter((value) => value !== undefined);
  // Enough of them: how missing data is treated does not matter then.
  const breaching = found.slice(-evaluationPeriods).filter(breaches).length;
  if (breaching >= datapointsToAlarm) return "ALARM";
  if (found.length >= evaluationPeriods) return "OK";

  const filled = evaluationPeriods - found.length;
  switch (treatMissingData) {
    case "breaching":
      return breaching + filled >= datapointsToAlarm ? "ALARM" : "OK";
    case "notBreaching":
      return "OK";
    case "missing":
      if (found.length === 0) return "INSUFFICIENT_DATA";
      return breachingEver(points, breaches, datapointsToAlarm) ? "ALARM" : "OK";
    case "ignore":
      if (found.length === 0 || breachingEver(points, breaches, datapointsToAlarm)) return undefined;
      return "OK";
  }
}

/** "Avoiding premature transitions": all there is breaches, and the oldest of it is as old as the data points to alarm. */
function breachingEver(
  points: readonly (number | undefined)[],
  breaches: (value: number) => boolean,
  datapointsToAlarm: number,
): boolean {
  const oldest = points.findIndex((value) => value !== undefined);
  const age = points.length - oldest;
  return age >= datapointsToAlarm && points.every((value) => value === undefined || breaches(value));
}
