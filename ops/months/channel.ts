/** Passes what one who reads hands over to one who stores, at the pace of the slower; where one fails, the other ends. */
import { once } from "node:events";
import { PassThrough } from "node:stream";

export class Channel<T> {
  readonly #stream = new PassThrough({ objectMode: true, highWaterMark: 2 });
  readonly #gone = new AbortController();

  async put(value: T): Promise<void> {
    if (!this.#stream.write(value)) await once(this.#stream, "drain", { signal: this.#gone.signal });
  }

  /** @returns what `store` does, once both have ended */
  async through<R>(read: () => Promise<void>, store: (source: AsyncGenerator<T, undefined>) => Promise<R>): Promise<R> {
    const reading = read().then(
      () => void this.#stream.end(),
      (error: unknown) => {
        this.#stream.destroy(error as Error);
        throw error;
      },
    );
    const storing = store(values<T>(this.#stream)).finally(() => this.#gone.abort());
    const [stored, ended] = await Promise.allSettled([storing, reading]);
    // Who fails because the other did says less.
    if (stored.status === "rejected") throw stored.reason;
    if (ended.status === "rejected") throw ended.reason;
    return stored.value;
  }
}

async function* values<T>(stream: AsyncIterable<unknown>): AsyncGenerator<T, undefined> {
  yield* stream as AsyncIterable<T>;
  return undefined;
}
