/** `npm run components`: docs/components, a page for each component, from the types and comments that the package's users see too. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import * as library from "./index";
import { isOurs, namedTypes } from "./namedTypes";

const config = ts.readConfigFile(join(__dirname, "tsconfig.json"), (path) => ts.sys.readFile(path));
const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, __dirname);
const index = join(__dirname, "index.ts");
const program = ts.createProgram([index], options);
const checker = program.getTypeChecker();

const exported = checker
  .getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(index)!)!)
  .map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol));
const classes = exported.filter(({ flags }) => flags & ts.SymbolFlags.Class);
const functions = exported.filter(({ flags, valueDeclaration }) => {
  const called = valueDeclaration && checker.getTypeAtLocation(valueDeclaration).getCallSignatures().length > 0;
  return called && !(flags & ts.SymbolFlags.Class);
});

const oneLine = (text: string) => text.replaceAll(/\s+/g, " ").trim();
const described = (symbol: ts.Symbol) => oneLine(ts.displayPartsToString(symbol.getDocumentationComment(checker)));
/** The first sentence of what is said of a symbol's type, where that is ours. */
function saidOfType(symbol: ts.Symbol): string {
  const type = checker.getNonNullableType(checker.getTypeOfSymbol(symbol)).getSymbol();
  const isOurs = type?.declarations?.some((one) => !one.getSourceFile().fileName.includes("node_modules"));
  const [sentence = ""] = type && isOurs ? described(type).split(/(?<=[.:]) /) : [];
  return sentence.replace(/:$/, ".");
}
const throwsOf = (symbol: ts.Symbol) =>
  symbol
    .getJsDocTags(checker)
    .filter(({ name }) => name === "throws")
    .map(({ text }) => oneLine(ts.displayPartsToString(text)));
const typeText = (type: ts.Type) => checker.typeToString(type, undefined, ts.TypeFormatFlags.NoTruncation);
/** As code in a table's cell. */
const code = (text: string) => `\`${text.replaceAll("|", "\\|")}\``;
const table = (head: readonly string[], rows: readonly (readonly string[])[]) =>
  [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

const isOptional = ({ flags }: ts.Symbol) => (flags & ts.SymbolFlags.Optional) !== 0;
/** Of a component, by the name of the constant that has them: `databaseDefaults` of Database. */
const defaultsOf = (component: string) =>
  (library as Record<string, unknown>)[`${component[0]!.toLowerCase()}${component.slice(1)}Defaults`] as
    Record<string, unknown> | undefined;

/** "Default: …." of a description is the table's column, the rest what the argument is. */
function withDefault(symbol: ts.Symbol, component: string): { what: string; standard: string } {
  const whole = described(symbol);
  const given = defaultsOf(component)?.[symbol.name];
  if (given !== undefined) return { what: whole, standard: code(JSON.stringify(given)) };
  if (!isOptional(symbol)) return { what: whole, standard: "**required**" };
  const [own, said] = whole.split(/\s*\bDefault:?\s*/);
  return { what: own || saidOfType(symbol), standard: said?.replace(/\.$/, "") ?? "none" };
}

function argumentsType(component: ts.Symbol): ts.Type {
  const [signature] = checker.getTypeOfSymbol(component).getConstructSignatures();
  return checker.getTypeOfSymbol(signature!.parameters[1]!);
}
const argumentsOf = (component: ts.Symbol) => checker.getPropertiesOfType(argumentsType(component));

function outputsOf(component: ts.Symbol): ts.Symbol[] {
  const own = checker.getDeclaredTypeOfSymbol(component) as ts.InterfaceType;
  return checker.getPropertiesOfType(own).filter(({ valueDeclaration, declarations }) => {
    const isOwn = declarations?.some(({ parent }) => parent === component.valueDeclaration);
    const hidden =
      ts.getCombinedModifierFlags(valueDeclaration as ts.Declaration) & ts.ModifierFlags.NonPublicAccessibilityModifier;
    return isOwn && !hidden;
  });
}

const typeOf = (symbol: ts.Symbol) => code(typeText(checker.getNonNullableType(checker.getTypeOfSymbol(symbol))));

function pageOf(component: ts.Symbol): string {
  const { name } = component;
  const required = (argument: ts.Symbol) =>
    Number(isOptional(argument) || defaultsOf(name)?.[argument.name] !== undefined);
  const sorted = argumentsOf(component).sort((a, b) => required(a) - required(b) || (a.name < b.name ? -1 : 1));
  const args = sorted.map((argument) => {
    const { what, standard } = withDefault(argument, name);
    return [code(argument.name), typeOf(argument), standard, what];
  });
  const outputs = outputsOf(component).map((output) => [
    code(output.name),
    typeOf(output),
    described(output) || saidOfType(output),
  ]);
  const errors = throwsOf(component);
  return [
    `# ${name}`,
    described(component),
    `    new ${name}(name, args, opts?)`,
    "The fields of types with a name: [types](types.md).",
    "## Arguments",
    table(["argument", "type", "default", "what it is"], args),
    ...(outputs.length > 0 ? ["## Outputs", table(["property", "type", "what it is"], outputs)] : []),
    ...(errors.length > 0 ? ["## Errors", errors.map((error) => `- ${error}`).join("\n")] : []),
  ].join("\n\n");
}

function functionsPage(): string {
  const rows = functions.map((one) => {
    const type = checker.getTypeOfSymbol(one);
    const [signature] = type.getCallSignatures();
    const errors = throwsOf(one).map((error) => ` Throws ${error}.`);
    return [code(`${one.name}${checker.signatureToString(signature!)}`), `${described(one)}${errors.join("")}`];
  });
  return table(["function", "what it gives"], rows);
}

/** What arguments and functions are made of, but for what is a component's own arguments. */
function typesPage(): string {
  const called = functions.flatMap((one) => {
    const [signature] = checker.getTypeOfSymbol(one).getCallSignatures();
    return [
      ...signature!.parameters.map((parameter) => checker.getTypeOfSymbol(parameter)),
      signature!.getReturnType(),
    ];
  });
  const given = classes.flatMap((one) => argumentsOf(one).map((argument) => checker.getTypeOfSymbol(argument)));
  const sections = [...namedTypes(checker, [...given, ...called])].map(([name, type]) => {
    const rows = checker
      .getPropertiesOfType(type)
      .filter(isOurs)
      .map((field) => [
        code(isOptional(field) ? `${field.name}?` : field.name),
        typeOf(field),
        described(field) || saidOfType(field),
      ]);
    const said = described((type.aliasSymbol ?? type.getSymbol())!);
    return [`## ${name}`, ...(said === "" ? [] : [said]), table(["field", "type", "what it is"], rows)].join("\n\n");
  });
  return ["# Types", "What arguments and functions of the [components](README.md) are made of.", ...sections].join(
    "\n\n",
  );
}

/** Each page by its file's name. */
export function componentPages(): Record<string, string> {
  const list = classes.map((one) => [`[${one.name}](${one.name}.md)`, described(one).split(/(?<=\.) /)[0] ?? ""]);
  const readme = [
    "# Components",
    "What `library/` exports ([library.md](../library.md)). Written by `npm run components` from the types and their comments.",
    table(["component", "what it is"], list),
    "## What leads to their arguments",
    "The fields of types with a name: [types](types.md).",
    functionsPage(),
  ].join("\n\n");
  const pages = classes.map((one) => [`${one.name}.md`, `${pageOf(one)}\n`] as const);
  return { "README.md": `${readme}\n`, "types.md": `${typesPage()}\n`, ...Object.fromEntries(pages) };
}

/** Arguments and functions of which nothing is said. */
export const undescribed = () => [
  ...classes.flatMap((one) =>
    argumentsOf(one).flatMap((argument) => (described(argument) === "" ? `${one.name}: ${argument.name}` : [])),
  ),
  ...[...classes, ...functions].flatMap((one) => (described(one) === "" ? one.name : [])),
];

if (require.main === module)
  for (const [file, page] of Object.entries(componentPages()))
    writeFileSync(join(__dirname, "../docs/components", file), page);
