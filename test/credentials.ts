/** Both generations of logins, as DatabaseSecrets and ControlPlaneLogins make them, with passwords that a test can know. */
import { type ControlPlaneLogin, controlPlaneLogin } from "../components/pooling/pgbouncerEntries";
import { loginOf, type Login, type RoleKey } from "../ops/roles";

type Client = RoleKey | "controlPlane";

type Logins<Name extends Client> = {
  [Key in Name]: { user: Key extends RoleKey ? Login : ControlPlaneLogin; password: string };
};

/** @param passwords the current ones by role; each one before is the same with "-before" */
export function credentials<Name extends Client>(passwords: Record<Name, string>, generation = 1) {
  const entries = Object.entries(passwords) as [Name, string][];
  const userOf = (name: Client, number: number) =>
    name === "controlPlane" ? controlPlaneLogin(number) : loginOf(name, number);
  const of = (number: number, suffix: string) =>
    Object.fromEntries(
      entries.map(([name, password]) => [name, { user: userOf(name, number), password: password + suffix }]),
    ) as Logins<Name>;
  return { current: of(generation, ""), previous: of(generation - 1, "-before") };
}

/** The control plane's of them, both. */
export const ofControlPlane = ({ current, previous }: ReturnType<typeof credentials<"controlPlane">>) => ({
  current: current.controlPlane,
  previous: previous.controlPlane,
});
