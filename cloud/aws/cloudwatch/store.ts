/** Metrics as they came in, by the second or by the minute, and the statistics of any period over them. */

export interface Identity {
  region: string;
  namespace: string;
  name: string;
  dimensions: Readonly<Record<string, string>>;
}

export interface Summary {
  count: number;
  sum: number;
  minimum: number;
  maximum: number;
}

export const statistics = {
  Average: ({ sum, count }: Summary) => sum / count,
  Sum: ({ sum }: Summary) => sum,
  Minimum: ({ minimum }: Summary) => minimum,
  Maximum: ({ maximum }: Summary) => maximum,
  SampleCount: ({ count }: Summary) => count,
} as const;

export type Statistic = keyof typeof statistics;
export const isStatistic = (text: string): text is Statistic => Object.hasOwn(statistics, text);

/** Seconds that are kept. */
const kept = 48 * 3600;

const keyOf = ({ region, namespace, name, dimensions }: Identity): string =>
  JSON.stringify([region, namespace, name, Object.entries(dimensions).sort(([a], [b]) => (a < b ? -1 : 1))]);

function merge(one: Summary | undefined, other: Summary): Summary {
  if (one === undefined) return other;
  return {
    count: one.count + other.count,
    sum: one.sum + other.sum,
    minimum: Math.min(one.minimum, other.minimum),
    maximum: Math.max(one.maximum, other.maximum),
  };
}

export class Store {
  /** By identity, then by the second that a span begins. */
  private readonly metrics = new Map<string, Map<number, Summary>>();

  add(metric: Identity, at: number, summary: Summary, resolution: number): void {
    const key = keyOf(metric);
    const spans = this.metrics.get(key) ?? new Map<number, Summary>();
    const second = Math.floor(at / resolution) * resolution;
    spans.set(second, merge(spans.get(second), summary));
    this.metrics.set(key, spans);
  }

  /** Of [since, until), in seconds; undefined where nothing came in. */
  summary(metric: Identity, since: number, until: number): Summary | undefined {
    return this.periods(metric, { since, period: until - since, length: 1 })[0];
  }

  /** Of so many periods from `since` on, in one pass. */
  periods(
    metric: Identity,
    { since, period, length }: { since: number; period: number; length: number },
  ): (Summary | undefined)[] {
    const found = Array<Summary | undefined>(length).fill(undefined);
    for (const [second, summary] of this.metrics.get(keyOf(metric)) ?? []) {
      const place = Math.floor((second - since) / period);
      if (place >= 0 && place < length) found[place] = merge(found[place], summary);
    }
    return found;
  }

  forgetBefore(now: number): void {
    for (const [key, spans] of this.metrics) {
      for (const second of spans.keys()) if (second < now - kept) spans.delete(second);
      if (spans.size === 0) this.metrics.delete(key);
    }
  }

  toJSON(): unknown {
    return [...this.metrics].map(([key, spans]) => [key, [...spans]]);
  }

  static from(json: unknown): Store {
    const store = new Store();
    for (const [key, spans] of json as [string, [number, Summary][]][]) store.metrics.set(key, new Map(spans));
    return store;
  }
}
