import { expect, test } from "vitest";
import { suitPgbouncer } from "../../local/pgbouncer";

const ini = "[pgbouncer]\n; transaction_timeout = 1\nquery_timeout = 60\ntransaction_timeout = 60\n";

test.each(["PgBouncer 1.18.0\nlibevent 2.1.12-stable\n", "PgBouncer 1.24.1", "PgBouncer 0.99"])(
  "%j is not told what it does not know; what it knows stays as it is",
  (version) => {
    const suited = suitPgbouncer(ini, version);
    expect(suited).toMatch(/^; PgBouncer \d\.\d+, which runs here, does not know: transaction_timeout = 60$/m);
    expect(suited.split("\n").filter((line) => !line.startsWith("; PgBouncer"))).toEqual(
      ini.split("\n").filter((line) => !line.startsWith("transaction_timeout")),
    );
  },
);

test.each(["PgBouncer 1.25.2\nlibevent 2.1.12-stable\n", "PgBouncer 1.26.0", "PgBouncer 2.0.0"])(
  "%j gets the configuration as it is",
  (version) => expect(suitPgbouncer(ini, version)).toBe(ini),
);
