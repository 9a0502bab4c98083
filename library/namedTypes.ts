/** Which types of this project arguments and results are made of, as far down as they go. */
import ts from "typescript";

/** Whether this project declares it, and not a package. */
export const isOurs = (symbol: ts.Symbol) =>
  symbol.declarations?.every((one) => !one.getSourceFile().fileName.includes("node_modules")) === true;
/** How the compiler calls what has no name. */
const isNamed = ({ name }: ts.Symbol) => !name.startsWith("__");

/** By name. Components are no part of them, and neither are functions. */
export function namedTypes(checker: ts.TypeChecker, roots: readonly ts.Type[]): Map<string, ts.Type> {
  const found = new Map<string, ts.Type>();
  const seen = new Set<ts.Type>();
  const visit = (type: ts.Type): void => {
    if (seen.has(type)) return;
    seen.add(type);
    type.aliasTypeArguments?.forEach(visit);
    if (type.isUnionOrIntersection()) return type.types.forEach(visit);
    if (!(type.flags & ts.TypeFlags.Object)) return;
    checker.getTypeArguments(type as ts.TypeReference).forEach(visit);
    const symbol = type.aliasSymbol ?? type.getSymbol();
    if (!symbol || !isOurs(symbol) || type.isClass() || type.getCallSignatures().length > 0) return;
    const fields = checker.getPropertiesOfType(type);
    if (isNamed(symbol) && fields.length > 0) found.set(symbol.name, type);
    for (const field of fields) visit(checker.getTypeOfSymbol(field));
  };
  roots.forEach(visit);
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}
