/** QEMU's `key=value,key=value` syntax, in which a comma inside a value is written twice. */
export function keyval(
	head: string,
	options: Readonly<Record<string, string | number | boolean | undefined>> = {},
): string {
	const parts = [head];
	for (const [key, value] of Object.entries(options)) {
		if (value === undefined) continue;
		const text = typeof value === "boolean" ? (value ? "on" : "off") : String(value).replaceAll(",", ",,");
		parts.push(`${key}=${text}`);
	}
	return parts.filter((part) => part !== "").join(",");
}
