import { describe, expect, test } from "vitest";
import type { Line } from "../../ops/archive/lines";
import type { Checkpoint } from "../../ops/verify/checkpoints";
import { Witness } from "../../ops/verify/witness";

const sealOf = (seq: number, branch = "") => Buffer.from(`${seq}${branch}`);
const point: Checkpoint = {
  place: 1,
  ownSeal: "00",
  chain: "receipts",
  agent: "a",
  first: 1,
  last: 4,
  seal: sealOf(4),
  hash: null,
  source: "receipts_2026_09",
};

/** One that has seen these rows: their places, or what is other than usual of them. */
function witnessOf(...rows: (number | Partial<Line> | { fork: number })[]): Witness {
  const witness = new Witness([point]);
  for (const row of rows) {
    if (typeof row === "object" && "fork" in row) {
      witness.fork({ chain: "receipts", agent: "a", seq: row.fork });
      continue;
    }
    const { seq = 0, ...other } = typeof row === "number" ? { seq: row } : row;
    witness.take("receipts", { agent: "a", seq, month: "2026-09", seal: sealOf(seq), ...other } as Line);
  }
  return witness;
}
const says = (witness: Witness) => witness.findings().map(({ message }) => message.replace(/^.*; in the bucket /, ""));

describe("a checkpoint that spans an accepted fork", () => {
  test("is not vouched for where a row of before the fork is of another month", () => {
    const witness = witnessOf(1, { seq: 2, month: "2026-10" }, 3, { fork: 2 }, 3, 4);
    expect(says(witness)).toEqual(["receipt 2 is of 2026-10"]);
    expect(witness.vouches(point)).toBe(false);
  });

  test("is vouched for where what was wrong is of the branch that was left", () => {
    const witness = witnessOf(1, 2, { seq: 3, month: "2026-10" }, { seq: 4, seal: sealOf(4, "b") }, { fork: 2 }, 3, 4);
    expect(says(witness)).toEqual([]);
    expect(witness.vouches(point)).toBe(true);
  });

  test("is neither vouched for nor denied before the new branch reaches its end", () => {
    expect(witnessOf(1, 2, 3, 4, { fork: 2 }, 3).vouches(point)).toBeUndefined();
  });
});
