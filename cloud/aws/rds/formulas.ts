/** RDS' formulas for parameters that follow the size of the instance. */

/**
 * The number behind a parameter's value, which may be one of RDS' formulas:
 * "{DBInstanceClassMemory/9531392}", "LEAST({DBInstanceClassMemory/9531392},5000)", "GREATEST(…)", "SUM(…)".
 */
export function evaluateFormula(value: string, memory: number): number | undefined {
  const formula = value.trim();
  const call = /^(LEAST|GREATEST|SUM)\((.*)\)$/i.exec(formula);
  if (call?.[1] !== undefined && call[2] !== undefined) {
    const parts = call[2].split(",").map((part) => evaluateFormula(part, memory));
    const numbers = parts.filter((part) => part !== undefined);
    if (numbers.length < parts.length) return undefined;
    const apply = { LEAST: Math.min, GREATEST: Math.max, SUM: (...all: number[]) => all.reduce((a, b) => a + b, 0) };
    return apply[call[1].toUpperCase() as keyof typeof apply](...numbers);
  }
  const [, expression] = /^\{(.*)\}$/.exec(formula) ?? [];
  if (expression === undefined) return /^-?\d+$/.test(formula) ? Number(formula) : undefined;
  const terms = expression.split(/([*/])/);
  let result = term(terms[0], memory);
  for (let i = 1; i < terms.length && result !== undefined; i += 2) {
    const next = term(terms[i + 1], memory);
    if (next === undefined) return undefined;
    result = terms[i] === "*" ? result * next : result / next;
  }
  return result === undefined ? undefined : Math.floor(result);
}

function term(name: string | undefined, memory: number): number | undefined {
  const trimmed = name?.trim() ?? "";
  if (trimmed === "DBInstanceClassMemory") return memory;
  return /^\d+$/.test(trimmed) ? Number(trimmed) : undefined;
}
