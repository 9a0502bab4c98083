import { expect, test } from "vitest";
import { UsageError } from "../../local/config";
import { psqlCommand } from "../../local/psql";

const outputs = {
  controlPlaneUrl: "http://localhost:1",
  auditorUrl: "postgresql://authensor_auditor:p%2Fw@localhost:2/authensor?sslmode=verify-full",
};

test("a role's password is in no argument, and the rest of its URL and psql's own arguments are", () => {
  expect(psqlCommand(outputs, "auditor", ["-c", "select 1"])).toEqual({
    args: ["postgresql://authensor_auditor@localhost:2/authensor?sslmode=verify-full", "-c", "select 1"],
    password: "p/w",
  });
});

test.each([undefined, "root", "controlPlane"])("%s is no role, and the roles are named", (role) => {
  expect(() => psqlCommand(outputs, role, [])).toThrow(
    new UsageError(`${role ? `no role ${role}` : "which role"}? Use one of: auditor`),
  );
});
