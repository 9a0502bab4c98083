import js from "@eslint/js";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["node_modules/", ".local/"] },
  js.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [...tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // An un-awaited promise is a test that cannot fail, or an error nobody hears.
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
    },
  },
  {
    // One-way rooms: what runs inside the environment knows nothing of how it is deployed.
    files: ["ops/**/*.ts"],
    rules: {
      "no-restricted-imports": ["error", { patterns: ["@pulumi/*", "**/components/**", "**/cloud/**", "**/local/**"] }],
    },
  },
  {
    files: ["components/**/*.ts"],
    rules: { "no-restricted-imports": ["error", { patterns: ["**/cloud/**", "**/local/**", "**/settings/**"] }] },
  },
  {
    // The local cloud serves any program: it knows nothing of this one.
    files: ["cloud/**/*.ts"],
    rules: {
      "no-restricted-imports": [
        "error",
        { patterns: ["**/local/**", "**/settings/**", "**/ops/**", "**/components/**", "**/index.ts"] },
      ],
    },
  },
);
