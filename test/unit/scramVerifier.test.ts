import { expect, test } from "vitest";
import { scramVerifier } from "../../postgres/scramVerifier";

test("a password becomes the verifier of RFC 7677's example", () => {
  // Section 3 has the salt, the password, and the signatures from which both keys follow.
  expect(scramVerifier("pencil", Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64"))).toBe(
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
  );
});

test("a verifier has a salt of its own each time", () => {
  expect(scramVerifier("pencil")).not.toBe(scramVerifier("pencil"));
});
