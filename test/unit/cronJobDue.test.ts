/** When a CronJob of the local cloud starts a Job: as Kubernetes documents it, and as its controller decides. */
import { describe, expect, test } from "vitest";
import { due } from "../../cloud/kubernetes/cronJob/due";
import { isSchedule, isTimeZone, Schedule } from "../../cloud/kubernetes/cronJob/schedule";
import type { CronJobSpec } from "../../cloud/kubernetes/spec";
import { isCron } from "../../components/programs/cron";

const at = (text: string) => new Date(text.includes("T") ? `${text}Z` : `2026-11-28T${text}Z`);
const spec = (more: Partial<CronJobSpec> = {}) => ({ schedule: "*/5 * * * *", ...more }) as CronJobSpec;

interface Case extends Partial<CronJobSpec> {
  active?: number;
  since?: string;
  now: string;
}
const startOf = ({ active = 0, since = "12:00:00", now, ...more }: Case) =>
  due({ spec: spec(more), since: at(since), active, now: at(now) })?.toISOString();
const iso = (time: string) => at(time).toISOString();

describe("a CronJob", () => {
  test.each<[string, Case, string | undefined]>([
    ["is due at its time", { now: "12:05:00" }, "12:05:00"],
    ["is due at any moment after it", { now: "12:09:59.900" }, "12:05:00"],
    ["is not due before it", { now: "12:04:59.999" }, undefined],
    ["is not due twice for one time", { since: "12:05:00", now: "12:09:59" }, undefined],
    ["that is suspended is never due", { suspend: true, now: "12:30:00" }, undefined],
    ["that missed several starts makes up for the last of them, once", { now: "12:33:00" }, "12:30:00"],
    ["that missed more than a hundred does the same", { since: "2026-11-01T00:00:00", now: "12:33:00" }, "12:30:00"],
    [
      "starts late within its starting deadline",
      { schedule: "0 3 * * *", since: "2026-11-27T03:00:00", startingDeadlineSeconds: 43_200, now: "14:59:59" },
      "03:00:00",
    ],
    [
      "lets pass what is later than that",
      { schedule: "0 3 * * *", since: "2026-11-27T03:00:00", startingDeadlineSeconds: 43_200, now: "15:00:00" },
      undefined,
    ],
    [
      "that forbids two at once waits for the one before",
      { concurrencyPolicy: "Forbid", active: 1, now: "12:05:00" },
      undefined,
    ],
    [
      "and starts late once that one has ended",
      { concurrencyPolicy: "Forbid", since: "12:05:00", now: "12:13:00" },
      "12:10:00",
    ],
    ["that allows two starts the second", { concurrencyPolicy: "Allow", active: 1, now: "12:05:00" }, "12:05:00"],
    ["allows it unless it says otherwise", { active: 3, now: "12:05:00" }, "12:05:00"],
    [
      "that replaces starts beside the one it ends",
      { concurrencyPolicy: "Replace", active: 1, now: "12:05:00" },
      "12:05:00",
    ],
    [
      "on a day that no month has is never due",
      { schedule: "0 0 30 2 *", since: "2020-01-01T00:00:00", now: "12:00:00" },
      undefined,
    ],
  ])("%s", (_claim, given, wanted) => {
    expect(startOf(given)).toBe(wanted === undefined ? undefined : iso(wanted));
  });
});

describe("a schedule", () => {
  test.each([
    ["0 0 13 * 5", "2026-11-28T12:00:00", "2026-12-04T00:00:00", "either day, where both are given"],
    ["5/20 * * * *", "12:30:00", "12:45:00", "a step from a number on"],
    ["? 6 * * ?", "12:00:00", "2026-11-29T06:00:00", "? for any"],
    ["0 0 * jan-feb sun", "12:00:00", "2027-01-03T00:00:00", "names"],
    ["@weekly", "12:00:00", "2026-11-29T00:00:00", "a word"],
    ["1,31 12 * * *", "12:01:00", "12:31:00", "a list"],
  ])("of %s, after %s, is next %s: %s", (schedule, after, next) => {
    expect(new Schedule(schedule).next(at(after))?.toISOString()).toBe(iso(next));
    expect(isCron(schedule), "as a setting").toBe(true);
  });

  test("is that of its time zone, through the change of the clocks", () => {
    const berlin = new Schedule("0 6 * * *", "Europe/Berlin");
    expect(berlin.next(at("2026-10-24T12:00:00"))?.toISOString()).toBe("2026-10-25T05:00:00.000Z");
    expect(berlin.next(at("2026-10-23T12:00:00"))?.toISOString()).toBe("2026-10-24T04:00:00.000Z");
  });

  test.each([
    "",
    "* * * *",
    "* * * * * *",
    "60 * * * *",
    "* * * * 7",
    "* * L * *",
    "0 12 * * 1#2",
    "@every 1h",
    "@reboot",
    "TZ=UTC * * * * *",
  ])("written as %j is refused, as a setting too", (schedule) =>
    expect([isSchedule(schedule), isCron(schedule)]).toEqual([false, false]),
  );

  test("has a time zone that exists; Local is none", () => {
    expect(["Etc/UTC", "Europe/Berlin", "Local", "Mars/Olympus"].map(isTimeZone)).toEqual([true, true, false, false]);
  });
});
