import { expect, it } from "vitest";
import { sameValue } from "../../ops/migrate/parameters";

it.each<[string, string, string, string, boolean]>([
  ["1", "on", "bool", "a", true],
  ["0", "on", "bool", "a", false],
  ["on", "on", "enum", "synchronous_commit", true],
  ["1", "on", "enum", "synchronous_commit", true],
  ["remote_apply", "on", "enum", "synchronous_commit", false],
  ["0.90", "0.9", "real", "a", true],
  ["900", "900", "integer", "a", true],
  ["900", "90", "integer", "a", false],
  ["LZ4", "lz4", "enum", "wal_compression", true],
  ["pg_stat_statements", "rdsutils,pg_stat_statements", "string", "shared_preload_libraries", true],
  ["pg_stat_statements,auto_explain", "pg_stat_statements", "string", "shared_preload_libraries", false],
])("the check compares as the server reads: %s and %s (%s) of %s: %s", (expected, setting, vartype, name, same) => {
  expect(sameValue(expected, { name, setting, vartype })).toBe(same);
});
