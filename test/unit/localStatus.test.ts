import { describe, expect, test } from "vitest";
import { trouble, type Row } from "../../local/operate";

const row = (what: string, type: string, healthy: boolean): Row => ({ what, type, healthy, text: "" });
const database = (healthy: boolean) => row("rds.Instance primary", "aws:rds/instance:Instance", healthy);
const service = (healthy: boolean) => row("core.Service pgbouncer", "kubernetes:core/v1:Service", healthy);
const job = row("batch.Job migrate", "kubernetes:batch/v1:Job", true);

describe("what make status says is wrong", () => {
  test("is nothing while everything is well", () => {
    expect(trouble([database(true), service(true), job])).toBeUndefined();
  });

  test("is what does not run, by name", () => {
    expect(trouble([database(true), service(false), job])).toBe(
      "not healthy: core.Service pgbouncer; run `make local` to repair it",
    );
  });

  test("is after `make down` that everything is stopped, though a Job that has ended is still well", () => {
    expect(trouble([database(false), service(false), job])).toMatch(/^everything is stopped; run `make local`/);
  });
});
