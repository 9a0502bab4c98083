/** Waits for the database: a program that starts while it is away would end at its first query, and be started later and later. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../log";
import { firstAnswer } from "./limits";

/** What is used of a pool's client. */
export interface Client {
  query: (text: string, values: [], done: (error?: Error | null) => void) => void;
  release: (error?: Error) => void;
}

/** Milliseconds between two tries, and between two lines of the log. */
const [tryEvery, tellEvery] = [1_000, 10_000];

/**
 * Returns when a statement has come through, or when that takes too long: the program's own
 * statement then says what is wrong. A login alone proves little, PgBouncer takes it also while the server behind it is away.
 */
export async function untilAnswered(
  pool: { ending?: boolean },
  connect: () => Promise<Client>,
  log: Log,
): Promise<void> {
  const began = Date.now();
  let told = 0;
  while (!pool.ending && Date.now() - began < firstAnswer * 1000) {
    try {
      await ask(await connect());
      if (told > 0) log.info("the database answers");
      return;
    } catch (error) {
      if (Date.now() - told >= tellEvery) {
        told = Date.now();
        log.warn("waiting for the database to answer", { error: (error as Error).message });
      }
      await sleep(tryEvery);
    }
  }
}

function ask(client: Client): Promise<void> {
  return new Promise((resolve, reject) => {
    client.query("select 1", [], (error) => {
      client.release(error ?? undefined);
      if (error) reject(error);
      else resolve();
    });
  });
}
