import type { Resource } from "../handler";

/** "rds.Instance orders-primary": the type as programs write it, and the name. */
export function label({ type, name }: Pick<Resource, "type" | "name">): string {
  const [provider = "", module = "", kind = type] = type.split(":");
  const group = module.split("/")[0] ?? "";
  return `${group === "index" ? provider : group}.${kind} ${name}`;
}
