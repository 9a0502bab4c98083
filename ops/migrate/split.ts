/** Splits SQL text into statements, so that an error can name the one it is about and a file can run without a transaction. */

export interface Statement {
  /** Without surrounding white space, comments in front of it and its semicolon. */
  text: string;
  /** 1-based line of its first character in the file. */
  line: number;
}

/** What may hold a semicolon that ends nothing. Sticky, tried in this order. */
const opaque: readonly RegExp[] = [
  /--[^\n]*/y,
  // E'…' knows backslash escapes, '…' does not (standard_conforming_strings); '' is a quote in both.
  /[eE]'(?:[^'\\]|\\.|'')*'/sy,
  /'(?:[^']|'')*'/y,
  /"(?:[^"]|"")*"/y,
  /\$([A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$.*?\$\1\$/sy,
];

const word = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y;

/** PostgreSQL's comments nest. Returns the position after the one that starts at `at`. */
function skipBlockComment(sql: string, at: number): number {
  let depth = 0;
  const edge = /\/\*|\*\//g;
  edge.lastIndex = at;
  for (let match = edge.exec(sql); match; match = edge.exec(sql)) {
    depth += match[0] === "/*" ? 1 : -1;
    if (depth === 0) return edge.lastIndex;
  }
  return sql.length;
}

function match(pattern: RegExp, sql: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(sql)?.[0];
}

/** The statements of a file, in order. psql's own commands and COPY … FROM STDIN are not SQL and not understood. */
export function splitStatements(sql: string): Statement[] {
  const statements: Statement[] = [];
  let start = -1;
  // Depth of BEGIN ATOMIC … END and CASE … END in it: the body of an SQL function has semicolons of its own.
  let depth = 0;
  let previousWord = "";
  const finish = (end: number) => {
    if (start >= 0)
      statements.push({ text: sql.slice(start, end).trimEnd(), line: sql.slice(0, start).split("\n").length });
    start = -1;
    depth = 0;
    previousWord = "";
  };
  for (let at = 0; at < sql.length;) {
    if (sql.startsWith("/*", at)) {
      at = skipBlockComment(sql, at);
      continue;
    }
    const skipped = opaque.map((pattern) => match(pattern, sql, at)).find((text) => text !== undefined);
    if (skipped !== undefined) {
      if (start < 0 && !skipped.startsWith("--")) start = at;
      at += skipped.length;
      continue;
    }
    const name = match(word, sql, at)?.toLowerCase();
    if (name !== undefined) {
      if (start < 0) start = at;
      if (name === "atomic" && previousWord === "begin") depth = 1;
      else if (depth > 0 && name === "case") depth++;
      else if (depth > 0 && name === "end") depth--;
      previousWord = name;
      at += name.length;
      continue;
    }
    const character = sql[at];
    if (character === ";" && depth === 0) finish(at);
    else if (start < 0 && character !== ";" && !/\s/.test(character ?? "")) start = at;
    at++;
  }
  finish(sql.length);
  return statements;
}
