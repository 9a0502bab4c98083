/** Tags of a request: "Tags.Tag.1.Key", "Tags.Tag.1.Value", … */
export function tagsOf(parameters: ReadonlyMap<string, string>): Record<string, string> {
  const numbers = [...parameters.keys()].flatMap((name) => /^Tags\.Tag\.(\d+)\.Key$/.exec(name)?.[1] ?? []);
  const of = (n: string, what: string) => parameters.get(`Tags.Tag.${n}.${what}`) ?? "";
  return Object.fromEntries(numbers.map((n) => [of(n, "Key"), of(n, "Value")]));
}
