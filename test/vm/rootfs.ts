/** A root file system of the tests' own: the build's package tree with a file or two replaced. */
import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { tool } from "./harness.ts";

const cache =
	process.env.VIRTUALGHOST_BUILD_CACHE ??
	join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "virtualghost-build");

/** The newest finished build step of that name. */
function newestStep(prefix: string): string {
	const steps = readdirSync(cache)
		.filter((name) => name.startsWith(`${prefix}-`) && /-[0-9a-f]{12}$/.test(name))
		.map((name) => join(cache, name))
		.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
	if (!steps[0]) throw new Error(`no ${prefix} in ${cache}: build first`);
	return steps[0];
}

function findTree(step: string): string {
	const candidates = [step, ...readdirSync(step).map((name) => join(step, name))];
	const tree = candidates.find((path) => existsSync(join(path, "usr/bin")));
	if (!tree) throw new Error(`no tree in ${step}`);
	return tree;
}

/** The build's own package tree. */
export function builtRootTree(): string {
	return findTree(newestStep("root-tree"));
}

/** Makes an uncompressed image of the root tree (or of another) in which `files` (path -> shell script) replace what is there. */
export async function makeRootImage(
	output: string,
	work: string,
	files: Readonly<Record<string, string>>,
	tree = builtRootTree(),
): Promise<void> {
	const tools = findTree(newestStep("tools"));
	const upper = join(work, "upper");
	for (const folder of ["upper", "overlay-work", "merged"]) mkdirSync(join(work, folder), { recursive: true });
	for (const [path, script] of Object.entries(files)) {
		mkdirSync(join(upper, path, ".."), { recursive: true });
		await Bun.write(join(upper, path), script);
		await tool(["chmod", "755", join(upper, path)]);
	}
	const options = `lowerdir=${tree},upperdir=${upper},workdir=${join(work, "overlay-work")}`;
	const script = `mount -t overlay overlay -o "$1" "$2" && mount --bind "$3" "$4/mnt" && mount --bind "$2" "$4/srv" && exec chroot "$4" mkfs.erofs --quiet "/mnt/$5" /srv`;
	const name = output.slice(output.lastIndexOf("/") + 1);
	const argv = [
		"unshare",
		"--mount",
		"sh",
		"-c",
		script,
		"sh",
		options,
		join(work, "merged"),
		join(output, ".."),
		tools,
		name,
	];
	const made = await tool(argv);
	if (made.code !== 0) throw new Error(made.stderr);
}
