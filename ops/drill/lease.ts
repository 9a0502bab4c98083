/** The scratch instance is one drill's at a time: of the one that says on the primary that it goes on. */
import { Failure } from "../program";

/** Far less than what it is held for: a failover is in between. */
const everyMs = 30_000;
/**
 * For how long it is held by what the primary was last told. Another may begin after ten minutes (sql/023_drill.sql); a minute before
 * that this one ends, so that what it has asked RDS for is over by then.
 */
export const heldMs = 9 * 60_000;

export class Lease {
  readonly #lost = new AbortController();
  #run = "";
  #until = 0;
  #renewal: NodeJS.Timeout | undefined;
  #end: NodeJS.Timeout | undefined;

  /** @param goesOn tells the primary; false where another drill has begun, rejects where the primary could not be told */
  constructor(private readonly goesOn: (run: string) => Promise<boolean>) {}

  /** @param begin tells the primary. @returns what it is known by there */
  async begin(begin: () => Promise<string>): Promise<string> {
    const asked = performance.now();
    this.#run = await begin();
    this.#holdFrom(asked);
    this.#renewal = setInterval(() => void this.renew(), everyMs);
    return this.#run;
  }

  /** Aborts once another drill has begun, or may have. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** What cannot be told now is told next time, as long as no other may have begun. @returns whether it is held */
  async renew(): Promise<boolean> {
    const asked = performance.now();
    const goesOn = await this.goesOn(this.#run).catch(() => undefined);
    if (goesOn === true) this.#holdFrom(asked);
    if (goesOn === false) {
      this.#until = -Infinity;
      this.#lost.abort(new Failure("another drill has begun, since nothing was heard of this one for 10 minutes"));
    }
    return performance.now() < this.#until;
  }

  end(): void {
    clearInterval(this.#renewal);
    clearTimeout(this.#end);
  }

  /** From when the primary was asked, not from its answer: it was told in between. */
  #holdFrom(asked: number): void {
    this.#until = Math.max(this.#until, asked + heldMs);
    clearTimeout(this.#end);
    this.#end = setTimeout(
      () =>
        this.#lost.abort(
          new Failure("the primary could not be told for 9 minutes that this drill goes on: another one may begin"),
        ),
      this.#until - performance.now(),
    );
  }
}
