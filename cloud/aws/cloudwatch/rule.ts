/** The rule of a composite alarm: ALARM("name"), OK(…), INSUFFICIENT_DATA(…), TRUE, FALSE, with AND, OR, NOT and parentheses. */
import type { State } from "./evaluate";

const tokens =
  /\s*(?:(ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?:"([^"]+)"|'([^']+)'|([^)"'\s]+))\s*\)|(AND|OR|NOT|TRUE|FALSE|\(|\)))/y;

interface Token {
  word: string;
  alarm?: string;
}

function tokenize(rule: string): Token[] {
  const found: Token[] = [];
  tokens.lastIndex = 0;
  while (tokens.lastIndex < rule.trimEnd().length) {
    const at = tokens.lastIndex;
    const match = tokens.exec(rule);
    if (!match) throw new Error(`AlarmRule: cannot read "${rule.slice(at, at + 40)}"`);
    const [, state, doubled, single, bare, word] = match;
    const alarm = doubled ?? single ?? bare;
    found.push(state !== undefined && alarm !== undefined ? { word: state, alarm } : { word: word ?? "" });
  }
  return found;
}

/** The alarms that a rule names, by name or ARN. */
export const namedIn = (rule: string): string[] => tokenize(rule).flatMap(({ alarm }) => alarm ?? []);

/** Whether a rule holds. An alarm that is not there is an error: CloudWatch refuses a rule that names one. */
export function holds(rule: string, stateOf: (alarm: string) => State | undefined): boolean {
  const rest = tokenize(rule);
  const next = (word: string) => (rest[0]?.word === word ? rest.shift() : undefined);

  const not = (): boolean => {
    if (next("NOT")) return !not();
    const token = rest.shift();
    if (token === undefined) throw new Error("AlarmRule: it ends too early");
    if (token.word === "(") {
      const inner = or();
      if (!next(")")) throw new Error('AlarmRule: ")" expected');
      return inner;
    }
    if (token.word === "TRUE" || token.word === "FALSE") return token.word === "TRUE";
    if (token.alarm === undefined) throw new Error(`AlarmRule: "${token.word}" is not expected here`);
    const state = stateOf(token.alarm);
    if (state === undefined) throw new Error(`AlarmRule: there is no alarm ${token.alarm}`);
    return state === token.word;
  };
  const and = (): boolean => {
    let whole = not();
    while (next("AND")) whole = not() && whole;
    return whole;
  };
  const or = (): boolean => {
    let whole = and();
    while (next("OR")) whole = and() || whole;
    return whole;
  };

  const result = or();
  if (rest.length > 0) throw new Error(`AlarmRule: "${rest[0]!.word}" is not expected here`);
  return result;
}
