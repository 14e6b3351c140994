/** What a root file system step leaves, whatever the distribution. */

export const ROOT = { image: "root.erofs", info: "info.json" } as const;

export interface RootInfo {
	readonly distribution: { readonly name: string; readonly version: string };
	readonly terminal: { readonly name: string; readonly version: string; readonly standIn: boolean };
	readonly packages: readonly { readonly name: string; readonly version: string }[];
}
