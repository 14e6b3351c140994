/**
 * Finished steps, kept by the hash of all that went into them: `<cache>/<step>-<hash12>/`.
 *
 * A step is made under a temporary name and renamed when complete, so a killed build leaves nothing that looks finished.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import type { Context } from "./context.ts";
import { hashPaths, hashValue } from "./hash.ts";
import { say, task } from "./progress.ts";
import { removeTree } from "./tree.ts";

/** Finished entries of one step that are kept, newest first; the rest goes. */
const KEPT_ENTRIES = 3;

export interface Step {
	readonly name: string;
	readonly key: string;
	/** Folder with the products. */
	readonly dir: string;
}

export interface StepSpec {
	readonly name: string;
	/** What a person reads while it is made. */
	readonly title: string;
	/** Files and folders of the repository whose content shapes the products, the code of the step included. */
	readonly recipe: readonly string[];
	/** Anything else that shapes the products. */
	readonly parameters?: unknown;
	/** Steps whose products this one uses. */
	readonly uses?: readonly Step[];
	/** Fills `work.dir`; all output of programs goes to `work.log`. */
	readonly make: (work: Work) => Promise<void>;
}

export interface Work {
	readonly dir: string;
	readonly log: string;
	readonly detail: (text: string) => void;
}

/** Gives the finished step, making it first when no finished one with this key exists. */
export async function step(context: Context, spec: StepSpec): Promise<Step> {
	const key = keyOf(context, spec);
	const dir = join(context.cache, `${spec.name}-${key}`);
	const done: Step = { name: spec.name, key, dir };
	if (existsSync(dir) && (!context.refresh || context.made.has(dir))) {
		const now = new Date();
		utimesSync(dir, now, now); // Last use decides what is pruned.
		say(`· ${spec.title}: unchanged`);
		return done;
	}
	const temporary = join(context.cache, `.tmp-${process.pid}-${spec.name}-${key}`);
	await removeTree(temporary);
	mkdirSync(temporary, { recursive: true });
	try {
		const log = join(context.cache, "logs", `${spec.name}-${key}.log`);
		await task(spec.title, (detail) => spec.make({ dir: temporary, log, detail }));
		await removeTree(dir);
		renameSync(temporary, dir);
	} finally {
		await removeTree(temporary);
	}
	context.made.add(dir);
	await prune(context.cache, spec.name);
	return done;
}

function keyOf(context: Context, spec: StepSpec): string {
	return hashValue([
		spec.name,
		context.arch,
		hashPaths(context.repo, spec.recipe),
		spec.parameters ?? null,
		(spec.uses ?? []).map((used) => used.key),
	]).slice(0, 12);
}

async function prune(cache: string, name: string): Promise<void> {
	const pattern = new RegExp(`^${name}-[0-9a-f]{12}$`);
	const entries = readdirSync(cache)
		.filter((entry) => pattern.test(entry))
		.map((entry) => ({ path: join(cache, entry), used: statSync(join(cache, entry)).mtimeMs }))
		.sort((a, b) => b.used - a.used);
	for (const old of entries.slice(KEPT_ENTRIES)) await removeTree(old.path);
}
