import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { entries } from "../../settings/table";
import { changesTogether, isOfAws } from "./settingChanges";
import { rowsOf } from "./settingChangesPage";

const rows = rowsOf(readFileSync(join(__dirname, "../../docs/setting-changes.md"), "utf8"));
const ofAws = /\w+\.\w+ [\w-]+/;
/** Those that are not refused, and by the page replace and remove nothing of AWS. */
const harmless = [...rows].filter(
  ([, [to, updated, replaced, came]]) =>
    to !== "not tried" && !/^refused/.test(updated!) && !ofAws.test(replaced!) && !/removed/.test(came!),
);

test("what a change of each setting does is told of every setting", () => {
  expect([...rows.keys()].sort()).toEqual(entries.map(({ setting }) => setting.key).sort());
});

test("settings that by the page replace and remove nothing of AWS do not, changed all at once", async () => {
  const keys = harmless.map(([key]) => key);
  expect(keys).toEqual(expect.arrayContaining(["instanceClass", "storageGib", "maxConnections", "lockDays", "tags"]));
  const lost = (await changesTogether(keys)).filter(({ change }) => change === "replaced" || change === "removed");
  expect(lost.filter(isOfAws).map(({ change, what }) => `${what} ${change}`)).toEqual([]);
});

test("switching drills off rolls no pod; the next verifications on schedule compare what is awaited then", async () => {
  const updated = (await changesTogether(["drill"])).filter(({ change }) => change === "updated");
  const programs = updated.filter(({ type }) => /:(Deployment|CronJob)$/.test(type)).map(({ what }) => what);
  expect(programs.filter((what) => !/^batch\.CronJob verify-/.test(what))).toEqual([]);
});
