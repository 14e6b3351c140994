/** Writing here what the guest sends: nothing is followed, nothing half done is left, only files and links are replaced. */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { chmod, type FileHandle, lstat, mkdir, open, rename, rm, symlink, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { EntryProblem } from "./problems.ts";

/** Windows knows no such flag; O_EXCL alone follows no link either. */
const CREATE =
	constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | ((constants.O_NOFOLLOW as number | undefined) ?? 0);

/** What a file from the guest may bring along: no setuid, setgid or sticky. */
const MODE_BITS = 0o777;

/** A name beside the final one that the guest cannot guess, so that no entry of its own can be there first. */
export function temporaryName(): string {
	return `.virtualghost-cp-${randomBytes(8).toString("hex")}`;
}

export interface FileAttributes {
	readonly mode: number;
	/** Seconds since 1970; undefined leaves now. */
	readonly mtime: number | undefined;
}

/** Writes a file with `fill` and puts it in the place of `path` once it is whole. */
export async function writeFileHere(
	path: string,
	attributes: FileAttributes,
	signal: AbortSignal,
	fill: (file: FileHandle) => Promise<void>,
): Promise<void> {
	await checkReplaceable(path);
	const temporary = join(dirname(path), temporaryName());
	const file = await open(temporary, CREATE, 0o600);
	try {
		try {
			await fill(file);
			await file.chmod(attributes.mode & MODE_BITS);
			if (attributes.mtime !== undefined) await file.utimes(new Date(), attributes.mtime);
		} finally {
			await file.close();
		}
		signal.throwIfAborted();
		await rename(temporary, path);
	} catch (error) {
		await rm(temporary, { force: true });
		throw error;
	}
}

/** Writes all of `bytes`: one call may write less. */
export async function writeAllHere(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
	let done = 0;
	while (done < bytes.length) {
		const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
		done += bytesWritten;
	}
}

/** Makes a link in the place of `path`. Where it leads does not matter. */
export async function linkHere(target: string, path: string): Promise<void> {
	await checkReplaceable(path);
	const temporary = join(dirname(path), temporaryName());
	await symlink(target, temporary);
	try {
		await rename(temporary, path);
	} catch (error) {
		await rm(temporary, { force: true });
		throw error;
	}
}

/** A copy must replace no folder, and no device (as root, /dev/null). */
async function checkReplaceable(path: string): Promise<void> {
	const there = await lstatHere(path);
	if (there === null || there.isFile() || there.isSymbolicLink()) return;
	if (there.isDirectory()) throw new EntryProblem("a folder is in its place here", "remove it, or copy elsewhere");
	throw new EntryProblem("a device, pipe or socket is in its place here", "to write into it, copy to - and redirect");
}

/**
 * Makes sure that `path` is a real folder that can be filled. A link to a folder is refused: the guest may have sent it
 * in an earlier copy, to have the next one written through it.
 *
 * @returns whether it is new.
 */
export async function folderHere(path: string): Promise<boolean> {
	const there = await lstatHere(path);
	if (there === null) {
		await mkdir(path, 0o700);
		return true;
	}
	if (!there.isDirectory()) {
		throw new EntryProblem(
			there.isSymbolicLink() ? "a link is in its place here, and is not followed" : "a file is in its place here",
			"remove it, or copy elsewhere",
		);
	}
	if ((there.mode & 0o700) !== 0o700) await chmod(path, (there.mode & 0o7777) | 0o700);
	return false;
}

/** Gives a folder its own mode and time, once nothing is written into it any more. */
export async function finishFolderHere(path: string, { mode, mtime }: FileAttributes): Promise<void> {
	if (mtime !== undefined) await utimes(path, new Date(), mtime);
	await chmod(path, mode & MODE_BITS);
}

async function lstatHere(path: string) {
	try {
		return await lstat(path);
	} catch (error) {
		if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
		throw error;
	}
}
