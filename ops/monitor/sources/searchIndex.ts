/**
 * Indexes the words of receipts behind those who write them (sql/012_search.sql), and fails where that has not come on
 * for long.
 */
import { one } from "../server";
import type { Source } from "../source";

/** So much at a time; what is left comes the next time. */
const mostMilliseconds = 5000;

export const searchIndex: Source = {
  name: "search_index",
  everySeconds: 10,
  timeoutSeconds: 9,
  async collect({ primary }, signal) {
    const began = performance.now();
    let more = true;
    while (more && performance.now() - began < mostMilliseconds)
      ({ more } = await one<{ more: boolean }>(primary, "select audit.index_receipts() as more", signal));
    const { behind } = await one<{ behind: boolean }>(
      primary,
      "select line < now() - interval '10 minutes' as behind from audit.search_index",
      signal,
    );
    if (behind)
      throw Object.assign(new Error("searches read all receipts of more than 10 minutes"), { code: "behind" });
    return { samples: {} };
  },
};
