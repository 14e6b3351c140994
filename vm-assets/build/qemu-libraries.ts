/** Which shared libraries go into the QEMU bundle, and into which of its folders. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../src/errors.ts";
import { readDynamic } from "./elf.ts";

/**
 * Folders of the bundle. The launcher searches `lib`, then the host's own folders, then `fallback`; `glibc` and `gcc` come
 * first where the bundle's are newer than the host's, and are left out where they are older.
 */
export type LibraryFolder = "lib" | "fallback" | "glibc" | "gcc";

/** The C library's family: one version, or none. Some are opened by name only, so they are listed, not found. */
const GLIBC = [
	...["ld-linux-x86-64.so.2", "libc.so.6", "libm.so.6", "libmvec.so.1", "libpthread.so.0", "libdl.so.2", "librt.so.1"],
	...["libresolv.so.2", "libutil.so.1", "libanl.so.1", "libnss_files.so.2", "libnss_dns.so.2"],
];

const GCC = ["libgcc_s.so.1", "libstdc++.so.6"];

/** The host's GPU driver: only the host has the one that fits its hardware and kernel. Never in the bundle. */
const HOST_ONLY =
	/^lib(GL|EGL|GLX|GLdispatch|GLESv1_CM|GLESv2|OpenGL|gallium|LLVM|vdpau)\b|^lib(drm_|LLVM|gallium)|^libEGL_|^libGLX_/;

/**
 * What the host's GPU driver is linked against as well, or what talks to the host's display server: the host's own where
 * it has them, for its driver may need a newer one than ours. A host without them (a pure Wayland desktop has no libXss)
 * gets ours, or the display module would not load.
 */
const HOST_FIRST =
	/^lib(drm|gbm|wayland-\w+|X11|X11-xcb|xcb|xcb-[\w-]+|Xau|Xdmcp|Xext|Xi|Xfixes|Xcursor|Xrandr|Xrender|Xinerama|Xcomposite|Xdamage|Xss|XRes|bsd|md)\.so/;

export interface Library {
	/** The name that others ask for, and its name in the bundle. */
	readonly name: string;
	readonly path: string;
	readonly folder: LibraryFolder;
}

/** Follows DT_NEEDED from `roots` (files of the tree) and gives every library to bundle. A stub needs nothing. */
export function findLibraries(
	folders: readonly string[],
	roots: readonly string[],
	stubs: readonly string[] = [],
): Library[] {
	const found = new Map<string, Library>();
	const locate = (name: string) => folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
	const add = (name: string, asked: string) => {
		if (found.has(name) || HOST_ONLY.test(name)) return;
		const path = locate(name);
		if (path === undefined)
			throw new Fault(`the packages of the QEMU bundle have no ${name}`, { why: `${asked} needs it.` });
		found.set(name, { name, path, folder: folderOf(name) });
		if (!stubs.includes(name)) follow(path);
	};
	const follow = (path: string) => {
		for (const needed of readDynamic(readFileSync(path))?.needed ?? []) add(needed, path);
	};
	for (const root of roots) follow(root);
	for (const name of [...GLIBC, ...GCC]) if (locate(name) !== undefined) add(name, "the bundle");
	return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function folderOf(name: string): LibraryFolder {
	if (GLIBC.includes(name)) return "glibc";
	if (GCC.includes(name)) return "gcc";
	return HOST_FIRST.test(name) ? "fallback" : "lib";
}
