/** Cuts the time to verify into chunks of about as many receipts each, one after another. */
import type pg from "pg";
import { chunkEnd, nextTime, type Range } from "./queries";

export class Chunks {
  private from: string | undefined;

  constructor(
    private readonly range: Range,
    private readonly rows: number,
    private readonly agent: string | undefined,
  ) {
    this.from = range.since;
  }

  /** The next chunk; undefined when there are none left. To be called by one at a time. */
  async next(client: pg.Client): Promise<Range | undefined> {
    const since = this.from;
    if (since === undefined) return undefined;
    const { until } = this.range;
    const agent = this.agent === undefined ? [] : [this.agent];
    const end = await client.query<{ at: string; moved: boolean }>(chunkEnd(this.agent), [
      since,
      until,
      this.rows,
      ...agent,
    ]);
    let at: string | null | undefined = end.rows[0]?.at;
    if (end.rows[0] && !end.rows[0].moved) {
      const next = await client.query<{ at: string | null }>(nextTime(this.agent), [since, until, ...agent]);
      at = next.rows[0]?.at;
    }
    this.from = at ?? undefined;
    return { since, until: at ?? until };
  }
}
