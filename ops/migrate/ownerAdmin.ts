/** That the owner may change the logins that it made also after an upgrade of the server. */
import { escapeIdentifier, type ClientBase } from "pg";
import type { Log } from "../log";

/**
 * From PostgreSQL 16 on, who may create roles changes only those that it is an administrator of, as it is of each that it makes. Of one that
 * was made before, it is none, unless it was told so while that was still allowed: after an upgrade no password could be set any more.
 */
export async function keepAdministering(client: ClientBase, log: Log): Promise<void> {
  const { rows: logins } = await client.query<{ login: string }>(
    `select r.rolname as login
       from pg_roles r
      where r.rolname ~ '^authensor_' and r.rolname <> current_user
        and current_setting('server_version_num')::int < 160000
        and not exists (select from pg_auth_members m
                         where m.roleid = r.oid and m.member = current_user::regrole and m.admin_option)
      order by 1`,
  );
  for (const { login } of logins)
    await client.query(`grant ${escapeIdentifier(login)} to current_user with admin option`);
  if (logins.length > 0) log.info("the owner may change these logins also after an upgrade", { logins: logins.length });
}
