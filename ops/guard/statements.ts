/**
 * The program's statements, prepared: given a name, each is parsed and planned once per connection of the server, in place of each time. With
 * the trail in monthly partitions planning is most of the work (docs/performance.md).
 */
import { createHash } from "node:crypto";
import type { Log } from "../log";
import type { DatabaseError, Done, Driver, QueryingClient } from "./driver";

/**
 * Names every statement that can be prepared, the first `most` of them: a pooler that keeps fewer would prepare them again and again.
 * One that the server refuses for what it had prepared is sent again without a name. One that failed stays without on
 * this connection. So does one whose answer is another statement's, which is an error.
 */
export function prepareStatements(driver: Driver, most: number, log: Log): void {
  if (!(most > 0)) return;
  const prototype = driver.Client?.prototype;
  const query = prototype?.query;
  if (!prototype || typeof query !== "function") {
    log.warn("statements are not prepared, so each is planned anew: pg's Client has no query()");
    return;
  }
  const names = new Map<string, string>();
  const unnamed = new WeakMap<QueryingClient, Set<string>>();
  const told = new Set<string>();
  const tell = (message: string, fields?: Record<string, string>) => {
    if (told.size < told.add(message).size) log.warn(message, fields);
  };

  const nameOf = (client: QueryingClient, text: string) => {
    if (unnamed.get(client)?.has(text)) return undefined;
    const known = names.get(text);
    if (known !== undefined || !canBePrepared(text)) return known;
    if (names.size >= most) {
      tell(`more than ${most} different statements: further ones are planned each time`);
      return undefined;
    }
    // By its text, so that a name can never stand for another statement, not even on a connection that clients share.
    const name = `guard_${createHash("sha256").update(text).digest("hex").slice(0, 32)}`;
    names.set(text, name);
    return name;
  };
  /**
   * Whether it is to be sent again. Whatever the error, it stays without a name: pg parses a name again that failed, and binds one again that
   * it closed, and PgBouncer (1.25.2, src/prepare.c) closes the connection of who does.
   */
  const failed = (client: QueryingClient, text: string, error: DatabaseError) => {
    sendUnnamed(client, text);
    return mayPassAnew(error) && client.getTransactionStatus?.() !== "T";
  };
  const sendUnnamed = (client: QueryingClient, text: string) =>
    unnamed.set(client, (unnamed.get(client) ?? new Set()).add(text));

  prototype.query = function (text, values, done) {
    const name = typeof text === "string" ? nameOf(this, text) : undefined;
    if (typeof text !== "string" || name === undefined) return query.call(this, text, values, done);
    const [parameters, callback] = typeof values === "function" ? [undefined, values as Done] : [values, done];
    const ask = (config: unknown, done: Done) => query.call(this, config, parameters, done);
    const answer = (done: Done) =>
      ask({ name, text }, (error, result) => {
        const foreign = error ? undefined : foreignTo(text, result);
        if (foreign !== undefined) {
          sendUnnamed(this, text);
          tell(
            "the answer to a prepared statement is another statement's, and counts for nothing: who has the " +
              "password in DATABASE_URL can bring that about; change the passwords (docs/roles.md)",
            { error: foreign },
          );
          return done(new Error(`not the answer to this statement: ${foreign}`));
        }
        if (!error || !failed(this, text, error)) return done(error, result);
        return ask(text, (still, result) => {
          if (!still) tell("a prepared statement was refused and sent again as it is", { error: error.message });
          done(still, result);
        });
      });
    if (typeof callback === "function") return void answer(callback);
    return new Promise((resolve, reject) => answer((error, result) => (error ? reject(error) : resolve(result))));
  };
}

/**
 * One statement that reads or writes rows. Not several in one text; no SET, BEGIN or the like, which gain nothing. Nor one that says
 * 'now' or 'today' in quotes: PostgreSQL would remember the time of its preparation.
 */
function canBePrepared(text: string): boolean {
  return (
    text.length <= longest &&
    /^\s*(select|insert|update|delete|with)\b[^;]*;?\s*$/i.test(text) &&
    !/['$]\s*(now|today|tomorrow|yesterday)\b/i.test(text)
  );
}

/** Characters. The pooler keeps each text once, and so does each connection of the server. */
const longest = 10_000;

/**
 * Whether a statement that failed as prepared may pass when it is parsed anew. Outside a transaction a statement that failed has left nothing
 * behind, so that it is never done twice. Refused are (src/backend/commands/prepare.c, src/backend/utils/cache/plancache.c) a name that the server
 * does not know, or has already, as a pooler without prepared statements brings about; a plan whose result has other columns since a migration;
 * and, since the type of a column is another one, what was prepared for a parameter of the former type (classes 22 and 42).
 */
const mayPassAnew = ({ code }: DatabaseError) => code !== undefined && /^(26000|0A000|22...|42...)$/.test(code);

/**
 * Why this cannot be the answer to that statement. On a connection that is not reset between clients, who has the
 * control plane's login can prepare another statement by the name that the pooler gave to this one: an INSERT would be
 * answered by a SELECT that tells of a row.
 */
function foreignTo(text: string, result: unknown): string | undefined {
  const verb = /^\s*(select|insert|update|delete)\b/i.exec(text)?.[1]?.toUpperCase();
  const { command, rowCount } = (result ?? {}) as { command?: string | null; rowCount?: number | null };
  if (verb === undefined || !command) return undefined;
  if (command !== verb) return `the database answered ${verb} by ${command}`;
  const maySkip = /\b(on\s+conflict|select)\b/i.test(text);
  return verb === "INSERT" && rowCount === 0 && !maySkip ? "the database stored no row by INSERT" : undefined;
}
