import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { inOrder } from "../../ops/verify/orderedPool";

/** A pool over the items 0 … count - 1, each finished by hand, and what it did. */
function byHand(count: number, workers: number, take: (item: number) => void = () => undefined) {
  const abort = new AbortController();
  const begun: number[] = [];
  const taken: number[] = [];
  const busy = new Set<number>();
  const work = new Map<number, { finish: () => void; fail: (error: Error) => void }>();
  let drawing = 0;
  let item = 0;
  let ended = false;
  const done = inOrder({
    workers: Array.from({ length: workers }, (_, i) => i),
    signal: abort.signal,
    next: async () => {
      if (drawing++ > 0) throw new Error("two ask for the next item at once");
      await turn();
      drawing--;
      return item < count ? item++ : undefined;
    },
    work: (worker, item) =>
      new Promise<number>((resolve, reject) => {
        if (busy.has(worker)) throw new Error("a worker has two items at once");
        busy.add(worker);
        begun.push(item);
        work.set(item, {
          finish: () => (busy.delete(worker), resolve(item)),
          fail: (error) => (busy.delete(worker), reject(error)),
        });
      }),
    take: (result, item) => {
      expect(result).toBe(item);
      taken.push(item);
      take(item);
    },
  }).finally(() => (ended = true));
  done.catch(() => undefined);
  /** Lets everything happen that can happen by itself. */
  const settle = async () => {
    for (let i = 0; i < 30; i++) await turn();
  };
  const finish = async (item: number) => {
    work.get(item)?.finish();
    work.delete(item);
    await settle();
  };
  const fail = async (item: number, error: Error) => {
    work.get(item)?.fail(error);
    work.delete(item);
    await settle();
  };
  return { abort, begun, taken, work, done, settle, finish, fail, ended: () => ended };
}

describe("the ordered pool", () => {
  it("takes every result once and in order, in whatever order they are finished", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 12 }),
        fc.integer({ min: 1, max: 4 }),
        fc.infiniteStream(fc.nat()),
        async (count, workers, choices) => {
          const pool = byHand(count, workers);
          await pool.settle();
          while (pool.work.size > 0) {
            const open = [...pool.work.keys()];
            await pool.finish(open[Number(choices.next().value) % open.length] ?? 0);
          }
          await pool.done;
          expect(pool.taken).toEqual(Array.from({ length: count }, (_, i) => i));
        },
      ),
      { seed: 4711, numRuns: 40 },
    );
  });

  it("takes nothing before its turn", async () => {
    const pool = byHand(3, 3);
    await pool.settle();
    await pool.finish(2);
    await pool.finish(1);
    expect(pool.taken).toEqual([]);
    await pool.finish(0);
    expect(pool.taken).toEqual([0, 1, 2]);
    await pool.done;
  });

  it("begins nothing beyond one item ahead per worker while the first is not finished", async () => {
    const pool = byHand(100, 3);
    await pool.settle();
    for (let n = 0; n < 100; n++) {
      const later = [...pool.work.keys()].find((item) => item !== 0);
      if (later === undefined) break;
      await pool.finish(later);
    }
    // Worker 0 holds item 0; each of the others has two results that wait for it.
    expect(pool.begun).toEqual([0, 1, 2, 3, 4]);
    await pool.finish(0);
    expect(pool.taken).toEqual([0, 1, 2, 3, 4]);
    expect(pool.begun.length).toBeGreaterThan(5);
    pool.abort.abort(new Error("enough"));
    for (const item of [...pool.work.keys()]) await pool.finish(item);
    await expect(pool.done).rejects.toThrow("enough");
  });

  it("ends all at the first error: nothing is begun or taken after it, and no worker is left at work", async () => {
    const pool = byHand(100, 3);
    await pool.settle();
    await pool.fail(1, new Error("the second item"));
    expect(pool.begun).toEqual([0, 1, 2]);
    expect(pool.ended()).toBe(false);
    await pool.fail(2, new Error("a later error"));
    expect(pool.ended()).toBe(false);
    await pool.finish(0);
    await expect(pool.done).rejects.toThrow("the second item");
    expect(pool.taken).toEqual([]);
    expect(pool.begun).toEqual([0, 1, 2]);
  });

  it("ends all when a result cannot be taken, or the next item not be had", async () => {
    const pool = byHand(100, 2, (item) => {
      if (item === 1) throw new Error("the disk is full");
    });
    await pool.settle();
    for (let item = 0; item < 6; item++) await pool.finish(item);
    await expect(pool.done).rejects.toThrow("the disk is full");
    expect(pool.taken).toEqual([0, 1]);

    const noNext = inOrder({
      workers: [1, 2],
      signal: new AbortController().signal,
      next: () => Promise.reject(new Error("the connection is gone")),
      work: () => Promise.resolve(),
      take: () => undefined,
    });
    await expect(noNext).rejects.toThrow("the connection is gone");
  });

  it("ends with the signal's reason when aborted, once what was begun has ended", async () => {
    const pool = byHand(100, 2);
    await pool.settle();
    pool.abort.abort(new Error("stopped by SIGTERM"));
    await pool.settle();
    expect(pool.ended()).toBe(false);
    await pool.fail(0, new Error("Connection terminated"));
    await pool.finish(1);
    await expect(pool.done).rejects.toThrow("stopped by SIGTERM");
    expect(pool.begun).toEqual([0, 1]);
    expect(pool.taken).toEqual([]);
  });
});
