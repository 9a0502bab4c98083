/** How far the verification of the whole trail is that is under way, by what its sessions are called: no value where none is. */
import { loginOf } from "../../roles";
import { sessionName } from "../../verify/session";
import { one, type Server } from "../server";
import type { Source } from "../source";

/** By the verifier's logins only: anybody may call a session anything. */
const query = `
  select max(substring(application_name from '^${sessionName} (\\d{1,2}) %$')::int) as percent
    from pg_stat_activity where usename = any($1)`;

export const verificationProgress: Source = {
  name: "verificationProgress",
  everySeconds: 60,
  timeoutSeconds: 8,
  async collect({ primary, replica }, signal) {
    const ask = async (server: Server) =>
      (await one<{ percent: number | null }>(server, query, signal, [[loginOf("verifier", 1), loginOf("verifier", 2)]]))
        .percent ?? [];
    // A replica that is gone is told of by other sources, and the primary is verified in its place.
    const onReplica = replica && ask(replica).catch(() => []);
    const found = [await ask(primary), (await onReplica) ?? []].flat();
    return { samples: found.length === 0 ? {} : { VerificationProgressPercent: Math.max(...found) } };
  },
};
