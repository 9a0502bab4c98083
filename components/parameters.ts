import { manual, primaryParameters, type Parameter, type TuningInput } from "./tuning";

export interface ReplicaTuningInput extends TuningInput {
  primaryInstanceClass: string;
}

/**
 * The replica's: the primary's, sized for its own class, except where a standby must not be smaller than its primary, and
 * with what only a standby has. `storageGib` is the primary's, since a replica is made as large.
 */
export function replicaParameters(input: ReplicaTuningInput): Parameter[] {
  const own = primaryParameters(input);
  const primary = primaryParameters({ ...input, instanceClass: input.primaryInstanceClass });
  const parameters = own.map((parameter) =>
    mustNotBeSmallerOnStandby.includes(parameter.name)
      ? {
          ...parameter,
          value: String(Math.max(...[own, primary].map((set) => Number(valueIn(set, parameter.name))))),
        }
      : parameter,
  );
  const delay = {
    value: "5000",
    unit: "ms",
    applyMethod: "immediate",
    reason: "A reader may hold replay up for 5 s, half of the lag that raises the alarm; the default is 30 s.",
    source: manual("runtime-config-replication"),
  } as const;
  return [
    ...parameters,
    {
      name: "hot_standby_feedback",
      value: "1",
      unit: "",
      applyMethod: "immediate",
      reason:
        "Auditors' long reads are not cancelled by vacuum; what appends leaves little for vacuum to be held back from.",
      source: manual("runtime-config-replication"),
    },
    { name: "max_standby_streaming_delay", ...delay },
    { name: "max_standby_archive_delay", ...delay },
  ];
}

// Those of PostgreSQL's list ("Hot Standby", Administrator's Overview) that this project sets.
const mustNotBeSmallerOnStandby = ["max_connections", "max_worker_processes", "max_locks_per_transaction"];

function valueIn(parameters: readonly Parameter[], name: string): string | undefined {
  return parameters.find((parameter) => parameter.name === name)?.value;
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

/** RDS' name for the parameters of a major version. */
export function parameterGroupFamily(postgresVersion: string): string {
  return `postgres${postgresVersion.split(".")[0]}`;
}
