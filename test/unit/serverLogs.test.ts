import { describe, expect, test } from "vitest";
import { logRetentionOf, logRetentions, logsKeyPolicy, retentionOfAtLeast } from "../../components/database/serverLogs";

describe("a retention that CloudWatch knows", () => {
  test.each([
    [1, 1],
    [2, 3],
    [8, 14],
    [100, 120],
    [366, 400],
    [732, 1096],
    [3653, 3653],
    [3654, 0],
  ])("for %d days is %d, where 0 is for ever", (days, expected) => {
    expect(retentionOfAtLeast(days)).toBe(expected);
  });

  // Months of receipts, days of logs.
  test.each([
    [6, 365],
    [12, 400],
    [24, 731],
    [36, 1096],
    [60, 1827],
    [120, 3653],
    [121, 0],
    [1200, 0],
  ])("that fits receipts of %d months is %d", (months, expected) => {
    expect(logRetentionOf(months)).toBe(expected);
  });

  test("grows with what is asked for", () => {
    expect([...logRetentions].sort((a, b) => a - b)).toEqual(logRetentions);
  });
});

test.each([
  ["eu-central-1", "logs.eu-central-1.amazonaws.com", "arn:aws:logs:eu-central-1:1"],
  ["us-gov-west-1", "logs.us-gov-west-1.amazonaws.com", "arn:aws-us-gov:logs:us-gov-west-1:1"],
  ["cn-north-1", "logs.cn-north-1.amazonaws.com.cn", "arn:aws-cn:logs:cn-north-1:1"],
])("in %s the key is for %s", (region, service, arn) => {
  const [account, logs] = logsKeyPolicy({ accountId: "1", region, name: "p" }).Statement;
  expect(account?.Principal.AWS).toBe(`${arn.split(":logs:")[0]}:iam::1:root`);
  expect(logs?.Principal.Service).toBe(service);
  expect(logs?.Condition?.ArnLike["kms:EncryptionContext:aws:logs:arn"]).toBe(
    `${arn}:log-group:/aws/rds/instance/p-*/*`,
  );
});
