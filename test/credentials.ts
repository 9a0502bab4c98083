/** Both generations of logins, as DatabaseSecrets makes them, with passwords that a test can know. */
import type { Generations } from "../components/database/credentials";
import { loginOf, type Login, type RoleKey } from "../ops/roles";

interface Plain {
  user: Login;
  password: string;
}

/** @param passwords the current ones by role; each one before is the same with "-before" */
export function credentials<Role extends RoleKey>(passwords: Record<Role, string>, generation = 1) {
  const entries = Object.entries(passwords) as [Role, string][];
  const of = (number: number, suffix: string) =>
    Object.fromEntries(
      entries.map(([role, password]) => [role, { user: loginOf(role, number), password: password + suffix }]),
    ) as Record<Role, Plain>;
  const { current, previous } = { current: of(generation, ""), previous: of(generation - 1, "-before") };
  return { current, previous } satisfies Generations<Role>;
}
