/** The value of `theme`: a name, a path, or one for light and one for dark. Pure. */

export type Scheme = "light" | "dark";

/** The theme for this scheme: a name or a path, or null for what Ghostty would not take either. */
export function chooseTheme(value: string, scheme: () => Scheme): string | null {
	if (!/(^|,)\s*(light|dark)\s*:/.test(value)) return value === "" ? null : value;
	const halves = new Map<string, string>();
	for (const part of value.split(",")) {
		const match = /^\s*(light|dark)\s*:\s*(.+?)\s*$/.exec(part);
		if (!match?.[1] || !match[2]) return null;
		halves.set(match[1], match[2]);
	}
	// Ghostty takes a pair only if it is whole.
	return halves.size === 2 ? (halves.get(scheme()) ?? null) : null;
}

/** Names of Ghostty's themes: "Catppuccin Mocha", "3024 Night", "Builtin Tango (Light)", "iTerm2 Dark+". Never a path. */
export function isThemeName(text: string): boolean {
	return /^[\p{L}\p{N}][\p{L}\p{M}\p{N} ._+&'()-]{0,79}$/u.test(text) && !text.includes("..");
}
