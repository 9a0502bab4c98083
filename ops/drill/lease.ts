/** The scratch instance is one drill's at a time: of the one that says on the primary that it goes on. */
import { Failure } from "../program";

/** Far less than the ten minutes of silence after which another may begin (sql/023_drill.sql): a failover is in between. */
const everyMs = 30_000;

export class Lease {
  readonly #taken = new AbortController();
  #run = "";
  #timer: NodeJS.Timeout | undefined;

  /** @param goesOn tells the primary; false where another drill has begun */
  constructor(private readonly goesOn: (run: string) => Promise<boolean>) {}

  hold(run: string): void {
    this.#run = run;
    this.#timer = setInterval(() => void this.renew(), everyMs);
  }

  /** Aborts once another drill has begun. */
  get taken(): AbortSignal {
    return this.#taken.signal;
  }

  /** What cannot be told now is told next time. */
  async renew(): Promise<void> {
    if (await this.goesOn(this.#run).catch(() => true)) return;
    this.#taken.abort(new Failure("another drill has begun, since nothing was heard of this one for 10 minutes"));
  }

  end(): void {
    clearInterval(this.#timer);
  }
}
