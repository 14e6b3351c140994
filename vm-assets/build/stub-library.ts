/**
 * Empty libraries in the place of big ones that a program is linked with and never calls. A stub has the names and versions that
 * somebody asks for, and each of its functions ends the process: a call that nobody has thought of shows at once.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../src/errors.ts";
import { inTree } from "./tree.ts";

export interface StubSpec {
	/** Tools tree, with gcc and readelf. */
	readonly tools: string;
	/** Tree in which `library` and `users` lie, as paths relative to it. */
	readonly tree: string;
	/** The real one. */
	readonly library: string;
	/** Programs and libraries that will find the stub. */
	readonly users: readonly string[];
	/** Its name for the loader. */
	readonly soname: string;
	/** Where it is made, under its soname: a folder of this stub's own. */
	readonly work: string;
}

interface DynamicSymbol {
	readonly name: string;
	/** Empty where the library has no versions. */
	readonly version: string;
	readonly defined: boolean;
	readonly type: string;
	readonly bytes: number;
}

export async function makeStub(spec: StubSpec, log: string): Promise<void> {
	const mounts = [{ from: spec.tree, as: "tree" }];
	const read = async (paths: readonly string[]) => {
		const argv = ["readelf", "--dyn-syms", "--wide", ...paths.map((path) => join("/mnt/tree", path))];
		return parseSymbols(new TextDecoder().decode(await inTree({ tree: spec.tools, argv, mounts }, { log })));
	};
	// A library may have a name twice, in two versions; a program asks for one of them.
	const key = ({ name, version }: DynamicSymbol) => `${name}@${version}`;
	const wanted = new Set((await read(spec.users)).filter(({ defined }) => !defined).map(key));
	const provided = (await read([spec.library])).filter((symbol) => symbol.defined && wanted.has(key(symbol)));
	if (provided.length === 0) throw new Fault(`nobody asks for anything of ${spec.soname}`);
	mkdirSync(spec.work, { recursive: true });
	writeFileSync(join(spec.work, "stub.s"), stubSource(provided));
	writeFileSync(join(spec.work, "stub.map"), versionScript(provided));
	const flags = ["-shared", "-nostdlib", "-s", `-Wl,-soname,${spec.soname}`, "-Wl,--build-id=none"];
	const argv = [
		...["gcc", ...flags, "-Wl,--version-script=/mnt/work/stub.map"],
		...["-o", `/mnt/work/${spec.soname}`, "/mnt/work/stub.s"],
	];
	await inTree({ tree: spec.tools, argv, mounts: [{ from: spec.work, as: "work" }] }, { log });
}

/** `readelf --dyn-syms --wide`: `Num: Value Size Type Bind Vis Ndx Name@VERSION`. */
export function parseSymbols(text: string): DynamicSymbol[] {
	const symbols: DynamicSymbol[] = [];
	for (const line of text.split("\n")) {
		const match = /^\s*\d+: [0-9a-f]+\s+(\w+) (\w+)\s+\w+\s+\w+\s+(\w+) ([^\s@]+)(?:@@?(\S+))?/.exec(line);
		if (!match) continue;
		const [, bytes = "0", type = "", section = "", name = "", version = ""] = match;
		symbols.push({ name, version, defined: section !== "UND", type, bytes: Number(bytes) });
	}
	return symbols;
}

function stubSource(symbols: readonly DynamicSymbol[]): string {
	const functions = symbols.filter(({ type }) => type !== "OBJECT").map(({ name }) => name);
	const objects = symbols.filter(({ type }) => type === "OBJECT");
	return [
		".text",
		...functions.flatMap((name) => [`.globl ${name}`, `.type ${name}, @function`, `${name}:`]),
		"\tud2",
		".bss",
		...objects.flatMap(({ name, bytes }) => [
			...[
				".balign 16",
				`.globl ${name}`,
				`.type ${name}, @object`,
				`.size ${name}, ${bytes}`,
				`${name}: .zero ${bytes}`,
			],
		]),
		'.section .note.GNU-stack,"",@progbits',
		"",
	].join("\n");
}

function versionScript(symbols: readonly DynamicSymbol[]): string {
	const byVersion = Map.groupBy(symbols, ({ version }) => version);
	const nodes = [...byVersion].map(([version, members]) => {
		const names = members.map(({ name }) => `${name};`).join(" ");
		return version === "" ? `{ global: ${names} local: *; };` : `${version} { ${names} };`;
	});
	return `${nodes.join("\n")}\n`;
}
