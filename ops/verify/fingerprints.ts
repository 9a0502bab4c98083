/** The functions that guard the trail, as the migrations make them. Written by `npm run schema`, tested to be current. */
export const fingerprints: Readonly<Record<string, string>> = {
  append_history: "6cd6fc521936e3cee985446baa86c99ad5032dcf5f02267cecdafb38bd232d13",
  check_change: "e0190a50f09d604748e4af940aa4d0ac02dfc075f4a61ed630e2118c385e9e35",
  record_changes: "2fde3c71e77828f1d4ff2cfb8826b91ac195f096bb94e34cee87416a166126b3",
  seal_receipt: "b922e4ea99ed57b8dd0baef4f65b829cb7634d44dc4eb3b47467259685d290f2",
};
