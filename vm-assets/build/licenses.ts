/** Under which licences the parts are, by the word of Debian's copyright files and of npm's package.json. For the bill of materials. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../src/errors.ts";
import type { Manifest } from "../../src/vm/manifest.ts";
import { type Package, parseDpkgStatus } from "./packages.ts";

type Licensed = Manifest["packages"]["root"][number];

/** The first lines of a copyright file that a machine can read (DEP-5). */
const MACHINE_READABLE = /^Format:.*copyright-format/m;
const IN_COMMON = /common-licenses\/([A-Za-z]+(?:-\d+(?:\.\d+)?)?)/g;
/** Texts that the other files spell out in place of a name. */
const TEXTS = [
	["Expat", /Permission is hereby granted, free of charge/],
	["HPND", /Permission to use, copy, modify,(?: and)?\s+distribute/],
	["BSD", /Redistribution and use in source and binary forms/],
] as const;

/** Names as Debian writes them: `GPL-2+`, `Expat`. Empty where the file tells none. */
export function parseCopyright(text: string): string[] {
	const names = MACHINE_READABLE.test(text)
		? [...text.matchAll(/^License:[ \t]*(\S.*)$/gm)].map(([, name = ""]) => name.trim())
		: [
				...[...text.matchAll(IN_COMMON)].map(([, name = ""]) => name),
				...TEXTS.filter(([, words]) => words.test(text.replaceAll(/\s+/g, " "))).map(([name]) => name),
			];
	return [...new Set(names)].sort();
}

/** Each package with what `<docs>/<package>/copyright` says. */
export function withLicenses(packages: readonly Package[], docs: string): Licensed[] {
	return packages.map(({ name, version }) => {
		const file = join(docs, name, "copyright");
		const licenses = existsSync(file) ? parseCopyright(readFileSync(file, "utf8")) : [];
		return { name, version, licenses };
	});
}

/** Those of a whole tree's packages that parts of ours are copied out of. */
export function takenFrom(tree: string, names: readonly string[]): Licensed[] {
	const installed = parseDpkgStatus(readFileSync(join(tree, "var/lib/dpkg/status"), "utf8"));
	const taken = installed.filter(({ name }) => names.includes(name));
	return withLicenses(taken, join(tree, "usr/share/doc"));
}

type LockedPackage = readonly [string, string?, { readonly dependencies?: Readonly<Record<string, string>> }?, string?];

/** bun.lock is JSON that allows a comma too many. */
export function readLock(repo: string): Readonly<Record<string, LockedPackage>> {
	const text = readFileSync(join(repo, "bun.lock"), "utf8").replaceAll(/,(\s*[}\]])/g, "$1");
	return (JSON.parse(text) as { packages: Record<string, LockedPackage> }).packages;
}

/** What `bun build` puts into launcher and agent: the dependencies and theirs. Optional ones are left out of the build. */
export function npmPackages(repo: string): Licensed[] {
	const lock = readLock(repo);
	const { dependencies } = JSON.parse(readFileSync(join(repo, "package.json"), "utf8")) as {
		dependencies: Record<string, string>;
	};
	const found = new Map<string, Licensed>();
	const visit = (name: string) => {
		if (found.has(name)) return;
		const entry = lock[name];
		if (!entry) throw new Fault(`bun.lock does not know ${name}`, { fix: "Run `bun install`." });
		const [id, , needs] = entry;
		found.set(name, { name, version: id.slice(id.lastIndexOf("@") + 1), licenses: npmLicense(repo, name) });
		for (const each of Object.keys(needs?.dependencies ?? {})) visit(each);
	};
	for (const name of Object.keys(dependencies)) visit(name);
	return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function npmLicense(repo: string, name: string): string[] {
	const file = join(repo, "node_modules", name, "package.json");
	const { license, licenses } = JSON.parse(readFileSync(file, "utf8")) as {
		license?: string;
		licenses?: readonly { readonly type: string }[];
	};
	return license === undefined ? (licenses ?? []).map(({ type }) => type) : [license];
}
