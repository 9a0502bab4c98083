import js from "@eslint/js";
import tseslint from "typescript-eslint";

// The folders of components/, in the order of the deployment: each imports only from those before it. README names them too.
const concepts = [
  ...["stack", "aws", "network", "parameters", "backup", "database"],
  ...["pods", "programs", "pooling", "connections", "controlPlane", "monitoring"],
];

export default tseslint.config(
  { ignores: ["node_modules/", ".local/", "library/dist/"] },
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
  ...concepts.map((concept, index) => {
    const before = concepts.slice(0, index);
    return {
      files: [`components/${concept}/**/*.ts`],
      rules: {
        "no-restricted-imports": [
          "error",
          {
            patterns: [
              { group: ["**/cloud/**", "**/local/**", "**/settings/**"] },
              {
                regex: `^\\.\\./(?!(${["\\.\\.", ...before].join("|")})/)`,
                message: `components/${concept} imports only from ${["itself", ...before].join(", ")}.`,
              },
            ],
          },
        ],
      },
    };
  }),
  {
    // A policy judges whatever some program gave some provider: nothing has a type before it is looked at.
    files: ["policy/**/*.ts"],
    rules: {
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-return": "off",
      "no-restricted-imports": ["error", { patterns: ["../*", "@pulumi/aws", "@pulumi/kubernetes"] }],
    },
  },
  // The local cloud serves any program: it knows nothing of this one. From outside its room it imports only what any room may that
  // speaks to PostgreSQL, or has esbuild make one file of many.
  ...[1, 2, 3, 4].map((depth) => ({
    files: [`cloud/${"*/".repeat(depth - 1)}*.ts`],
    rules: {
      "no-restricted-imports": ["error", { patterns: [{ regex: `^(\\.\\.(/|$)){${depth}}(?!(postgres|bundles)/)` }] }],
    },
  })),
);
