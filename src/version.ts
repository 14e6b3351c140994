/** This program's version, and the commit it was built from (set by `build.ts`, null in a checkout). */
import packageJson from "../package.json" with { type: "json" };

declare const VIRTUALGHOST_COMMIT: string | undefined;

export const VERSION: string = packageJson.version;
export const COMMIT: string | null = typeof VIRTUALGHOST_COMMIT === "string" ? VIRTUALGHOST_COMMIT : null;
