/** What is verified again and again, and when that is overdue. */
export const scopes = ["recent", "whole"] as const;
export type Scope = (typeof scopes)[number];

/** Hours without one after which it is overdue: two days missed, and a week and a day. */
export const overdueHours: Record<Scope, number> = { recent: 49, whole: 193 };
