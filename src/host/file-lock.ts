/** A lock that the kernel lets go of when its holder dies, however that happens: flock(2). */
import { dlopen, FFIType } from "bun:ffi";
import { closeSync, fstatSync, openSync, statSync } from "node:fs";

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const LIBRARY = process.platform === "darwin" ? "libSystem.B.dylib" : "libc.so.6";

function flock(fd: number, operation: number): boolean {
	const library = dlopen(LIBRARY, { flock: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 } });
	try {
		return library.symbols.flock(fd, operation) === 0;
	} finally {
		library.close();
	}
}

/** Takes the lock until this process ends. False where somebody holds it. Always true on Windows, which has no flock. */
export function holdLock(path: string): boolean {
	// Never closed: the descriptor is the lock. It is not inherited by children.
	return openLocked(path) !== null;
}

/**
 * Takes the lock until the descriptor is closed, here and in every child that was given it; null where somebody holds it. Nobody
 * locks anything on Windows, which has no flock.
 */
export function openLocked(path: string): number | null {
	const fd = openSync(path, "a", 0o600);
	if (process.platform === "win32" || flock(fd, LOCK_EX | LOCK_NB)) return fd;
	closeSync(fd);
	return null;
}

/**
 * Takes the lock of somebody who may be dead, until disposed; null if a living process holds it, or if the file at `path` was replaced
 * meanwhile. @throws Error where there is no such file.
 */
export function takeLock(path: string): Disposable | null {
	const fd = openSync(path, "r");
	const held = process.platform === "win32" || flock(fd, LOCK_EX | LOCK_NB);
	if (held && statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino) {
		return { [Symbol.dispose]: () => closeSync(fd) };
	}
	closeSync(fd);
	return null;
}

/** Whether a living process holds the lock; null where that cannot be told. */
export function isLockHeld(path: string): boolean | null {
	if (process.platform === "win32") return null;
	let fd: number;
	try {
		fd = openSync(path, "r");
	} catch {
		return null;
	}
	try {
		return !flock(fd, LOCK_SH | LOCK_NB);
	} finally {
		closeSync(fd);
	}
}
