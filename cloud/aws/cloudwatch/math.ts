/** Metric math, as much of it as alarms here use: arithmetic, comparisons, IF, MAX, MIN, ABS, FILL and RATE over series. */

/** A value for each period, the newest last. */
export type Series = readonly (number | undefined)[];

export interface Scope {
  /** Series by the id of their query. */
  series: Readonly<Record<string, Series>>;
  /** Seconds. */
  period: number;
  /** How many values a constant is as a series. */
  length: number;
}

const tokens = /\s*(?:(\d+(?:\.\d+)?)|([A-Za-z_]\w*)|(<=|>=|==|!=|[-+*/(),<>]))/y;

type Token = { kind: "number" | "name" | "sign"; text: string };

function tokenize(expression: string): Token[] {
  const found: Token[] = [];
  tokens.lastIndex = 0;
  while (tokens.lastIndex < expression.trimEnd().length) {
    const at = tokens.lastIndex;
    const match = tokens.exec(expression);
    if (!match) throw new Error(`metric math: cannot read "${expression.slice(at)}"`);
    const [, digits, name, sign] = match;
    if (digits !== undefined) found.push({ kind: "number", text: digits });
    else if (name !== undefined) found.push({ kind: "name", text: name });
    else found.push({ kind: "sign", text: sign ?? "" });
  }
  return found;
}

const pair = (one: Series, other: Series, work: (a: number, b: number) => number): Series =>
  one.map((a, index) => {
    const b = other[index];
    if (a === undefined || b === undefined) return undefined;
    const result = work(a, b);
    // A division by zero is no data point.
    return Number.isFinite(result) ? result : undefined;
  });

const operators: Readonly<Record<string, (a: number, b: number) => number>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
  "<": (a, b) => Number(a < b),
  "<=": (a, b) => Number(a <= b),
  ">": (a, b) => Number(a > b),
  ">=": (a, b) => Number(a >= b),
  "==": (a, b) => Number(a === b),
  "!=": (a, b) => Number(a !== b),
};

const functions: Readonly<Record<string, (scope: Scope, ...args: Series[]) => Series>> = {
  ABS: (_scope, series = []) => series.map((value) => value && Math.abs(value)),
  MAX: (_scope, ...all) => all.reduce((one, other) => pair(one, other, Math.max)),
  MIN: (_scope, ...all) => all.reduce((one, other) => pair(one, other, Math.min)),
  FILL: (_scope, series = [], by = []) => series.map((value, index) => value ?? by[index]),
  IF: (_scope, condition = [], then = [], otherwise = []) =>
    condition.map((value, index) => (value === undefined ? undefined : value !== 0 ? then[index] : otherwise[index])),
  // The change since the data point before, by the second.
  RATE: ({ period }, series = []) =>
    series.map((value, index) => {
      for (let before = index - 1; before >= 0; before--) {
        const earlier = series[before];
        if (value !== undefined && earlier !== undefined) return (value - earlier) / ((index - before) * period);
      }
      return undefined;
    }),
};

/** What an expression comes to, for each period. */
export function calculate(expression: string, scope: Scope): Series {
  const rest = tokenize(expression);
  const constant = (value: number): Series => Array<number>(scope.length).fill(value);
  const next = (text: string) => (rest[0]?.text === text ? rest.shift() : undefined);
  const expect = (text: string) => {
    if (next(text) === undefined) throw new Error(`metric math: "${text}" expected in "${expression}"`);
  };

  const primary = (): Series => {
    const token = rest.shift();
    if (token?.text === "-") return primary().map((value) => (value === undefined ? undefined : -value));
    if (token?.text === "(") {
      const inner = binary(0);
      expect(")");
      return inner;
    }
    if (token?.kind === "number") return constant(Number(token.text));
    if (token?.kind !== "name") throw new Error(`metric math: "${expression}" ends too early`);
    if (!next("(")) {
      const series = scope.series[token.text];
      if (series === undefined) throw new Error(`metric math: ${token.text} is no id of a query`);
      return series;
    }
    const args: Series[] = [];
    do args.push(binary(0));
    while (next(","));
    expect(")");
    const work = functions[token.text];
    if (work === undefined) throw new Error(`metric math: the local cloud does not know ${token.text}()`);
    return work(scope, ...args);
  };
  const levels = [
    ["<", "<=", ">", ">=", "==", "!="],
    ["+", "-"],
    ["*", "/"],
  ];
  const binary = (level: number): Series => {
    const signs = levels[level];
    if (signs === undefined) return primary();
    let left = binary(level + 1);
    for (let sign = rest[0]?.text ?? ""; signs.includes(sign); sign = rest[0]?.text ?? "") {
      rest.shift();
      left = pair(left, binary(level + 1), operators[sign]!);
    }
    return left;
  };

  const result = binary(0);
  if (rest.length > 0) throw new Error(`metric math: "${rest[0]!.text}" is not expected in "${expression}"`);
  return result;
}
