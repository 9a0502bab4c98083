/** How many decisions were written down. */
import type { Source } from "../source";

export const receipts: Source = {
  name: "receipts",
  everySeconds: 60,
  timeoutSeconds: 8,
  async collect({ primary }, signal) {
    // The minute before the last: a transaction that began in it has committed by now.
    const rows = await primary.query<{ outcome: string; receipts: number }>(
      `select outcome, receipts::float8
         from audit.count_receipts(date_trunc('minute', now()) - interval '2 minutes',
                                   date_trunc('minute', now()) - interval '1 minute')`,
      signal,
    );
    return { samples: { Receipts: Object.fromEntries(rows.map(({ outcome, receipts }) => [outcome, receipts])) } };
  },
};
