/** Debian: where this machine gets it from, and trees of its packages made with mmdebstrap. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../src/errors.ts";
import { SOURCE_EPOCH } from "./context.ts";
import { run, runText } from "./run.ts";
import { isRoot, namespaces } from "./tree.ts";

/** The release that everything is taken from. */
export const SUITE = "trixie";

export interface Mirror {
	/** Base of the main archive, without a slash at the end. */
	readonly main: string;
	readonly security: string;
}

/** Files of the repository that shape every tree; for the recipes of steps. */
export const TREE_RECIPE = ["vm-assets/build/debian.ts", "vm-assets/build/tree.ts"] as const;

/**
 * The mirror that this machine's apt uses, or `$DEBIAN_MIRROR`. No host name of a mirror is written anywhere here: the
 * machine's owner has chosen one already.
 */
export async function findMirror(log: string): Promise<Mirror> {
	const given = process.env.DEBIAN_MIRROR;
	if (given !== undefined && given !== "") return mirrorFrom(given);
	const format = "$(ORIGIN)|$(CODENAME)|$(REPO_URI)";
	const listing = await runText(["apt-get", "indextargets", "--format", format, "Created-By: Packages"], { log }).catch(
		() => "",
	);
	const mirror = parseIndexTargets(listing);
	if (mirror === null) {
		throw new Fault("no Debian mirror is known", {
			why: "apt on this machine lists no Debian archive (or there is no apt, or its lists are empty).",
			fix: "Run `apt-get update`, or give one: DEBIAN_MIRROR=<address of a Debian archive> bun build.ts",
		});
	}
	return mirror;
}

/** Finds main and security archive in apt's list of index targets, `ORIGIN|CODENAME|URI` a line. */
export function parseIndexTargets(listing: string): Mirror | null {
	let main: string | undefined;
	let security: string | undefined;
	for (const line of listing.split("\n")) {
		const [origin, codename, uri] = line.trim().split("|");
		if (origin !== "Debian" || codename === undefined || !uri?.startsWith("http")) continue;
		if (codename.endsWith("-security")) security ??= uri.replace(/\/+$/, "");
		else if (!codename.includes("-")) main ??= uri.replace(/\/+$/, "");
	}
	if (main === undefined) return null;
	return { main, security: security ?? mirrorFrom(main).security };
}

function mirrorFrom(address: string): Mirror {
	const main = address.replace(/\/+$/, "");
	return { main, security: process.env.DEBIAN_SECURITY_MIRROR ?? `${main}-security` };
}

export interface TreeSpec {
	/** mmdebstrap's word: `extract` unpacks without configuring anything. */
	readonly variant: "apt" | "minbase" | "extract";
	/** Package names, `name/suite` where it must be a suite's version, `./file.deb` for a local one. */
	readonly packages: readonly string[];
	readonly arch: string;
	/** Suites besides the release, its updates and its security fixes. */
	readonly extraSuites?: readonly ("backports" | "forky")[];
	/** More options for mmdebstrap: dpkg's path filters and hooks. */
	readonly options?: readonly string[];
}

/** Apt must not take packages from the extra suites unless they are named with them. */
const PINS = [
	...["Package: *", "Pin: release n=forky", "Pin-Priority: 50", ""],
	...["Package: *", `Pin: release n=${SUITE}-backports`, "Pin-Priority: 500", ""],
];

/** Makes `<dir>/tree`. */
export async function makeTree(
	spec: TreeSpec,
	dir: string,
	log: string,
	detail: (text: string) => void,
): Promise<void> {
	const tree = join(dir, "tree");
	const mirror = await findMirror(log);
	const target = isRoot ? tree : join(dir, "tree.tar");
	await run(mmdebstrapArgv(spec, mirror, target), {
		log,
		env: { SOURCE_DATE_EPOCH: String(SOURCE_EPOCH) },
		onLine: (line) => detail(line.replace(/^[IW]: /, "")),
	});
	if (isRoot) return;
	mkdirSync(tree);
	// Device nodes can't be made in a user namespace; running programs get this machine's /dev.
	await run([...namespaces(), "tar", "-C", tree, "--exclude=./dev/*", "--numeric-owner", "-xf", target], { log });
	rmSync(target);
}

export function mmdebstrapArgv(spec: TreeSpec, mirror: Mirror, target: string): string[] {
	const pin = `printf '%s\\n' ${PINS.map((line) => `'${line}'`).join(" ")} > "$1/etc/apt/preferences"`;
	return [
		"mmdebstrap",
		`--mode=${isRoot ? "root" : "unshare"}`,
		`--variant=${spec.variant}`,
		`--architectures=${spec.arch}`,
		`--format=${isRoot ? "directory" : "tar"}`,
		...['--aptopt=Acquire::Languages "none"', '--aptopt=APT::Install-Recommends "false"', "--skip=check/qemu"],
		...(spec.extraSuites === undefined ? [] : [`--setup-hook=${pin}`]),
		...(spec.options ?? []),
		`--include=${spec.packages.join(",")}`,
		SUITE,
		target,
		...sources(mirror, spec.extraSuites ?? []),
	];
}

function sources(mirror: Mirror, extra: readonly ("backports" | "forky")[]): string[] {
	const lines = [
		`deb ${mirror.main} ${SUITE} main`,
		`deb ${mirror.main} ${SUITE}-updates main`,
		`deb ${mirror.security} ${SUITE}-security main`,
	];
	if (extra.includes("backports")) lines.push(`deb ${mirror.main} ${SUITE}-backports main`);
	// A testing release is renewed several times a day; a mirror that is a week behind is good enough for one pinned package.
	if (extra.includes("forky")) lines.push(`deb [check-valid-until=no] ${mirror.main} forky main`);
	return lines;
}

/** Reads a package list: one name a line, `#` starts a comment. */
export function parseList(text: string): string[] {
	return text
		.split("\n")
		.map((line) => line.replace(/#.*/, "").trim())
		.filter((line) => line !== "");
}
