import { applyMethod, type ApplyMethod, isStatic } from "./applyMethod";

/** One setting of a parameter group. */
export interface Parameter {
  name: string;
  /** In `unit`, as RDS takes it: RDS knows no "4GB" and no "15min". Booleans are "1" and "0". */
  value: string;
  /** PostgreSQL's base unit of the setting; "" for numbers without one, booleans and lists. */
  unit: "" | "ms" | "s" | "kB" | "MB";
  applyMethod: ApplyMethod;
  /** Why it differs from RDS' default, or must not. */
  reason: string;
  source: string;
}

/** A parameter before its apply method is known, which follows from the rest and the version. */
export type Tuned = Omit<Parameter, "applyMethod">;

export interface TuningInput {
  /** Major version, such as "17". */
  postgresVersion: string;
  instanceClass: string;
  /** Allocated storage, GiB. */
  storageGib: number;
  /** Of the primary, for both servers. */
  maxConnections: number;
}

export const manual = (page: string) => `https://www.postgresql.org/docs/17/${page}.html`;
export const rdsManual = (page: string) => `https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/${page}.html`;

export const clamp = (least: number, value: number, most: number) => Math.max(least, Math.min(Math.floor(value), most));

export const majorOf = ({ postgresVersion }: Pick<TuningInput, "postgresVersion">) =>
  Number.parseInt(postgresVersion, 10);

export function withApplyMethods(major: number, parameters: readonly Tuned[]): Parameter[] {
  return parameters.map((parameter) => ({
    ...parameter,
    applyMethod: applyMethod(parameter.name, parameter.value, major),
  }));
}

/**
 * What a server with these parameters must report in `pg_settings`, in base units: handed to the migrations, which fail the
 * deployment where it reports otherwise. Without RDS' own parameters, which no PostgreSQL knows; that connections are
 * encrypted is checked on a connection.
 */
export function expectedSettings(parameters: readonly Parameter[]): Record<string, string> {
  const ofPostgres = parameters.filter(({ name }) => !name.startsWith("rds."));
  return Object.fromEntries(ofPostgres.map(({ name, value }) => [name, value]));
}

/** Those of them whose change waits until the server is rebooted. */
export function staticSettings(expected: Record<string, string>, postgresVersion: string): Record<string, string> {
  const major = majorOf({ postgresVersion });
  return Object.fromEntries(Object.entries(expected).filter(([name]) => isStatic(name, major)));
}

/** RDS' name for the parameters of a major version. */
export function parameterGroupFamily(postgresVersion: string): string {
  return `postgres${majorOf({ postgresVersion })}`;
}
