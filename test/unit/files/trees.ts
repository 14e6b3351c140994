/** Trees of files for tests: what is in one, and random edits of one. */
import * as fs from "node:fs";
import { dirname, join } from "node:path";

/** Everything below a folder as text: types, modes, contents, targets. Links are not followed. */
export function picture(root: string, below = ""): Record<string, string> {
	const found: Record<string, string> = {};
	for (const name of fs.readdirSync(join(root, below)).sort()) {
		const path = join(below, name);
		const stat = fs.lstatSync(join(root, path));
		if (stat.isSymbolicLink()) found[path] = `link ${fs.readlinkSync(join(root, path))}`;
		else if (stat.isDirectory())
			Object.assign(found, { [path]: `folder ${(stat.mode & 0o777).toString(8)}` }, picture(root, path));
		else found[path] = `file ${(stat.mode & 0o777).toString(8)} ${fs.readFileSync(join(root, path), "hex")}`;
	}
	return found;
}

/** The same numbers for the same seed, from 0 to below `max` (mulberry32). */
export function randomNumbers(seed: number): (max: number) => number {
	let state = seed >>> 0;
	return (max) => {
		state = (state + 0x6d2b79f5) >>> 0;
		let t = state;
		t = Math.imul(t ^ (t >>> 15), t | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) % max;
	};
}

/** Creates, changes, deletes, renames, chmods or links something. */
export function randomEdit(root: string, random: (max: number) => number): void {
	const entries = Object.keys(picture(root));
	const folders = ["", ...entries.filter((each) => fs.lstatSync(join(root, each)).isDirectory())];
	const pick = (from: readonly string[]) => from[random(from.length)] ?? "";
	const fresh = () => join(pick(folders), pick(["a", "b", "c", "d", "e e"]));
	const isThere = (path: string) => fs.lstatSync(join(root, path), { throwIfNoEntry: false }) !== undefined;
	const any = entries.length > 0 ? pick(entries) : null;
	switch (random(7)) {
		case 0:
		case 1: {
			const path = fresh();
			if (!isThere(path)) fs.writeFileSync(join(root, path), `${random(1000)}\n`.repeat(random(20)));
			return;
		}
		case 2: {
			const path = fresh();
			if (!isThere(path)) fs.mkdirSync(join(root, path));
			return;
		}
		case 3:
			if (any !== null && fs.lstatSync(join(root, any)).isFile())
				fs.appendFileSync(join(root, any), `more ${random(100)}\n`);
			return;
		case 4:
			if (any !== null && random(3) === 0) fs.rmSync(join(root, any), { recursive: true });
			return;
		case 5: {
			const target = fresh();
			if (any === null || isThere(target) || target.startsWith(any) || dirname(any) !== dirname(target)) return;
			return fs.renameSync(join(root, any), join(root, target));
		}
		case 6: {
			if (any !== null && fs.lstatSync(join(root, any)).isFile())
				return fs.chmodSync(join(root, any), pick(["644", "755", "600"]));
			const path = fresh();
			if (!isThere(path)) fs.symlinkSync(pick(["a", "b/c", "./d"]), join(root, path));
		}
	}
}

/** A program that lets a folder with `secret` in it and a link to the folder beside take turns as `turn`, for as long as it is used. */
export function takeTurns(folder: string): AsyncDisposable {
	const script =
		'cd "$0" && mkdir -p real && echo inside >real/secret && while :; do ln -s ../outside turn 2>&-; rm turn; mv real turn; mv turn real; done';
	const child = Bun.spawn(["sh", "-c", script, folder], { stderr: "ignore" });
	return {
		[Symbol.asyncDispose]: async () => {
			child.kill("SIGKILL");
			await child.exited;
		},
	};
}
