import { expect, test } from "vitest";
import { suitPgbouncer } from "../../local/pgbouncer";

const ini =
  "[pgbouncer]\n; transaction_timeout = 1\nquery_timeout = 60\ntransaction_timeout = 60\nmax_prepared_statements = 32\n";

test.each([
  ["PgBouncer 0.99", ["max_prepared_statements", "transaction_timeout"]],
  ["PgBouncer 1.18.0\nlibevent 2.1.12-stable\n", ["max_prepared_statements", "transaction_timeout"]],
  ["PgBouncer 1.20.1", ["max_prepared_statements", "transaction_timeout"]],
  ["PgBouncer 1.21.0", ["transaction_timeout"]],
  ["PgBouncer 1.24.1", ["transaction_timeout"]],
])("%j is not told what it does not know; what it knows stays as it is", (version, unknown) => {
  const suited = suitPgbouncer(ini, version);
  const left = suited.match(/(?<=^; PgBouncer \d\.\d+, which runs here, does not know: )\w+/gm)!;
  expect(left.toSorted()).toEqual(unknown);
  expect(suited.split("\n").filter((line) => !line.startsWith("; PgBouncer"))).toEqual(
    ini.split("\n").filter((line) => !unknown.some((name) => line.startsWith(name))),
  );
});

test.each(["PgBouncer 1.25.2\nlibevent 2.1.12-stable\n", "PgBouncer 1.26.0", "PgBouncer 2.0.0"])(
  "%j gets the configuration as it is",
  (version) => expect(suitPgbouncer(ini, version)).toBe(ini),
);
