/** The values of a minute, until they are published. */
import { metrics, type MetricName, type Sample } from "./metrics";

/** One series over one span of time, as CloudWatch takes it: each value, and how often it was seen. */
export interface Datum {
  name: MetricName;
  label?: string;
  /** When the span began. */
  at: Date;
  values: number[];
}

/** PutMetricData takes 150 values a metric; a minute of ten seconds each has six. */
const mostValues = 150;

export class Series {
  private readonly standing = new Map<string, readonly Sample[]>();
  private readonly values = new Map<string, { sample: Sample; values: number[] }>();

  add(sample: Sample): void {
    const key = `${sample.name}/${sample.label ?? ""}`;
    const series = this.values.get(key) ?? { sample, values: [] };
    if (series.values.length < mostValues) series.values.push(sample.value);
    this.values.set(key, series);
  }

  /**
   * What a source has found that is asked more rarely than is published: every minute is told it, until it is asked again. An alarm
   * whose minutes are mostly empty would never fire.
   */
  stand(source: string, samples: readonly Sample[]): void {
    this.standing.set(source, samples);
  }

  /** Takes out what has come in since the last time, of the metrics that are published every ten seconds or of the others. */
  take(fast: boolean, at: Date): Datum[] {
    if (!fast) for (const sample of [...this.standing.values()].flat()) this.add(sample);
    const taken = [...this.values].filter(([, { sample }]) => isFast(sample.name) === fast);
    for (const [key] of taken) this.values.delete(key);
    return taken.map(([, { sample, values }]) => ({
      name: sample.name,
      ...(sample.label !== undefined && { label: sample.label }),
      at,
      values,
    }));
  }
}

export const isFast = (name: MetricName): boolean => "fast" in metrics[name];
