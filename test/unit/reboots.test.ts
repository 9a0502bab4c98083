import { expect, test } from "vitest";
import type { Difference } from "../../ops/migrate/difference";
import { rebootAdvice } from "../../ops/migrate/reboots";

const changed = (what: string, is: string, wanted: string): Difference => ({
  what,
  expected: wanted,
  actual: is,
  settles: "by reboot",
  values: [wanted, is],
});

test.each<[string, Difference[], RegExp]>([
  [
    "raised, the replica goes first",
    [changed("max_connections", "200", "400"), changed("max_locks_per_transaction", "64", "128")],
    /^Reboot the replica first, then the primary: max_connections, max_locks_per_transaction is raised, and a replica with less/,
  ],
  [
    "lowered, it goes last",
    [changed("max_worker_processes", "16", "8")],
    /^Reboot the primary first, the replica last: max_worker_processes is lowered/,
  ],
  [
    "in both directions, one after the other",
    [changed("max_connections", "200", "400"), changed("max_worker_processes", "16", "8")],
    /^max_connections is raised and max_worker_processes is lowered.*: deploy the raised values first/,
  ],
  [
    "of no concern to the replica, in any order",
    [changed("shared_buffers", "1000", "2000")],
    /^Reboot the primary, then the replica: shared_buffers takes effect when a server starts\./,
  ],
  [
    "beside one that the replica needs, in that one's order",
    [changed("shared_buffers", "2000", "1000"), changed("max_connections", "99", "1000")],
    /^Reboot the replica first, then the primary: max_connections is raised/,
  ],
])("of static parameters %s", (_name, differences, advice) => {
  expect(rebootAdvice(differences)).toEqual([expect.stringMatching(advice)]);
});

test("nothing is to be rebooted for what RDS applies by itself or what a person must mend", () => {
  expect(
    rebootAdvice([
      { what: "work_mem", expected: "8192", actual: "4096", settles: "by itself", values: ["8192", "4096"] },
      { what: "role authensor_app", expected: "exists", actual: "missing" },
    ]),
  ).toEqual([]);
});
