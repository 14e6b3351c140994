/**
 * A pacman repository that stands in for Arch's: packages with the names that the recipe asks for, filled with files of the build's own
 * Debian tree. What is proven with it is the recipe's own code, and nothing about Arch's packages.
 */
import { existsSync, lstatSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { GHOSTTY_VERSION, WRAPPER } from "./ghostty-package.ts";
import { tool } from "./harness.ts";

/** Which Debian packages fill which Arch package; `base` has all the rest. */
const CONTENT: Readonly<Record<string, readonly string[]>> = {
	dbus: ["dbus", "dbus-user-session", "dbus-bin", "dbus-daemon"],
	sudo: ["sudo"],
	"ca-certificates": ["ca-certificates"],
	seatd: ["seatd", "libseat1"],
	cage: ["cage"],
	mesa: ["libgl1-mesa-dri", "libegl-mesa0", "mesa-libgallium"],
	"mesa-utils": ["mesa-utils-bin"],
	"wlr-randr": ["wlr-randr"],
	grim: ["grim"],
	ghostty: ["foot"],
	"ttf-dejavu": ["fonts-dejavu-core", "fonts-dejavu-mono"],
	"wqy-microhei": [],
	"bash-completion": ["bash-completion"],
	less: ["less"],
	nano: ["nano"],
	vi: ["vim-tiny"],
	unzip: ["unzip"],
	zip: [],
	git: ["git"],
	curl: ["curl"],
	rsync: ["rsync"],
	openssh: ["openssh-client", "openssh-sftp-server"],
};

/** Made by the recipe's finishing steps, so it must not be there before. */
const USERS = ["passwd", "group", "shadow", "gshadow", "subuid", "subgid"];
const LEFT_OUT =
	/^(proc|sys|dev|run|tmp|mnt|home\/ghost|var\/lib\/dpkg\/info|etc\/sudoers\.d\/ghost$|etc\/(passwd|group|shadow|gshadow|subuid|subgid)-?$)/;

/** Fills `folder` with packages; the caller makes the index with `repo-add`. */
export async function makeArchPackages(
	tree: string,
	folder: string,
	work: string,
	names: readonly string[],
): Promise<void> {
	mkdirSync(folder, { recursive: true });
	const taken = new Set<string>();
	for (const name of names.filter((each) => each !== "base")) {
		const content = CONTENT[name];
		if (content === undefined) throw new Error(`the stand-in repository knows no ${name}`);
		const files = content
			.flatMap((each) => filesOf(tree, each))
			.filter((path) => !taken.has(path) && !LEFT_OUT.test(path));
		for (const path of files) taken.add(path);
		await pack({
			name,
			files: [...new Set(files)],
			tree,
			folder,
			work,
			extra: name === "ghostty" ? { "usr/bin/ghostty": WRAPPER } : {},
		});
	}
	const found = await tool(["find", ".", "-xdev", "!", "-type", "d", "-printf", "%P\\0"], { cwd: tree });
	const empty = await tool(["find", ".", "-xdev", "-type", "d", "-empty", "-printf", "%P\\0"], { cwd: tree });
	const rest = `${found.stdout}${empty.stdout}`
		.split("\0")
		.filter((path) => path !== "" && !taken.has(path) && !LEFT_OUT.test(path));
	await pack({ name: "base", files: rest, tree, folder, work, extra: withoutGhost(tree) });
}

/** What dpkg says a package has, under the names that the files really have. */
function filesOf(tree: string, name: string): string[] {
	const info = join(tree, "var/lib/dpkg/info");
	const list = [`${name}.list`, `${name}:amd64.list`].map((each) => join(info, each)).find(existsSync);
	if (list === undefined) throw new Error(`the Debian tree has no package ${name}`);
	return readFileSync(list, "utf8")
		.split("\n")
		.map((path) => join(tree, path))
		.filter((path) => lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === false)
		.map((path) => relative(tree, join(realpathSync(dirname(path)), path.slice(path.lastIndexOf("/") + 1))));
}

/** The accounts of a system that has no user yet. */
function withoutGhost(tree: string): Record<string, string> {
	const files = USERS.filter((name) => existsSync(join(tree, "etc", name)));
	return Object.fromEntries(
		files.map((name) => {
			const lines = readFileSync(join(tree, "etc", name), "utf8").split("\n");
			const kept = lines
				.filter((line) => !line.startsWith("ghost:"))
				.map((line) => line.replace(/(?<=[:,])ghost(,|$)/, ""));
			return [`etc/${name}`, kept.join("\n")];
		}),
	);
}

interface Package {
	readonly name: string;
	/** Relative to `tree`. */
	readonly files: readonly string[];
	readonly tree: string;
	readonly folder: string;
	readonly work: string;
	/** Files of our own, programs where they are in a bin folder. */
	readonly extra: Readonly<Record<string, string>>;
}

async function pack({ name, files, tree, folder, work, extra }: Package): Promise<void> {
	const own = join(work, `arch-${name}`);
	mkdirSync(own, { recursive: true });
	const version = name === "ghostty" ? GHOSTTY_VERSION : "1-1";
	const facts = {
		pkgname: name,
		pkgbase: name,
		pkgver: version,
		pkgdesc: "stand-in",
		builddate: "1",
		packager: "test",
		size: "1",
		arch: "x86_64",
	};
	writeFileSync(
		join(own, ".PKGINFO"),
		Object.entries(facts)
			.map(([key, value]) => `${key} = ${value}\n`)
			.join(""),
	);
	for (const [path, text] of Object.entries(extra)) {
		mkdirSync(dirname(join(own, path)), { recursive: true });
		writeFileSync(join(own, path), text, {
			mode: path.includes("bin/") ? 0o755 : path.includes("shadow") ? 0o600 : 0o644,
		});
	}
	const archive = join(folder, `${name}-${version}-x86_64.pkg.tar`);
	const list = join(work, `${name}.list`);
	writeFileSync(list, files.join("\0"));
	const script =
		'tar -C "$1" -cf "$2" .PKGINFO $4 && tar -C "$3" -rf "$2" --no-recursion --null --files-from="$5" && zstd -1 -T2 -q --rm "$2"';
	const paths = Object.keys(extra).join(" ");
	const made = await tool(["sh", "-c", script.replace("$4", paths), "sh", own, archive, tree, "", list]);
	if (made.code !== 0) throw new Error(made.stderr);
}
