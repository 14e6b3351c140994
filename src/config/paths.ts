/** Paths in the configuration. Nothing here asks the file system; whether a path exists is for `host/` to find out. */
import { type PlatformPath, posix, win32 } from "node:path";

/** The rules of the platform that an absolute path comes from, so that Windows can be tested on Linux. */
export function flavourOf(absolute: string): PlatformPath {
	return win32.isAbsolute(absolute) && !posix.isAbsolute(absolute) ? win32 : posix;
}

/** Absolute folder of a file; the path of the file may be relative to `cwd`. */
export function folderOf(path: string, cwd: string): string {
	const flavour = flavourOf(cwd);
	return flavour.dirname(flavour.resolve(cwd, path));
}

/** Absolute form of a path: `~` and `~/…` start at `home`, other relative paths at `folder`. `~name` is no home. */
export function expandPath(path: string, { home, folder }: { home: string; folder: string }): string {
	const flavour = flavourOf(folder);
	if (path === "~") return flavour.resolve(home);
	if (path.startsWith("~/") || path.startsWith(`~${flavour.sep}`)) return flavour.resolve(home, path.slice(2));
	return flavour.resolve(folder, path);
}
