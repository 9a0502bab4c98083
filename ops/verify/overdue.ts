/** What is verified again and again, and when that is overdue. */
export const scopes = ["recent", "whole", "archived"] as const;
export type Scope = (typeof scopes)[number];

/** Hours without one after which it is overdue: two days missed, a week and a day, and a month of 31 days and two days. */
export const overdueHours: Record<Scope, number> = { recent: 49, whole: 193, archived: 33 * 24 + 1 };
