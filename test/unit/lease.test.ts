/** How long a drill may believe that its instance is its own. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { heldMs, Lease } from "../../ops/drill/lease";

const minute = 60_000;
/** What the primary answers; it does not answer where it is undefined. */
let goesOn: boolean | undefined;
let told: number;
const hangs = new Promise<never>(() => undefined);

async function begun(answersAfterMs = 0): Promise<Lease> {
  const lease = new Lease(() => {
    told++;
    return goesOn === undefined ? Promise.reject(new Error("ECONNREFUSED")) : Promise.resolve(goesOn);
  });
  const began = lease.begin(() => new Promise((resolve) => setTimeout(() => resolve("run"), answersAfterMs)));
  await vi.advanceTimersByTimeAsync(answersAfterMs);
  expect(await began).toBe("run");
  return lease;
}

beforeEach(() => {
  vi.useFakeTimers();
  [goesOn, told] = [true, 0];
});
afterEach(() => vi.useRealTimers());

describe("a drill's lease", () => {
  test("is held for hours by what the primary is told each half minute", async () => {
    const lease = await begun();
    await vi.advanceTimersByTimeAsync(180 * minute);
    expect([lease.lost.aborted, told]).toEqual([false, 360]);
    lease.end();
    await vi.advanceTimersByTimeAsync(60 * minute);
    expect([lease.lost.aborted, told], "once it is given back").toEqual([false, 360]);
  });

  test("outlasts a failover, in which the primary does not answer", async () => {
    const lease = await begun();
    goesOn = undefined;
    await vi.advanceTimersByTimeAsync(8 * minute);
    expect(await lease.renew(), "still held").toBe(true);
    goesOn = true;
    await vi.advanceTimersByTimeAsync(30 * minute);
    expect(lease.lost.aborted).toBe(false);
  });

  test.each([
    ["refuses", () => Promise.reject(new Error("ECONNREFUSED"))],
    ["hangs", () => hangs],
  ])("ends by its own clock where the primary %s, before another drill may begin", async (_, answer) => {
    let cutOff = false;
    const lease = new Lease(() => (cutOff ? answer() : Promise.resolve(true)));
    await lease.begin(() => Promise.resolve("run"));
    await vi.advanceTimersByTimeAsync(5 * minute);
    cutOff = true;
    await vi.advanceTimersByTimeAsync(heldMs - 1);
    expect(lease.lost.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(String(lease.lost.reason)).toContain("could not be told for 9 minutes");
  });

  test("is no longer held after its end for who cannot ask; who then learns that it is still theirs holds it again", async () => {
    const lease = await begun();
    goesOn = undefined;
    await vi.advanceTimersByTimeAsync(heldMs);
    expect(await lease.renew()).toBe(false);
    goesOn = true;
    expect(await lease.renew()).toBe(true);
    expect(lease.lost.aborted, "what has been given up stays so").toBe(true);
  });

  test("counts from when the primary was asked, not from its answer, which may come late", async () => {
    const lease = await begun(2 * minute);
    goesOn = undefined;
    await vi.advanceTimersByTimeAsync(heldMs - 2 * minute);
    expect(lease.lost.aborted).toBe(true);
  });

  test("is lost at once where another drill has begun, whatever its own clock says", async () => {
    const lease = await begun();
    goesOn = false;
    await vi.advanceTimersByTimeAsync(minute / 2);
    expect(String(lease.lost.reason)).toContain("another drill has begun");
    goesOn = undefined;
    expect(await lease.renew()).toBe(false);
  });
});
