/** Has the server the deployed parameters in force? What differs now, may differ later, or never of its own accord. */
import type { ClientBase } from "pg";
import type { Difference } from "./difference";

interface Setting {
  name: string;
  /** What a new session gets, whatever this one has set for itself. */
  setting: string;
  vartype: string;
  unit: string | null;
  context: string;
  pending_restart: boolean;
}

export async function checkParameters(client: ClientBase, wanted: Record<string, string>): Promise<Difference[]> {
  const { rows } = await client.query<Setting>(
    // Parameters that an extension or RDS adds under a name of their own need not be listed in pg_settings.
    `select wanted as name, coalesce(reset_val, setting, current_setting(wanted, true)) as setting,
            coalesce(vartype, 'string') as vartype, unit, coalesce(context, 'sighup') as context,
            coalesce(pending_restart, false) as pending_restart
       from unnest($1::text[]) as wanted left join pg_settings s on s.name = wanted
      where s.name is not null or current_setting(wanted, true) is not null`,
    [Object.keys(wanted)],
  );
  const settings = new Map(rows.map((row) => [row.name, row]));
  return Object.entries(wanted).flatMap(([name, value]) => compare(name, value, settings.get(name)));
}

function compare(what: string, value: string, setting: Setting | undefined): Difference[] {
  // A formula over the instance's memory: only RDS knows what it comes to.
  if (/[{(]/.test(value)) return [];
  if (!setting) return [{ what, expected: value, actual: "not known to this server", settles: "never" }];
  const settles = settling(setting.context);
  if (!sameValue(value, setting)) {
    const unit = setting.unit ? ` (in units of ${setting.unit})` : "";
    return [
      { what, expected: value + unit, actual: setting.setting || "nothing", settles, values: [value, setting.setting] },
    ];
  }
  if (setting.pending_restart)
    return [{ what, expected: "in force", actual: "changed since, waiting for a reboot", settles: "by reboot" }];
  return [];
}

/** By pg_settings.context: a server reads these when it starts, those whenever its configuration changes. */
function settling(context: string): Difference["settles"] {
  if (context === "internal") return "never";
  return context === "postmaster" ? "by reboot" : "by itself";
}

/** Compares as the server would read it: `1` is `on`, `0.90` is `0.9`; of a list, all expected members must be there. */
export function sameValue(expected: string, setting: Pick<Setting, "name" | "setting" | "vartype">): boolean {
  const actual = setting.setting;
  if (setting.name === "shared_preload_libraries") {
    const loaded = new Set(actual.split(",").map((library) => library.trim()));
    return expected.split(",").every((library) => loaded.has(library.trim()));
  }
  if (setting.vartype === "bool" || /^(on|off)$/i.test(actual)) {
    const truth = (text: string) =>
      /^(on|true|yes|1)$/i.test(text) ? "on" : /^(off|false|no|0)$/i.test(text) ? "off" : text;
    return truth(expected) === truth(actual);
  }
  if (setting.vartype === "integer" || setting.vartype === "real") return Number(expected) === Number(actual);
  return expected.toLowerCase() === actual.toLowerCase();
}
