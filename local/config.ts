/** The configuration the Pulumi command line would give the program: the project's defaults, the stack's file, --set. */
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parse, YAMLParseError } from "yaml";
import type { Project } from "../cloud/engine/program";

export class UsageError extends Error {}

interface ProjectFile {
  name: string;
  config?: Record<string, { default?: unknown; value?: unknown } | string>;
}

/**
 * @param stackFile `Pulumi.local.yaml`, or another in its place (AUTHENSOR_LOCAL_CONFIG)
 * @param settings "key=value" each; they win
 */
export function readProject(checkout: string, stackFile: string, settings: readonly string[]): Project {
  const project = readYaml(join(checkout, "Pulumi.yaml")) as ProjectFile;
  const stack = readYaml(stackFile) as { config?: unknown } | null;
  const config: Record<string, string> = {};
  const put = (key: string, value: unknown) => {
    if (value === undefined || value === null) return;
    config[key.includes(":") ? key : `${project.name}:${key}`] =
      typeof value === "string" ? value : JSON.stringify(value);
  };
  for (const [key, declared] of Object.entries(project.config ?? {})) {
    put(key, typeof declared === "object" ? (declared.value ?? declared.default) : declared);
  }
  const ofStack = stack === null ? {} : (stack.config ?? {});
  if (!isMap(stack ?? {}) || !isMap(ofStack)) throw malformed(stackFile);
  for (const [key, value] of Object.entries(ofStack)) put(key, value);
  for (const setting of settings) {
    const [, key, value] = /^([^=\s]+)=(.*)$/s.exec(setting) ?? [];
    if (key === undefined) {
      throw new UsageError(
        `--set ${setting}: expected key=value, for example maxConnections=150; ` +
          `a value with spaces: ./authensor up --set 'partitionsSchedule=17 4 * * *'`,
      );
    }
    put(key, value);
  }
  return { name: project.name, config };
}

function readYaml(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UsageError(`cannot read ${file}: ${code === "ENOENT" ? "there is no such file" : message}`);
  }
  try {
    return parse(text);
  } catch (error) {
    // A line's text may be a secret: only its number is told.
    const line = error instanceof YAMLParseError ? error.linePos?.[0].line : undefined;
    const twice = error instanceof YAMLParseError && error.code === "DUPLICATE_KEY";
    throw malformed(file, line, twice ? "has a key that is there already; remove one of the two" : undefined);
  }
}

const isMap = (value: unknown): value is object => typeof value === "object" && value !== null && !Array.isArray(value);

function malformed(file: string, line?: number, problem?: string): UsageError {
  const where = line === undefined ? basename(file) : `${basename(file)}, line ${line}:`;
  const expected = `is not as expected: "config:", and indented by spaces below it lines such as "authensor-database:maxConnections: 150"`;
  return new UsageError(`${where} ${problem ?? expected}`);
}
