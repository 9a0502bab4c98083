/** Tells the monitor which programs this deployment has on schedule: one that comes later is awaited from then on, not since years. */
import type { ClientBase } from "pg";

export async function awaitRuns(client: ClientBase, programs: readonly string[]): Promise<void> {
  const since = (has: string) => `since = case when ${has} then coalesce(since, now()) end`;
  await client.query(`update audit.programs set ${since("program = any ($1)")}`, [programs]);
  await client.query(`update audit.drill set ${since("'drill' = any ($1)")}`, [programs]);
}
