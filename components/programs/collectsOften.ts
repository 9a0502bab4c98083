/**
 * For a program that reads much and keeps none of it. Node lets what is new grow to 16 MiB, three times over, before it looks for what is
 * dead, and buffers that only dead objects hold stay as long. Looked for at 2 MiB it is found sooner, and that costs no time
 * (docs/performance.md, A million receipts of one agent in one interval).
 */
export const collectsOften = { NODE_OPTIONS: "--max-semi-space-size=2" };
