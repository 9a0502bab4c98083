/** What `make failover` prints, and when it is no success: each promise of docs/failover.md that does not hold. */
import { expect, it } from "vitest";
import type { Rehearsed } from "../../local/failover/rehearsal";
import { isGood, report } from "../../local/failover/report";

const rehearsed: Rehearsed = {
  acknowledged: [
    { receiptId: "one", at: 1000 },
    { receiptId: "two", at: 2000 },
    { receiptId: "three", at: 9000 },
  ],
  lost: [],
  moves: [{ from: "eu-central-1", to: "eu-west-1", pause: { from: 2000, to: 9000 } }],
  steps: [{ command: "./authensor up", seconds: 5.25 }],
  verification: { code: 0, says: "the trail is whole: 3 receipts" },
};
const two = rehearsed.acknowledged[1]!;
const left = { digest: "missing-3f2a91bc04de", archivedFrom: 1500, named: ["one"] };

it("it tells how long no receipt was accepted, and what was typed", () => {
  expect(report(rehearsed)).toBe(`without an accepted receipt   7.0 s, from eu-central-1 to eu-west-1
acknowledged receipts         3, of which none is lost
chains across the switch      whole: the trail is whole: 3 receipts
what the operator did
    5.3 s  ./authensor up
`);
});

it("what the replica lacked is told by who still has it: the bucket, or the old primary alone", () => {
  expect(report({ ...rehearsed, lost: [two], left })).toContain(`
acknowledged receipts         3, of which 2 were left behind
refused, then accepted        missing-3f2a91bc04de
named from the segments       1, and brought in as recovered receipts
on the old primary alone      1, acknowledged after the newest manifest:
  two, acknowledged 0 ms before the last that came in time
`);
});

it.each<[string, Partial<Rehearsed>, boolean]>([
  ["all is there, and the chains are whole", {}, true],
  ["a receipt is lost", { lost: [two] }, false],
  ["the chains are not whole", { verification: { code: 1, says: "forked" } }, false],
  ["what was archived is back, and what came later is not", { lost: [two], left }, true],
  ["a receipt is not back that was acknowledged before the manifest", { lost: [{ ...two, at: 1200 }], left }, false],
  ["the replica was to lack receipts, and none is named", { left: { ...left, named: [] } }, false],
])("where %s", (_, found, good) => {
  expect(isGood({ ...rehearsed, ...found })).toBe(good);
});
