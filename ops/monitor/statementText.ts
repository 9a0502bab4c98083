/** A statement's text as pg_stat_statements keeps it, made fit for a log. */

/** What PostgreSQL replaces values in. Of other statements, such as ALTER ROLE … PASSWORD, it keeps what was sent. */
const normalised = /^[(\s]*(select|insert|update|delete|merge|with|values|table)\b/i;

/**
 * A string, or a comment, which may hold anything. A normalised text has no string; but PostgreSQL keeps what was sent where its entry
 * was dropped, for want of room or by a reset, while the statement ran.
 */
const unsafe = /'|\$(?!\d)|--|\/\*/;

/** $1 is none, nor is the end of a name. */
const number = /(?<![\w$])\.?\d[\w.]*/g;

const longest = 200;

/** Undefined where the statement is of a kind that is never told. */
export function textWithoutValues(query: string): string | undefined {
  if (!normalised.test(query)) return undefined;
  if (unsafe.test(query)) return "not told: it holds a string or a comment";
  return query.trim().replace(number, "?").replace(/\s+/g, " ").slice(0, longest);
}
