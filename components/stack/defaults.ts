/** Arguments of which those with a default may be left out. */
export type WithDefaults<Args, Defaults> = Omit<Args, keyof Defaults> &
  Partial<Pick<Args, keyof Args & keyof Defaults>>;

/** The arguments, with the default of each that is left out; an explicit `undefined` leaves it out too. */
export function complete<Args extends object, Defaults extends Partial<Args>>(
  args: WithDefaults<Args, Defaults>,
  defaults: Defaults,
): Args {
  const given = Object.fromEntries(Object.entries(args).filter(([, value]) => value !== undefined));
  return { ...defaults, ...given } as unknown as Args;
}
