/** The changes of a work copy against what is in the folder now: a list for people, and a patch. */
import * as fs from "node:fs";
import { Tree } from "../share/tree.ts";
import { type Change, type Changes, readContent } from "./changes.ts";
import { type Blob, gitPatch } from "./patch.ts";

export interface Listed {
	/** Added, modified, deleted, or only its permissions. */
	readonly sign: "A" | "M" | "D" | "P";
	readonly path: string;
	readonly kind: "file" | "folder" | "link";
	/** Of what will be there; null for what is gone, and for folders. */
	readonly bytes: number | null;
	/** Programs of the host run what is written here, without being asked. */
	readonly runsByItself: boolean;
}

/** Of one file: it is held in memory, several times over. */
const PATCH_BYTES_MAX = 256 * 1024 * 1024;

/** Git and editors take their orders from these. */
const RUNS_BY_ITSELF =
	/(?:^|\/)(?:\.git\/(?:hooks\/.+|config(?:\.worktree)?|modules\/.+|info\/attributes)|\.gitattributes|\.envrc|\.vscode\/(?:tasks|settings|launch)\.json|\.git)$/;

/** Folders in which only something else has changed are left out. */
export function listChanges({ changes }: Changes, root: string): Listed[] {
	using tree = new Tree(root);
	// What has taken the place of something is listed once.
	const there = new Set(changes.filter(({ type }) => type !== "gone").map(({ path }) => path));
	return changes
		.filter(({ type, path }) => type !== "gone" || !there.has(path))
		.map((change) => describeChange(change, lookAt(tree, change.path)))
		.filter((each) => each !== null);
}

function describeChange(change: Change, there: fs.Stats | null): Listed | null {
	const { path } = change;
	switch (change.type) {
		case "gone":
			return there && { path, sign: "D", kind: kindOf(there), bytes: null, runsByItself: false };
		case "folder": {
			const isSame = there?.isDirectory() && (there.mode & 0o777) === (change.mode & 0o777);
			if (isSame) return null;
			return { path, sign: there?.isDirectory() ? "P" : "A", kind: "folder", bytes: null, runsByItself: false };
		}
		default: {
			const bytes = change.type === "link" ? change.target.length : change.size;
			return { path, sign: there ? "M" : "A", kind: change.type, bytes, runsByItself: RUNS_BY_ITSELF.test(path) };
		}
	}
}

function kindOf(stat: fs.Stats): Listed["kind"] {
	return stat.isDirectory() ? "folder" : stat.isSymbolicLink() ? "link" : "file";
}

function lookAt(tree: Tree, path: string): fs.Stats | null {
	try {
		using place = tree.place(Buffer.from(path, "latin1"));
		return fs.lstatSync(place.path as never);
	} catch {
		return null;
	}
}

/** One piece a change, empty ones left out. @throws Error of the system, BadStream */
export function* patchPieces({ changes, refused }: Changes, root: string, stream: string): Generator<string> {
	using tree = new Tree(root);
	for (const { path, why } of refused) yield `# refused: ${JSON.stringify(path)} (${why})\n`;
	const replaced = new Set(changes.filter(({ type }) => type !== "gone" && type !== "folder").map(({ path }) => path));
	for (const change of changes) {
		const { path } = change;
		switch (change.type) {
			case "folder":
				continue;
			case "gone":
				for (const each of filesBelow(tree, path)) {
					// What takes its place comes with its own piece.
					if (each !== path || !replaced.has(path)) yield gitPatch(each, blobAt(tree, each), null);
				}
				continue;
			default:
				yield gitPatch(path, blobAt(tree, path), newBlob(change, stream));
		}
	}
}

function newBlob(change: Extract<Change, { type: "file" | "link" }>, stream: string): Blob {
	if (change.type === "link")
		return { kind: "link", isExecutable: false, content: Buffer.from(change.target, "latin1") };
	if (change.size > PATCH_BYTES_MAX) throw new Error(`${JSON.stringify(change.path)} is too large for a patch`);
	return { kind: "file", isExecutable: (change.mode & 0o100) !== 0, content: readContent(stream, change) };
}

function blobAt(tree: Tree, path: string): Blob | null {
	const stat = lookAt(tree, path);
	if (!stat) return null;
	using place = tree.place(Buffer.from(path, "latin1"));
	if (stat.isSymbolicLink()) {
		const content = fs.readlinkSync(place.path as never, { encoding: "buffer" } as never) as unknown as Buffer;
		return { kind: "link", isExecutable: false, content };
	}
	if (!stat.isFile()) return null;
	if (stat.size > PATCH_BYTES_MAX) throw new Error(`${JSON.stringify(path)} is too large for a patch`);
	return { kind: "file", isExecutable: (stat.mode & 0o100) !== 0, content: fs.readFileSync(place.path as never) };
}

/** The path itself, or every file and link in the folder that it is. */
function filesBelow(tree: Tree, path: string): string[] {
	const stat = lookAt(tree, path);
	if (!stat) return [];
	if (!stat.isDirectory()) return [path];
	using place = tree.place(Buffer.from(path, "latin1"));
	const names = fs.readdirSync(place.path as never, { encoding: "buffer" } as never) as unknown as Buffer[];
	return names.sort(Buffer.compare).flatMap((name) => filesBelow(tree, `${path}/${name.toString("latin1")}`));
}
