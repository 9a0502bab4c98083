import { alarms } from "./alarms";
import { backup, drill, replica } from "./copies";
import { database } from "./database";
import type { Setting } from "./kinds";
import { ingress } from "./ingress";
import {
  controlPlane,
  createNamespace,
  monitor,
  namespace,
  ops,
  partitions,
  pgbouncer,
  schedules,
  verification,
} from "./kubernetes";
import { placement } from "./placement";
import { restore } from "./restore";

/**
 * Everything the program may be told, grouped as the program uses it; the keys themselves are flat. Adding a setting is one
 * entry here and its use in index.ts: its type follows from the entry, and `npm run settings` writes Pulumi.yaml and the
 * README's table from it.
 */
const table = {
  ...placement,
  namespace,
  createNamespace,
  database,
  replica,
  backup,
  drill,
  restore,
  pgbouncer,
  controlPlane,
  ingress,
  partitions,
  schedules,
  verification,
  ops,
  monitor,
  alarms,
};

type Valued<T> = T extends Setting<infer V> ? V : { [K in keyof T]: Valued<T[K]> };

/** The values of the table's entries, in its groups. Units are in the names. */
export type Settings = Valued<typeof table>;

export interface Entry {
  setting: Setting;
  /** Where its value stands in `Settings`: ["database", "maxConnections"]. */
  path: readonly string[];
}

function entriesOf(group: object, path: readonly string[]): Entry[] {
  return Object.entries(group).flatMap(([name, member]: [string, object]) =>
    "schema" in member ? [{ setting: member as Setting, path: [...path, name] }] : entriesOf(member, [...path, name]),
  );
}

/** Every entry, in the table's order. */
export const entries: readonly Entry[] = entriesOf(table, []);
