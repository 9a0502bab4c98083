/** Work done side by side, its results taken in order. */

export interface OrderedWork<Worker, Item, Result> {
  /** Each does one item at a time. */
  workers: readonly Worker[];
  signal: AbortSignal;
  /** The next item, asked for by one worker at a time: that is the order. Undefined when there are none left. */
  next: (worker: Worker) => Promise<Item | undefined>;
  work: (worker: Worker, item: Item) => Promise<Result>;
  /** Called once per item, in the order of the items. */
  take: (result: Result, item: Item) => void;
}

/**
 * Ends when every result was taken. The first error, whoever has it, or the signal ends all: nothing more is begun or taken, and
 * the promise is rejected once no worker is at work any more. While a worker's result waits for its turn the worker does one more
 * item, never two: at most twice as many results are held as there are workers.
 * (p-map's pMapIterable is ordered too, but knows no workers, and holds an error back until its turn.)
 */
export async function inOrder<Worker, Item, Result>(pool: OrderedWork<Worker, Item, Result>): Promise<void> {
  const { workers, signal, next, work, take } = pool;
  const errors: unknown[] = [];
  const ended = () => errors.length > 0 || signal.aborted;
  const fail = (error: unknown) => {
    errors.push(error);
  };
  let drawing: Promise<unknown> = Promise.resolve();
  let lastTurn: Promise<void> = Promise.resolve();

  /** An item and its turn: after all that were drawn before it. */
  const draw = (worker: Worker) => {
    const drawn = drawing.then(async () => {
      const item = ended() ? undefined : await next(worker);
      if (item === undefined) return undefined;
      const turn = lastTurn;
      let done: () => void = () => undefined;
      lastTurn = new Promise((resolve) => (done = resolve));
      return { item, turn, done };
    });
    drawing = drawn.catch(() => undefined);
    return drawn;
  };

  const run = async (worker: Worker) => {
    let waiting: Promise<void> = Promise.resolve();
    for (;;) {
      signal.throwIfAborted();
      const drawn = await draw(worker);
      if (!drawn) return waiting;
      const { item, turn, done } = drawn;
      try {
        const result = await work(worker, item);
        const taken = turn
          .then(() => (ended() ? undefined : take(result, item)))
          .catch(fail)
          .finally(done);
        await waiting;
        waiting = taken;
      } catch (error) {
        fail(error);
        done();
        return waiting;
      }
    }
  };

  await Promise.all(workers.map((worker) => run(worker).catch(fail)));
  signal.throwIfAborted();
  if (errors.length > 0) throw errors[0];
}
