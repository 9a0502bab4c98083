/** The functions that guard the trail, as the migrations make them. Written by `npm run schema`, tested to be current. */
export const fingerprints: Readonly<Record<string, string>> = {
  append_history: "6cd6fc521936e3cee985446baa86c99ad5032dcf5f02267cecdafb38bd232d13",
  approval_problem: "d1630c9226b09ae0dfc6bafef8bf9b3213a91c2ac253d10f2a6b8fab1a1fb885",
  check_change: "e0190a50f09d604748e4af940aa4d0ac02dfc075f4a61ed630e2118c385e9e35",
  record_birth: "5b966dcd71772bdc5c5e7165be316fe4f8da29a39947c55c1d7e2e00fd6cdd19",
  record_changes: "2fde3c71e77828f1d4ff2cfb8826b91ac195f096bb94e34cee87416a166126b3",
  seal_receipt: "b922e4ea99ed57b8dd0baef4f65b829cb7634d44dc4eb3b47467259685d290f2",
};
