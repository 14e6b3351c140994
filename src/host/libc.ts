/** What this process runs on: the C library's version, by asking it. */
import { CString, dlopen, FFIType } from "bun:ffi";

/** For example "2.36"; null where the C library is not glibc. */
export function hostGlibcVersion(): string | null {
	if (process.platform !== "linux") return null;
	try {
		const libc = dlopen("libc.so.6", { gnu_get_libc_version: { args: [], returns: FFIType.ptr } });
		const pointer = libc.symbols.gnu_get_libc_version();
		return pointer === null ? null : new CString(pointer).toString();
	} catch {
		return null;
	}
}
