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
    const at = await timeAfter(client, { since, until }, this.rows, this.agent);
    this.from = at;
    return { since, until: at ?? until };
  }
}

/** The time of the row that many rows on, or the first later one where all of these share one time; undefined where no more come. */
export async function timeAfter(
  client: pg.Client,
  { since, until }: Range,
  rows: number,
  agent: string | undefined,
): Promise<string | undefined> {
  const only = agent === undefined ? [] : [agent];
  const end = await client.query<{ at: string; moved: boolean }>(chunkEnd(agent), [since, until, rows, ...only]);
  const [row] = end.rows;
  if (!row || row.moved) return row?.at;
  const next = await client.query<{ at: string | null }>(nextTime(agent), [since, until, ...only]);
  return next.rows[0]?.at ?? undefined;
}
